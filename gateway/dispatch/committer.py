"""From READY to COMMIT: the compare-and-set of promise 3, for all nodes of this gateway. What is over its ttl gets none.

A ledger of this process alone (`early`) lets COMMIT leave before the row of a RESEND mail is on disk: the hand has decided already, and
what a crash loses is between COMMIT and record, which RESEND excuses. A HOLD mail, and every mail of a shared ledger, waits for its row.
When the storage fails no COMMIT is given until it works again (promise 8).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from gateway.dispatch.clock import Clock
from gateway.dispatch.hand import Hand
from gateway.dispatch.link import NodeLink
from gateway.dispatch.member import Member
from gateway.ledger.port import Begin, Ledger
from mailgate.errors import StorageBroken, StorageFull
from mailgate.job import Fence, Job
from mailgate.mail import OnDoubt

PAUSE = 0.5
"""Seconds before jobs whose rows could not be written are tried again: each try costs a server a 354."""


class Committer:
    """`ready` and `adopt` are synchronous; `run` awaits the rows of those that wait for them, one batch at a time."""

    def __init__(self, ledger: Ledger, clock: Clock, early: bool, give_back: Callable[[Sequence[Job]], None]) -> None:
        self._ledger, self._clock, self._early, self._give_back = ledger, clock, early, give_back
        self._waiting: list[tuple[Member, Job]] = []
        self._more = asyncio.Event()
        self._unseen: set[asyncio.Future[object]] = set()
        self._storage_works = True
        self.broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.committed = 0
        self.stale = 0

    def ready(self, member: Member, fences: Sequence[Fence]) -> None:
        """The member's servers have answered 354 to these."""
        link, hand = member.link, member.hand
        if link is None:
            return
        early: dict[Fence, Job] = {}
        others: list[Fence] = []
        over_ms = self._clock.over_ms()
        for fence in fences:
            job = hand.begin(fence)
            if job is None:
                others.append(fence)
            elif job.expire_ms <= over_ms:
                self._too_late(link, hand, job)
            elif self._early and self._storage_works and job.on_doubt is OnDoubt.RESEND:
                hand.commit(fence)
                early[fence] = job
            else:
                self._waiting.append((member, job))
        if early:
            link.commit(tuple(early))
            self.committed += len(early)
            self.note(self._rows(member, early.values()))
        self._again(link, hand, others)
        if self._waiting:
            self._more.set()

    def _too_late(self, link: NodeLink, hand: Hand, job: Job) -> None:
        """Its ttl has passed at the node, in the line or while the server took its time: it is not sent any more."""
        hand.take_back(job.fence)
        link.withdraw([job.fence])
        self._give_back([job])

    def _again(self, link: NodeLink, hand: Hand, fences: Sequence[Fence]) -> None:
        """READY for what is not OFFERED: not ours any more, or said before.

        A connection that broke after 354 makes a node try once more. It acts on the COMMIT that follows its last READY, and on one only.
        """
        if repeated := [fence for fence in fences if hand.has_committed(fence)]:
            link.commit(repeated)
        if unwanted := [fence for fence in fences if not hand.has_committed(fence) and not hand.is_begun(fence)]:
            self.stale += len(unwanted)
            link.withdraw(unwanted)

    def adopt(self, member: Member, jobs: Sequence[Job]) -> None:
        """The member has these committed from an earlier stream or an earlier life of this gateway."""
        for job in jobs:
            member.hand.adopt(job)
        self.note(self._rows(member, jobs))

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._more.wait()
            self._more.clear()
            waiting, self._waiting = self._waiting, []
            # Lost or taken back meanwhile: a row inserted now would stay for ever.
            waiting = [(member, job) for member, job in waiting if member.hand.is_begun(job.fence)]
            if waiting:
                await self._commit(waiting)

    async def _commit(self, waiting: list[tuple[Member, Job]]) -> None:
        try:
            won = await self._ledger.begin([self.row(member, job) for member, job in waiting])
        except StorageFull:
            self._storage_works = False
            self._refuse(waiting, keep=True)
            await asyncio.sleep(PAUSE)
            return
        self._storage_works = True
        by_member: dict[Member, list[Fence]] = {}
        lost: list[tuple[Member, Job]] = []
        for member, job in waiting:
            if job.fence not in won:
                lost.append((member, job))
            elif member.hand.commit(job.fence) is not None:
                by_member.setdefault(member, []).append(job.fence)
        for member, fences in by_member.items():
            if member.link is not None:
                member.link.commit(fences)
                self.committed += len(fences)
        self._refuse(lost, keep=False)

    def _refuse(self, refused: list[tuple[Member, Job]], *, keep: bool) -> None:
        """Have the nodes drop them. `keep`: they are still ours, and ready again."""
        kept = []
        for member, job in refused:
            if member.hand.take_back(job.fence) is None:
                continue
            if member.link is not None:
                member.link.withdraw([job.fence])
            kept.append(job)
        if keep and kept:
            asyncio.get_running_loop().call_later(PAUSE, self._give_back, kept)

    def note(self, rows: list[Begin]) -> None:
        """Insert rows that nobody waits for; a failure stops further early COMMITs."""
        written = asyncio.ensure_future(self._ledger.note(rows))
        if written not in self._unseen:  # one for many
            self._unseen.add(written)
            written.add_done_callback(self._seen)

    def _seen(self, written: asyncio.Future[object]) -> None:
        self._unseen.discard(written)
        if written.cancelled():
            return
        error = written.exception()
        if isinstance(error, StorageFull):
            self._storage_works = False
        elif error is not None and not self.broken.done():
            self.broken.set_exception(error if isinstance(error, StorageBroken) else StorageBroken(repr(error)))

    def row(self, member: Member, job: Job) -> Begin:
        """That the member, as it is now, has the job."""
        (row,) = self._rows(member, [job])
        return row

    def _rows(self, member: Member, jobs: Iterable[Job]) -> list[Begin]:
        node_id, boot_id, now_ms = member.node_id, member.boot_id, self._clock.now_ms()
        return [Begin(job, node_id, boot_id, now_ms) for job in jobs]
