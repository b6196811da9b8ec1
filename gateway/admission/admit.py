"""The way in: check, split, accept, receipt. It answers when the mail is durable, and never with an error after that."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from gateway.admission.contents import weigh
from gateway.admission.drafting import Call, Drafter
from gateway.admission.drafts import accepted_facts
from gateway.admission.idempotency import replay
from gateway.admission.limits import MIB
from gateway.admission.ports import Hub, Shell, T, Waiting
from gateway.admission.tally import Tally
from gateway.admission.tenants import Tenant
from gateway.ledger.port import Accepted, Earlier, Ledger
from gateway.queue.port import Queue
from mailgate.errors import DeadlinePassed, KeyReused, MailgateError, Unavailable
from mailgate.ids import RANDOM_OCTETS
from mailgate.mail import BatchEntry, Mail, Receipt, Recipient, RecipientState
from mailgate.telemetry import names
from mailgate.telemetry.sample import HistogramSample, Sample

MAX_SHOWN = 100
"""Recipients of a receipt."""

ANSWER_MARGIN = 0.25
"""Seconds before its deadline that a waiting call is answered, so that the answer still arrives."""

ON_LOOP_OCTETS = MIB
"""Larger mails are checked, encoded and hashed off the loop: 50 MiB take some 150 ms."""

ENTRY_OCTETS = 512
"""What an entry of a batch, and each of its recipients, is taken to weigh."""

ON_LOOP_RECIPIENTS = 1000
"""More recipients, of a mail or of a batch's entries, too: 1,000 entries take about 12 ms."""


class BatchReceipt(NamedTuple):
    """`results[i]` is of entry i."""

    batch_id: bytes
    results: list[Receipt | MailgateError]


class Admission:
    """One a gateway. `draining` set: no new mail."""

    def __init__(self, *, ledger: Ledger, queue: Queue, hub: Hub, drafter: Drafter, shell: Shell) -> None:
        self._ledger, self._queue, self._hub, self._drafter, self._shell = ledger, queue, hub, drafter, shell
        self._octets = 0
        self._tally = Tally()
        self.draining = False

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
        started = self._shell.clock()
        try:
            octets = weigh(mail)
            call = self._call(tenant, 0, traceparent)
            with _Hold(self, octets, deadline) as hold:
                large = octets > ON_LOOP_OCTETS or len(mail.to) + len(mail.cc) + len(mail.bcc) > ON_LOOP_RECIPIENTS
                accepted = await self._off(large, lambda: self._drafter.mail(call, mail, key))
                record = accepted.mail
                if validate_only:
                    return Receipt(b"", 0, recipients=_as_accepted(record.emails, 0))
                self._check_deadline(deadline)
                if wait <= 0:
                    refused = await self._shell.finish(hold.hand_over([accepted], started))
                    return _receipt(accepted, refused)
                async with self._hub.wait(record.id, len(record.emails)) as waiting:
                    receipt = _receipt(accepted, await self._shell.finish(hold.hand_over([accepted], started)))
                    if not receipt.replayed:
                        return await self._waited(receipt, waiting, wait, deadline)
                async with self._hub.wait(receipt.mail_id, len(record.emails)) as waiting:
                    there = await self._recipients(receipt.mail_id, len(record.emails))
                    waiting.found([each.index for each in there if each.attempts or each.state.final])
                    return await self._waited(receipt, waiting, wait, deadline)
        except MailgateError as error:
            self._tally.refused[error.reason] += 1
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

        `key`: for idempotency, entry by entry. When all are replayed, the batch's id is the first call's.

        Raises:
            Invalid, SenderDomainForbidden: `shared`, or the batch as a whole, is wrong.
            Unavailable, StorageFull, DeadlinePassed: nothing was stored.
        """
        started = self._shell.clock()
        try:
            recipients = sum([len(entry.to) + len(entry.cc) + len(entry.bcc) for entry in entries])
            octets = weigh(shared) + ENTRY_OCTETS * (len(entries) + recipients)
            with _Hold(self, octets, deadline) as hold:
                large = octets > ON_LOOP_OCTETS or recipients > ON_LOOP_RECIPIENTS
                call = self._call(tenant, len(entries), traceparent)
                batch_id, drafted = await self._off(large, lambda: self._drafter.batch(call, shared, entries, key))
                accepted = [each for each in drafted if isinstance(each, Accepted)]
                refused: Mapping[bytes, Earlier] = {}
                if accepted:
                    self._check_deadline(deadline)
                    refused = await self._shell.finish(hold.hand_over(accepted, started))
        except MailgateError as error:
            self._tally.refused[error.reason] += max(len(entries), 1)
            raise
        results: list[Receipt | MailgateError] = [_outcome(each, refused) if isinstance(each, Accepted) else each for each in drafted]
        self._tally.refused.update([each.reason for each in results if isinstance(each, MailgateError)])
        if refused and len(refused) == len(accepted):
            batch_id = next(iter(refused.values())).batch_id or batch_id
        return BatchReceipt(batch_id, results)

    def stats(self) -> Iterable[Sample | HistogramSample]:
        """For telemetry."""
        yield Sample(names.BYTES_IN_FLIGHT, self._octets)
        yield from self._tally.stats()

    def _call(self, tenant: Tenant, entries: int, traceparent: str) -> Call:
        entries = min(entries, self._drafter.limits.max_batch_entries)
        return Call(tenant, self._shell.now_ms(), self._shell.random(RANDOM_OCTETS * (entries + 1)), traceparent)

    async def _off(self, large: bool, work: Callable[[], T]) -> T:
        return await self._shell.offload(work) if large else work()

    def _check_deadline(self, deadline: float | None) -> None:
        if deadline is not None and self._shell.clock() >= deadline:
            raise DeadlinePassed("the call's deadline has passed: nothing was stored; give the call more time")

    async def _store(self, accepted: list[Accepted], started: float) -> Mapping[bytes, Earlier]:
        """In this order: who listens hears of a mail before anything can become of it. What was not stored: its key is another's."""
        refused = await self._ledger.accept(accepted)
        if refused:
            self._tally.replayed += len(refused)
            accepted = [each for each in accepted if each.mail.id not in refused]
            if not accepted:
                return refused
        self._tally.accepted(accepted, self._shell.clock() - started)
        if self._hub.listening:
            self._hub.publish(accepted_facts(accepted))
        await self._queue.put([job for each in accepted for job in each.jobs])
        return refused

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


