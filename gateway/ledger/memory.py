"""The reference ledger: everything in dicts of one process. Nothing survives it; for tests, and to read beside the port."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gateway.ledger.answered import Done, Failed
from gateway.ledger.files import KEPT_MS, missing
from gateway.ledger.memory_files import MemoryFiles
from gateway.ledger.port import (
    LOST,
    Accepted,
    Begin,
    Change,
    Claim,
    Conclusion,
    DoubtView,
    Earlier,
    Expiring,
    Found,
    MailRecord,
    MailView,
    OpenAttempt,
    Parked,
    QueueCount,
    Wait,
)
from mailgate.errors import WrongState
from mailgate.ids import mail_of
from mailgate.job import Fence, Job
from mailgate.mail import Lane, Recipient, RecipientState


@dataclass(slots=True)
class _Entry:
    """A job and where it stands. `since_ms`: when it became ready, or will."""

    job: Job
    since_ms: int
    deferred: bool = False
    parked: Parked | None = None
    reason: str = ""
    open: Begin | None = None


@dataclass(slots=True)
class _Mail:
    record: MailRecord
    recipients: list[Recipient]
    jobs: set[bytes] = field(default_factory=set)


class MemoryLedger:
    """The port's contract, with nothing to wait for; `files` belong to it."""

    def __init__(self) -> None:
        self.files = MemoryFiles(self._needs)
        self._mails: dict[bytes, _Mail] = {}
        self._jobs: dict[bytes, _Entry] = {}
        self._claims: dict[tuple[str, str], tuple[Claim, MailRecord]] = {}

    def accept(self, accepted: Sequence[Accepted]) -> Awaitable[Mapping[bytes, Earlier]]:
        """See the port."""
        if any(each.mail.id in self._mails or any(job.id in self._jobs for job in each.jobs) for each in accepted):
            return Failed(WrongState("one of the mails is there already"))
        for mail, jobs, _ in accepted:
            for file in jobs[0].files if jobs else ():
                if not self.files.keep(mail.tenant, file.digest, mail.expire_ms + KEPT_MS):
                    return Failed(missing(file.digest))
        refused: dict[bytes, Earlier] = {}
        for mail, jobs, claim in accepted:
            if claim is not None and (earlier := self._claim(claim, mail)) is not None:
                refused[mail.id] = earlier
                continue
            recipients = [Recipient(i, email, RecipientState.QUEUED, update_ms=mail.accept_ms) for i, email in enumerate(mail.emails)]
            self._mails[mail.id] = _Mail(mail, recipients, {job.id for job in jobs})
            self._jobs.update((job.id, _Entry(job, mail.accept_ms)) for job in jobs)
        return Done(refused)

    def begin(self, begins: Sequence[Begin]) -> Awaitable[frozenset[Fence]]:
        """See the port."""
        won = set()
        for begin in begins:
            entry = self._current(begin.job.fence)
            if entry is not None and entry.open is None and entry.parked is None:
                entry.open = begin
                won.add(begin.job.fence)
        return Done(frozenset(won))

    def note(self, begins: Sequence[Begin]) -> Awaitable[object]:
        """See the port."""
        self.begin(begins)
        return Done(None)

    def retract(self, fences: Sequence[Fence]) -> Awaitable[None]:
        """See the port."""
        for fence in fences:
            entry = self._current(fence)
            if entry is not None and entry.parked is None:
                entry.open = None
        return Done(None)

    def record(self, conclusions: Sequence[Conclusion]) -> Awaitable[None]:
        """See the port."""
        for conclusion in conclusions:
            entry = self._current(conclusion.fence)
            if entry is not None:
                self._conclude(entry, conclusion)
        return Done(None)

    def note_losses(self, losses: Mapping[bytes, int]) -> Awaitable[None]:
        """See the port."""
        for job_id, count in losses.items():
            if (entry := self._jobs.get(job_id)) is not None:
                entry.job = replace(entry.job, losses=count)
        return Done(None)

    async def open_attempts(self) -> Sequence[OpenAttempt]:
        """See the port."""
        return [
            OpenAttempt(entry.job, entry.open.node_id, entry.open.node_boot, entry.open.at_ms)
            for _, entry in sorted(self._jobs.items())
            if entry.open is not None and entry.parked is None
        ]

    async def find(self, job_ids: Iterable[bytes]) -> Mapping[bytes, Found]:
        """See the port."""
        return {job_id: Found(e.job, e.parked, e.reason) for job_id in job_ids if (e := self._jobs.get(job_id)) is not None}

    async def due(self, now_ms: int, limit: int) -> Sequence[Job]:
        """See the port."""
        ripe = sorted((e for e in self._jobs.values() if e.deferred and e.since_ms <= now_ms), key=lambda e: (e.since_ms, e.job.id))
        for entry in ripe[:limit]:
            entry.deferred = False
        return [entry.job for entry in ripe[:limit]]

    async def mail(self, tenant: str, mail_id: bytes) -> MailView | None:
        """See the port."""
        mail = self._mails.get(mail_id)
        if mail is None or mail.record.tenant != tenant:
            return None
        shown = await self.recipients(mail_id, -1, len(mail.recipients))
        return MailView(mail.record._replace(emails=()), Counter(recipient.state for recipient in shown))

    async def recipients(self, mail_id: bytes, after: int, limit: int) -> Sequence[Recipient]:
        """See the port."""
        mail = self._mails.get(mail_id)
        if mail is None:
            return []
        entries = [self._jobs[job_id] for job_id in mail.jobs]
        sending = {i for entry in entries if entry.open is not None and entry.parked is None for i in entry.job.recipients}
        return [
            replace(recipient, state=RecipientState.SENDING)
            if recipient.state is RecipientState.QUEUED and recipient.index in sending
            else recipient
            for recipient in mail.recipients[after + 1 : after + 1 + limit]
        ]

    async def waits(self, mail_id: bytes, indexes: Collection[int]) -> Mapping[int, Wait]:
        """See the port."""
        mail = self._mails.get(mail_id)
        entries = [self._jobs[job_id] for job_id in mail.jobs] if mail is not None else []
        return {i: Wait(e.job.route, e.job.losses, e.parked, e.job.site_key) for e in entries for i in e.job.recipients if i in indexes}

    async def describe(self, mail_ids: Iterable[bytes]) -> Mapping[bytes, MailRecord]:
        """See the port."""
        return {mail_id: self._mails[mail_id].record for mail_id in mail_ids if mail_id in self._mails}

    async def doubts(self, after: bytes, limit: int) -> Sequence[DoubtView]:
        """See the port."""
        ids = sorted(job_id for job_id, entry in self._jobs.items() if entry.parked is Parked.IN_DOUBT and job_id > after)
        return [self._view(self._jobs[job_id]) for job_id in ids[:limit]]

    async def doubt(self, job_id: bytes) -> DoubtView | None:
        """See the port."""
        entry = self._jobs.get(job_id)
        return self._view(entry) if entry is not None and entry.parked is Parked.IN_DOUBT else None

    async def lost_to(self, node_id: str, node_boot: bytes, after: bytes, limit: int) -> Sequence[Fence]:
        """See the port."""
        fences = [
            entry.job.fence
            for job_id, entry in self._jobs.items()
            if entry.parked is Parked.IN_DOUBT and entry.reason == LOST and job_id > after
            if entry.open is not None and (entry.open.node_id, entry.open.node_boot) == (node_id, node_boot)
        ]
        return sorted(fences)[:limit]

    async def expiring(self, now_ms: int, limit: int) -> Sequence[Expiring]:
        """See the port."""
        found = []
        for job_id, entry in sorted(self._jobs.items()):
            if entry.parked is Parked.IN_DOUBT and entry.job.expire_ms <= now_ms:
                recipients = self._mails[mail_of(job_id)].recipients
                indexes = tuple(i for i in entry.job.recipients if recipients[i].state is RecipientState.DEFERRED)
                found += [Expiring(entry.job, indexes, entry.reason)] if indexes else []
        return found[:limit]

    async def counts(self, in_hand: Collection[bytes]) -> Sequence[QueueCount]:
        """See the port."""
        groups: dict[tuple[Lane, str, str], list[_Entry]] = {}
        for entry in self._jobs.values():
            if entry.parked is None and (entry.deferred or entry.job.id not in in_hand):
                groups.setdefault((entry.job.lane, entry.job.route, entry.job.site_key), []).append(entry)
        return [
            QueueCount(lane, route, key, len(ready), len(entries) - len(ready), min((e.since_ms for e in ready), default=None))
            for (lane, route, key), entries in sorted(groups.items())
            for ready in [[e for e in entries if not e.deferred]]
        ]

    async def parked(self) -> Mapping[Parked, int]:
        """A walk over all jobs."""
        return Counter(entry.parked for entry in self._jobs.values() if entry.parked is not None)

    async def forget_keys(self, now_ms: int, limit: int) -> int:
        """See the port."""
        over = [key for key, (claim, _) in self._claims.items() if claim.until_ms < now_ms][:limit]
        for key in over:
            del self._claims[key]
        return len(over)

    async def forget(self, before_ms: int, limit: int) -> int:
        """See the port."""
        old = [mail_id for mail_id, mail in self._mails.items() if mail.record.accept_ms < before_ms and not mail.jobs]
        for mail_id in old[:limit]:
            del self._mails[mail_id]
        return len(old[:limit])

    def _needs(self, tenant: str, digest: bytes) -> bool:
        jobs = [entry.job for entry in self._jobs.values() if entry.job.tenant == tenant]
        return any(file.digest == digest for job in jobs for file in job.files)

    def _claim(self, claim: Claim, mail: MailRecord) -> Earlier | None:
        """The key is the mail's from here on, or whose it is already."""
        held = self._claims.get((mail.tenant, claim.key))
        if held is not None and held[0].until_ms >= mail.accept_ms:
            return Earlier(held[1].id, held[1].accept_ms, held[0].fingerprint, held[1].batch_id)
        self._claims[mail.tenant, claim.key] = (claim, mail)
        return None

    def _current(self, fence: Fence) -> _Entry | None:
        entry = self._jobs.get(fence.job_id)
        return entry if entry is not None and entry.job.attempt == fence.attempt else None

    def _conclude(self, entry: _Entry, conclusion: Conclusion) -> None:
        mail = self._mails[mail_of(entry.job.id)]
        for change in conclusion.changes:
            for index in change.indexes:
                mail.recipients[index] = _changed(mail.recipients[index], change, conclusion.at_ms)
        if conclusion.remaining is None:
            del self._jobs[entry.job.id]
            mail.jobs.discard(entry.job.id)
            return
        entry.job, entry.parked, entry.reason = conclusion.remaining, conclusion.parked, conclusion.reason
        entry.deferred = conclusion.due_ms is not None
        entry.since_ms = conclusion.due_ms if conclusion.due_ms is not None else entry.job.accept_ms
        if conclusion.parked is not Parked.IN_DOUBT:
            entry.open = None

    def _view(self, entry: _Entry) -> DoubtView:
        emails = self._mails[mail_of(entry.job.id)].record.emails
        node_id, start_ms = (entry.open.node_id, entry.open.at_ms) if entry.open is not None else ("", 0)
        return DoubtView(entry.job, tuple(emails[i] for i in entry.job.recipients), node_id, start_ms, entry.reason)


def _changed(recipient: Recipient, change: Change, at_ms: int) -> Recipient:
    return replace(
        recipient,
        state=change.state,
        attempts=recipient.attempts if change.attempt is None else max(recipient.attempts, change.attempt.number),
        update_ms=at_ms,
        next_attempt_ms=change.next_attempt_ms,
        last_attempt=change.attempt or recipient.last_attempt,
    )
