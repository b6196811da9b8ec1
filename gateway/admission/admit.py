"""The way in: check, split, accept, receipt. It answers when the mail is durable, and never with an error after that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from gateway.admission.desk import Desk, DraftedMail
from gateway.admission.drafting import Drafter
from gateway.admission.idempotency import outcome
from gateway.admission.in_flight import InFlight
from gateway.admission.ports import Hub, Shell, Waiting
from gateway.admission.shelf import Shelf
from gateway.admission.store import Store
from gateway.admission.tally import Tally
from gateway.admission.tenants import Tenant
from gateway.ledger.files import Files
from gateway.ledger.port import Earlier, Ledger
from gateway.queue.port import Queue
from mailgate.errors import DeadlinePassed, MailgateError
from mailgate.mail import BatchEntry, BatchReceipt, Mail, Receipt, Recipient, RecipientState
from mailgate.telemetry import names
from mailgate.telemetry.sample import HistogramSample, Sample

MAX_SHOWN = 100
"""Recipients of a receipt."""

ANSWER_MARGIN = 0.25
"""Seconds before its deadline that a waiting call is answered, so that the answer still arrives."""


class Admission:
    """One a gateway. A stream uses `desk` and `store` itself."""

    def __init__(self, *, ledger: Ledger, queue: Queue, files: Files, hub: Hub, drafter: Drafter, shell: Shell) -> None:
        self._ledger, self._hub, self._shell = ledger, hub, shell
        self.tally = Tally()
        self.in_flight = InFlight(drafter.limits.max_in_flight_bytes)
        self.desk = Desk(drafter, self.in_flight, shell, Shelf(files))
        self.store = Store(ledger, queue, hub, shell, self.tally)

    def use(self, drafter: Drafter) -> None:
        """Other routes and limits, for the calls that come from now on."""
        self.desk.drafter = drafter
        self.in_flight.bound = drafter.limits.max_in_flight_bytes

    async def send(
        self,
        tenant: Tenant,
        mail: Mail,
        *,
        key: str = "",
        validate_only: bool = False,
        wait: float = 0.0,
        deadline: float | None = None,
        traceparent: str = "",
    ) -> Receipt:
        """Accept one mail. `wait`: seconds to wait for its first attempts; `deadline`: of the call, on the shell's clock.

        `key`: for idempotency; when it is known the receipt is that of the mail that has it, and nothing is stored. A call that is
        cancelled before the mail was handed to the ledger stores nothing; after that it is stored all the same.

        Raises:
            Invalid, SenderDomainForbidden, KeyReused: the caller's fault.
            Unavailable, StorageFull, DeadlinePassed: nothing was stored.
        """
        try:
            self._check_deadline(deadline)
            drafted = await self.desk.mail(tenant, mail, key, traceparent)
            with drafted.hold:
                emails = drafted.accepted.mail.emails
                if validate_only:
                    return Receipt(b"", 0, recipients=as_accepted(emails))
                self._check_deadline(deadline)
                if wait <= 0:
                    return await self._stored(drafted)
                async with self._hub.wait(drafted.accepted.mail.id, len(emails)) as waiting:
                    receipt = await self._stored(drafted)
                    if not receipt.replayed:
                        return await self._waited(receipt, waiting, wait, deadline)
                async with self._hub.wait(receipt.mail_id, len(emails)) as waiting:
                    there = await self._recipients(receipt.mail_id, len(emails))
                    waiting.found([each.index for each in there if each.attempts or each.state.final])
                    return await self._waited(receipt, waiting, wait, deadline)
        except MailgateError as error:
            self.tally.refused[error.reason] += 1
            raise

    async def send_batch(
        self,
        tenant: Tenant,
        shared: Mail,
        entries: Sequence[BatchEntry],
        *,
        key: str = "",
        deadline: float | None = None,
        traceparent: str = "",
    ) -> BatchReceipt:
        """Accept a mail for each entry. A fault of an entry is its result; the good ones become durable in one commit.

        `key`: for idempotency, entry by entry.

        Raises:
            Invalid, SenderDomainForbidden: `shared`, or the batch as a whole, is wrong.
            Unavailable, StorageFull, DeadlinePassed: nothing was stored.
        """
        try:
            self._check_deadline(deadline)
            drafted = await self.desk.batch(tenant, shared, entries, key, traceparent)
            with drafted.hold:
                accepted = drafted.accepted
                refused: Mapping[bytes, Earlier] = {}
                if accepted:
                    self._check_deadline(deadline)
                    refused = await self.store.keep(accepted, drafted.started, [drafted.hold])
        except MailgateError as error:
            self.tally.refused[error.reason] += max(len(entries), 1)
            raise
        receipt = drafted.receipt(refused)
        self.tally.refused.update([each.reason for each in receipt.results if isinstance(each, MailgateError)])
        return receipt

    def drain(self) -> None:
        """The gateway stops: no new mail."""
        self.in_flight.draining = True

    def stats(self) -> Iterable[Sample | HistogramSample]:
        """For telemetry."""
        yield Sample(names.BYTES_IN_FLIGHT, self.in_flight.octets)
        yield from self.tally.stats()

    def _check_deadline(self, deadline: float | None) -> None:
        if deadline is not None and self._shell.clock() >= deadline:
            raise DeadlinePassed("the call's deadline has passed: nothing was stored; give the call more time")

    async def _stored(self, drafted: DraftedMail) -> Receipt:
        """Raises KeyReused where the key is another mail's."""
        told = outcome(drafted.accepted, await self.store.keep([drafted.accepted], drafted.started, [drafted.hold]))
        if isinstance(told, MailgateError):
            raise told
        return told

    async def _waited(self, receipt: Receipt, waiting: Waiting, wait: float, deadline: float | None) -> Receipt:
        """The receipt when the wait is over. The mail is durable: whatever goes wrong from here on is no error of the call."""
        if deadline is not None:
            wait = min(wait, deadline - self._shell.clock() - ANSWER_MARGIN)
        attempted = await waiting.attempted(wait)
        recipients = tuple(await self._recipients(receipt.mail_id, MAX_SHOWN))
        return replace(receipt, wait_elapsed=not attempted or not recipients, recipients=recipients)

    async def _recipients(self, mail_id: bytes, limit: int) -> Sequence[Recipient]:
        """The first of a mail's, or none while the ledger cannot say."""
        try:
            return await self._ledger.recipients(mail_id, -1, limit)
        except Exception:
            return ()


def as_accepted(emails: Sequence[str]) -> tuple[Recipient, ...]:
    """The first recipients, as they would be once accepted."""
    return tuple([Recipient(index, email, RecipientState.QUEUED) for index, email in enumerate(emails[:MAX_SHOWN])])
