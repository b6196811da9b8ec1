"""Where a call's mail becomes a draft: weighed, counted as in flight, checked and encoded; off the loop when that takes long."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gateway.admission.attachments import NO_UPLOADS, Uploads, digests
from gateway.admission.contents import weigh
from gateway.admission.drafting import Call, Drafter
from gateway.admission.idempotency import outcome
from gateway.admission.in_flight import Hold, InFlight
from gateway.admission.limits import MIB, Limits
from gateway.admission.ports import Shell, T
from gateway.admission.shelf import Shelf
from gateway.admission.tenants import Tenant
from gateway.ledger.port import Accepted, Earlier
from mailgate.errors import MailgateError
from mailgate.ids import RANDOM_OCTETS
from mailgate.mail import BatchEntry, BatchReceipt, Mail, Receipt

ON_LOOP_OCTETS = MIB
"""Larger mails are checked, encoded and hashed off the loop: 50 MiB take some 150 ms."""

TEMPLATE_OCTETS = 128 * 1024
"""With variables, so much: a template is read at some 10 MB/s, and an entry rendered or looked at in 2 to 50 µs."""

ENTRY_OCTETS = 512
"""What an entry of a batch, and each of its recipients, is taken to weigh."""

ON_LOOP_RECIPIENTS = 1000
"""More recipients, of a mail or of a batch's entries, too: 1,000 entries take about 12 ms."""


@dataclass(frozen=True, slots=True)
class DraftedMail:
    """Ready to be stored. Whoever has it ends its hold. `started`: when it came, on the shell's clock."""

    accepted: Accepted
    hold: Hold
    started: float


@dataclass(frozen=True, slots=True)
class DraftedBatch:
    """Each entry's mail, or what is wrong with it; else as DraftedMail."""

    batch_id: bytes
    entries: Sequence[Accepted | MailgateError]
    hold: Hold
    started: float

    @property
    def accepted(self) -> list[Accepted]:
        """The sound ones."""
        return [each for each in self.entries if isinstance(each, Accepted)]

    def receipt(self, refused: Mapping[bytes, Earlier]) -> BatchReceipt:
        """What the call is told when it is stored. When all are replayed, the batch's id is the first call's."""
        results: list[Receipt | MailgateError] = [outcome(each, refused) if isinstance(each, Accepted) else each for each in self.entries]
        batch_id = self.batch_id
        if refused and len(refused) == len(self.accepted):
            batch_id = next(iter(refused.values())).batch_id or batch_id
        return BatchReceipt(batch_id, results)


class Desk:
    """One a gateway."""

    def __init__(self, drafter: Drafter, in_flight: InFlight, shell: Shell, shelf: Shelf) -> None:
        self._in_flight, self._shell, self._shelf = in_flight, shell, shelf
        self.drafter = drafter
        """Another one may take its place; a call has the one that was here when it came."""

    async def mail(self, tenant: Tenant, mail: Mail, key: str = "", traceparent: str = "") -> DraftedMail:
        """One mail.

        Raises:
            Invalid, SenderDomainForbidden: the caller's fault.
            Unavailable: too much is in flight, or the gateway stops.
        """
        started, octets, drafter = self._shell.clock(), weigh(mail), self.drafter
        hold, uploads = await self._hold(tenant, mail, drafter.limits, octets, octets)
        call = self._call(tenant, 0, traceparent, uploads)
        large = (
            octets > (TEMPLATE_OCTETS if mail.variables else ON_LOOP_OCTETS)
            or len(mail.to) + len(mail.cc) + len(mail.bcc) > ON_LOOP_RECIPIENTS
        )
        return DraftedMail(await self._off(large, lambda: drafter.mail(call, mail, key), hold), hold, started)

    async def batch(
        self, tenant: Tenant, shared: Mail, entries: Sequence[BatchEntry], key: str = "", traceparent: str = ""
    ) -> DraftedBatch:
        """A mail for each entry. Raises as `mail` does, where `shared` or the batch as a whole is wrong."""
        started, drafter = self._shell.clock(), self.drafter
        recipients = sum([len(entry.to) + len(entry.cc) + len(entry.bcc) for entry in entries])
        variables = sum([len(entry.variables) for entry in entries])
        content = weigh(shared)
        octets = content + ENTRY_OCTETS * (len(entries) + recipients) + variables
        hold, uploads = await self._hold(tenant, shared, drafter.limits, content, octets)
        call = self._call(tenant, min(len(entries), drafter.limits.max_batch_entries), traceparent, uploads)
        large = octets > (TEMPLATE_OCTETS if variables or shared.variables else ON_LOOP_OCTETS) or recipients > ON_LOOP_RECIPIENTS
        batch_id, drafted = await self._off(large, lambda: drafter.batch(call, shared, entries, key), hold)
        return DraftedBatch(batch_id, drafted, hold, started)

    async def _hold(self, tenant: Tenant, mail: Mail, limits: Limits, content: int, octets: int) -> tuple[Hold, Uploads]:
        """The call's octets in flight, with those of the files that its mail names by digest; only then are these read.

        A mail that is too large with them is refused by their sizes, and one of which a file is not there: none of theirs is read.
        `content` is what the mail weighs, `octets` what the call does.
        """
        named = digests(mail.attachments, limits) if mail.attachments else ()
        if not named:
            return self._in_flight.hold(octets), NO_UPLOADS
        sizes = await self._shelf.sizes(tenant.name, named)
        if len(sizes) < len(named) or content + sum(sizes.values()) > limits.max_mail_bytes:
            return self._in_flight.hold(octets), Uploads(sizes, {})
        hold = self._in_flight.hold(octets, sizes)
        try:
            files = await self._shelf.find(tenant.name, named)
        except BaseException:
            hold.end()
            raise
        return hold, Uploads({digest: len(file.data) for digest, file in files.items()}, files)

    def _call(self, tenant: Tenant, entries: int, traceparent: str, uploads: Uploads) -> Call:
        return Call(tenant, self._shell.now_ms(), self._shell.random(RANDOM_OCTETS * (entries + 1)), traceparent, uploads)

    async def _off(self, large: bool, work: Callable[[], T], hold: Hold) -> T:
        try:
            return await self._shell.offload(work) if large else work()
        except BaseException:
            hold.end()
            raise
