"""From verdicts to the ledger, and only then to the watchers and back to the node: record, settle, publish, acknowledge.

One batch at a time; whatever gathers while a commit is under way is the next batch. What is not recorded is kept here and, for verdicts, by
the node: a full disk delays, it loses nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from typing import NamedTuple

from gateway.dispatch.clock import Clock
from gateway.dispatch.member import Member
from gateway.dispatch.retry import Backoff, Ruling, conclude, resend
from gateway.dispatch.rules import Rules
from gateway.ledger.fact import Publish
from gateway.ledger.port import Ledger
from gateway.queue.port import Queue
from mailgate.errors import StorageFull
from mailgate.job import Fence, Job
from mailgate.mail import Lane, RecipientState
from mailgate.telemetry.histogram import WAITS, Histogram
from mailgate.verdict import Tried

CLASSES_AT_MOST = 50
"""Classes that are counted by name: nodes choose them, and there are some twenty."""
PAUSE = 1.0
"""Seconds until a batch that found the disk full is tried again."""


class Settled(NamedTuple):
    """A ruling, and the node that must be told when it is durable ("" for none)."""

    ruling: Ruling
    node_id: str = ""
    durable: asyncio.Future[None] | None = None
    """Done when it is recorded, for who waits."""


class Settler:
    """`members` finds the node's present stream when its verdicts are durable; `give_back` takes jobs that are ready again.

    `rules` are asked before anything is made of a verdict.
    """

    def __init__(
        self,
        ledger: Ledger,
        queue: Queue,
        publish: Publish,
        members: Mapping[str, Member],
        clock: Clock,
        backoff: Backoff,
        random: Callable[[], float],
        give_back: Callable[[Sequence[Job]], None],
        rules: Rules,
    ) -> None:
        self._ledger, self._queue, self._publish = ledger, queue, publish
        self._members, self._clock, self._random, self._give_back = members, clock, random, give_back
        self.backoff, self.rules = backoff, rules
        """Others may take their places: they count for the verdicts that come from then on."""
        self._batch: list[Settled] = []
        self._under_way: dict[Fence, str] = {}
        """With the node that will be told."""
        self._touched: list[set[bytes]] = []
        self._more = asyncio.Event()
        self.outcomes: dict[tuple[Lane, RecipientState], int] = {(lane, state): 0 for lane in Lane for state in RecipientState}
        self.delivered = {lane: Histogram(WAITS) for lane in Lane}
        self.classes: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._under_way)

    def __contains__(self, fence: Fence) -> bool:
        """Its ruling is known and not durable yet."""
        return fence in self._under_way

    def __iter__(self) -> Iterator[Fence]:
        """Those whose ruling is known and not durable yet."""
        return iter(self._under_way)

    def tells(self, fence: Fence, node_id: str) -> bool:
        """This node will hear that it is settled, when it is durable."""
        return bool(node_id) and self._under_way.get(fence) == node_id

    @contextmanager
    def touching(self) -> Iterator[Set[bytes]]:
        """Jobs whose ruling is under way, or comes while the ledger is being read: what was read of them may be out of date."""
        touched = {fence.job_id for fence in self._under_way}
        self._touched.append(touched)
        try:
            yield touched
        finally:
            self._touched = [each for each in self._touched if each is not touched]

    def unsent(self, node_id: str, job: Job) -> None:
        """The node's word ends a doubt: the parked job was certainly not sent, so it goes again."""
        self.settle(Settled(resend(job, None, self._clock.now_ms()), node_id))

    def tried(self, node_id: str, job: Job, verdict: Tried, *, tell: bool = True) -> None:
        """The node tried the job. `tell` it when that is durable."""
        verdict = self.rules.over(job.route, verdict)
        ruling = conclude(job, verdict, node_id, self._clock.now_ms(), self.backoff, self._random(), may_expire=self._clock.trusted)
        self.settle(Settled(ruling, node_id if tell else ""))

    def settle(self, settled: Settled) -> None:
        """Record this ruling with the next batch."""
        self._batch.append(settled)
        fence = settled.ruling.conclusion.fence
        self._under_way[fence] = settled.node_id
        for touched in self._touched:
            touched.add(fence.job_id)
        self._more.set()

    async def run(self) -> None:
        """Until cancelled; raises StorageBroken when the ledger does."""
        while True:
            await self._more.wait()
            self._more.clear()
            batch, self._batch = self._batch, []
            if batch:
                await self._record(batch)

    async def _record(self, batch: list[Settled]) -> None:
        conclusions = [settled.ruling.conclusion for settled in batch]
        while True:
            try:
                await self._ledger.record(conclusions)
                break
            except StorageFull:
                await asyncio.sleep(PAUSE)
        if gone := [settled.ruling.job for settled in batch if settled.ruling.conclusion.remaining is None]:
            await self._queue.settle(gone)
        for settled in batch:
            self._under_way.pop(settled.ruling.conclusion.fence, None)
        self._acknowledge(batch)
        if back := [settled.ruling.back for settled in batch if settled.ruling.back is not None]:
            self._give_back(back)
        for settled in batch:
            if settled.durable is not None and not settled.durable.done():
                settled.durable.set_result(None)
        self._count(batch)
        self._publish(fact for settled in batch for fact in settled.ruling.facts())

    def _acknowledge(self, batch: list[Settled]) -> None:
        by_node: dict[str, list[Fence]] = {}
        for settled in batch:
            if settled.node_id:
                by_node.setdefault(settled.node_id, []).append(settled.ruling.conclusion.fence)
        for node_id, fences in by_node.items():
            member = self._members.get(node_id)
            if member is not None and member.link is not None:
                member.link.settled(fences)

    def _count(self, batch: list[Settled]) -> None:
        for settled in batch:
            delivered = 0
            for change in settled.ruling.conclusion.changes:
                self.outcomes[settled.ruling.job.lane, change.state] += len(change.indexes)
                if change.state is RecipientState.DELIVERED:
                    delivered += len(change.indexes)
                elif change.attempt is not None:
                    name = change.attempt.bounce_class or "other"
                    if name not in self.classes and len(self.classes) >= CLASSES_AT_MOST:
                        name = "other"
                    self.classes[name] = self.classes.get(name, 0) + len(change.indexes)
            if delivered:
                waited = (settled.ruling.conclusion.at_ms - settled.ruling.job.accept_ms) / 1000
                self.delivered[settled.ruling.job.lane].observe(waited, delivered)
                if (member := self._members.get(settled.node_id)) is not None:
                    member.delivered += delivered
