"""The ledger over the journal's tables: writes become work for the writer, queries go to the reader."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from gateway.journal import queries
from gateway.journal.claims import forget_keys
from gateway.journal.counts import timed
from gateway.journal.forgetting import forget_mails, forgettable
from gateway.journal.late import Late
from gateway.journal.positions import Positions
from gateway.journal.queue import JournalQueue
from gateway.journal.reader import Reader
from gateway.journal.work import AcceptWork, BeginWork, ErrandWork, LossesWork, RecordWork, RetractWork, Work
from gateway.journal.writer import Writer
from gateway.ledger.port import (
    Accepted,
    Begin,
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
from mailgate.job import Fence, Job
from mailgate.mail import OnDoubt, Recipient

COUNT_SHARE = 20
"""Counting walks over every waiting job: an answer is kept for this many times what it cost, so that it takes 5 % of a thread at most."""
COUNT_FREE = 0.02
"""Seconds that counting may cost without its answer being kept."""


class JournalLedger:
    """The port's contract."""

    def __init__(self, writer: Writer, reader: Reader, positions: Positions, queue: JournalQueue) -> None:
        self._writer, self._reader, self._positions, self._queue = writer, reader, positions, queue
        self.late = Late(self._begin)
        self._counted: Sequence[QueueCount] = ()
        self._counted_until = 0.0

    def accept(self, accepted: Sequence[Accepted]) -> Awaitable[Mapping[bytes, Earlier]]:
        """See the port."""
        self._positions.submitting()
        return self._writer.submit(AcceptWork(accepted, [self._positions.fresh(len(each.jobs)) for each in accepted]))

    def begin(self, begins: Sequence[Begin]) -> Awaitable[frozenset[Fence]]:
        """See the port. What is held of these was first, and is written first."""
        self.late.give_way([each.job.id for each in begins])
        return self._begin(begins)

    def note(self, begins: Sequence[Begin]) -> Awaitable[object]:
        """See the port. What is held for a doubt has its row at once: only that says which node to ask."""
        hold = any([each.job.on_doubt is OnDoubt.HOLD for each in begins])
        return self.begin(begins) if hold else self.late.put(begins)

    def retract(self, fences: Sequence[Fence]) -> Awaitable[None]:
        """See the port."""
        self.late.take(fences)
        return self._submit(RetractWork(fences))

    def record(self, conclusions: Sequence[Conclusion]) -> Awaitable[None]:
        """See the port."""
        if doubts := [each.fence.job_id for each in conclusions if each.parked is Parked.IN_DOUBT]:
            self.late.give_way(doubts)  # their rows stay, and say who is to be asked
        self.late.take([each.fence for each in conclusions])
        self._positions.submitting()
        positions = [None if each.due_ms is None else self._positions.deferred(each.due_ms) for each in conclusions]
        work = RecordWork(conclusions, positions)
        self._queue.recording(work)
        return self._writer.submit(work, urgent=False)

    def note_losses(self, losses: Mapping[bytes, int]) -> Awaitable[None]:
        """See the port."""
        return self._submit(LossesWork(losses))

    async def open_attempts(self) -> Sequence[OpenAttempt]:
        """See the port."""
        return await self._reader.ask(queries.open_attempts)

    async def find(self, job_ids: Iterable[bytes]) -> Mapping[bytes, Found]:
        """See the port."""
        return await self._reader.ask(queries.find, tuple(dict.fromkeys(job_ids)))

    async def due(self, now_ms: int, limit: int) -> Sequence[Job] | None:
        """See the port: the queue brings them."""
        return None

    async def mail(self, tenant: str, mail_id: bytes) -> MailView | None:
        """See the port."""
        return await self._reader.ask(queries.mail, tenant, mail_id)

    async def recipients(self, mail_id: bytes, after: int, limit: int) -> Sequence[Recipient]:
        """See the port."""
        return await self._reader.ask(queries.recipients, mail_id, after, limit)

    async def waits(self, mail_id: bytes, indexes: Collection[int]) -> Mapping[int, Wait]:
        """See the port."""
        return await self._reader.ask(queries.waits, mail_id, frozenset(indexes)) if indexes else {}

    async def describe(self, mail_ids: Iterable[bytes]) -> Mapping[bytes, MailRecord]:
        """See the port."""
        return await self._reader.ask(queries.describe, tuple(dict.fromkeys(mail_ids)))

    async def doubts(self, after: bytes, limit: int) -> Sequence[DoubtView]:
        """See the port."""
        return await self._reader.ask(queries.doubts, after, limit)

    async def doubt(self, job_id: bytes) -> DoubtView | None:
        """See the port."""
        return await self._reader.ask(queries.doubt, job_id)

    async def lost_to(self, node_id: str, node_boot: bytes, after: bytes, limit: int) -> Sequence[Fence]:
        """See the port."""
        return await self._reader.ask(queries.lost_to, node_id, node_boot, after, limit)

    async def expiring(self, now_ms: int, limit: int) -> Sequence[Expiring]:
        """See the port."""
        return await self._reader.ask(queries.expiring, now_ms, limit)

    async def counts(self, in_hand: Collection[bytes]) -> Sequence[QueueCount]:
        """See the port. With a hundred thousand jobs and more an answer may be a second or two old."""
        if time.monotonic() >= self._counted_until:
            self._counted, cost = await self._reader.ask(timed, self._positions.now(), tuple(in_hand))
            self._counted_until = time.monotonic() + (COUNT_SHARE * cost if cost > COUNT_FREE else 0.0)
        return self._counted

    async def parked(self) -> Mapping[Parked, int]:
        """See the port."""
        return await self._reader.ask(queries.parked_counts)

    async def forget_keys(self, now_ms: int, limit: int) -> int:
        """See the port."""
        return int(await self._submit(ErrandWork(partial(forget_keys, now_ms=now_ms, limit=limit))))

    async def forget(self, before_ms: int, limit: int) -> int:
        """See the port."""
        mails = await self._reader.ask(forgettable, before_ms, limit)
        return int(await self._submit(ErrandWork(partial(forget_mails, mails=mails)))) if mails else 0

    def _begin(self, begins: Sequence[Begin]) -> Awaitable[frozenset[Fence]]:
        return self._submit(BeginWork(begins), urgent=any(each.job.on_doubt is OnDoubt.HOLD for each in begins))

    def _submit(self, work: Work, *, urgent: bool = True) -> Awaitable[Any]:
        self._positions.submitting()
        return self._writer.submit(work, urgent=urgent)