class _Hold:
    """A call's part of the octets in flight, given back when the call fails or its mail is stored, whichever ends it."""

    def __init__(self, admission: Admission, octets: int, deadline: float | None) -> None:
        self._admission, self._octets, self._deadline = admission, octets, deadline
        self._handed = False

    def __enter__(self) -> _Hold:
        admission = self._admission
        if admission.draining:
            raise Unavailable("the gateway stops: send to another one, or again in a moment")
        admission._check_deadline(self._deadline)
        bound = admission._drafter.limits.max_in_flight_bytes
        if admission._octets and admission._octets + self._octets > bound:
            raise Unavailable(f"mails of {admission._octets:,} octets are being stored, at most {bound:,} may be: send again in a moment")
        admission._octets += self._octets
        return self

    def __exit__(self, *_: object) -> None:
        if not self._handed:
            self._admission._octets -= self._octets

    def hand_over(self, accepted: list[Accepted], started: float) -> Coroutine[Any, Any, Mapping[bytes, Earlier]]:
        """Store them; the hold lasts until that is done, though the call may end before."""
        self._handed = True
        return self._stored(accepted, started)

    async def _stored(self, accepted: list[Accepted], started: float) -> Mapping[bytes, Earlier]:
        try:
            return await self._admission._store(accepted, started)
        finally:
            self._admission._octets -= self._octets


def _outcome(accepted: Accepted, refused: Mapping[bytes, Earlier]) -> Receipt | KeyReused:
    record = accepted.mail
    earlier = refused.get(record.id)
    return Receipt(record.id, record.accept_ms) if earlier is None else replay(accepted.claim, earlier)


def _receipt(accepted: Accepted, refused: Mapping[bytes, Earlier]) -> Receipt:
    outcome = _outcome(accepted, refused)
    if isinstance(outcome, KeyReused):
        raise outcome
    return outcome


def _as_accepted(emails: Sequence[str], update_ms: int) -> tuple[Recipient, ...]:
    shown = emails[:MAX_SHOWN]
    return tuple([Recipient(index, email, RecipientState.QUEUED, update_ms=update_ms) for index, email in enumerate(shown)])
