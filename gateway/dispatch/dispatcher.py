"""The shell of dispatch: fills the window, feeds the nodes, hears them, and hands what they say to those who decide.

Its tasks are few and never one a job: refill, feed, commit, settle, claim, and a tick. What a node says is acted on synchronously, between
two reads of its stream, so that no await stands between a decision and its effect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

from gateway.dispatch.choice import Choice
from gateway.dispatch.claims import Claims
from gateway.dispatch.clock import Clock
from gateway.dispatch.committer import Committer
from gateway.dispatch.doubts import Answered, Doubt, Doubts
from gateway.dispatch.feeder import Feeder
from gateway.dispatch.hand import Loss
from gateway.dispatch.lateness import Lateness
from gateway.dispatch.link import Heard, Hello
from gateway.dispatch.losses import Losses
from gateway.dispatch.member import Member
from gateway.dispatch.options import DispatchOptions
from gateway.dispatch.parked import ParkedDoubts
from gateway.dispatch.reasons import Reasons
from gateway.dispatch.recovery import Recovery
from gateway.dispatch.retry import Backoff, bury_lost, decide_doubt, expire
from gateway.dispatch.returns import Returns
from gateway.dispatch.rules import NO_RULES, Rules
from gateway.dispatch.settler import Settled, Settler
from gateway.dispatch.sites import Sites
from gateway.dispatch.unwatched import Unwatched
from gateway.dispatch.verdicts import Verdicts
from gateway.dispatch.whereabouts import Whereabouts
from gateway.dispatch.window import Window
from gateway.ledger.fact import Publish
from gateway.ledger.port import Ledger, QueueCount
from gateway.queue.port import Queue
from mailgate.job import Fence, Job
from mailgate.mail import Lane
from mailgate.telemetry.histogram import WAITS, Histogram

TICK = 0.1
"""Seconds between looks at what is overdue."""
EXPIRY_SWEEP = 5.0
"""Seconds between walks over the window for what has expired (1 ms for 20,000 jobs)."""


class Dispatcher:
    """See the module. `members`: the fleet's; `early`: committer.py; `recovering`: the last stop was not clean; `calls`: lateness.py."""

    def __init__(
        self,
        ledger: Ledger,
        queue: Queue,
        publish: Publish,
        members: Mapping[str, Member],
        clock: Clock,
        options: DispatchOptions,
        choice: Choice,
        random: Callable[[], float],
        *,
        early: bool,
        recovering: bool,
        calls: Callable[[], tuple[int, int]],
        rules: Rules = NO_RULES,
        pool_of: Callable[[str], str] = lambda _: "",
        has_route: Callable[[str], bool] = lambda _: True,
        by_mx: Callable[[str], bool | None] = lambda _: None,
    ) -> None:
        self._ledger, self._queue, self._clock, self._options, self._members, self.choice = ledger, queue, clock, options, members, choice
        self._window = Window(options.waiting_jobs, options.waiting_bytes)
        self._unwatched = Unwatched()
        self._losses = Losses(options.losses_alone, options.losses_dead)
        self._doubts = Doubts(options.doubt_wait.total_seconds())
        self._more = asyncio.Event()
        self._lateness = Lateness(clock, calls, self._more.set)
        self._feeder = Feeder(self._window, self._losses, choice, self._offer, self._lateness.may_go, has_route)
        self.committer = Committer(ledger, clock, early, self._ready_again)
        self._returns = Returns(ledger, self._ready_again)
        self.settler = Settler(ledger, queue, publish, members, clock, Backoff.of(options), random, self._ready_again, rules)
        until = clock.monotonic() + options.recovery_wait.total_seconds() if recovering else None
        self._recovery = Recovery(until, clock.now_ms())
        self._where = Whereabouts(
            members, self._feeder, self._returns, self._recovery, self._doubts, self._losses, self.committer, ledger, self._unwatched
        )
        self._claims = Claims(ledger, members, self.settler, self._where.take_back, self._where.adopt)
        self.sites = Sites(by_mx=by_mx)
        self.verdicts = Verdicts(self._doubts, self._claims, self.settler, clock, options.losses_dead, self.sites, choice)
        self._parked = ParkedDoubts(ledger, self._claims, self.settler, clock)
        self.wait_reason = Reasons(members, self._losses, pool_of, has_route, self.sites.key, clock.monotonic)
        self.handed = {lane: Histogram(WAITS) for lane in Lane}
        self._stopping, self.withdrawn = False, 0

    def __repr__(self) -> str:
        return f"<Dispatcher {self._window!r} {self._doubts!r} alone={self._feeder.alone} settling={len(self.settler)}>"

    async def recover(self) -> None:
        """Before anything else: find the attempts that an earlier life of this gateway left open."""
        wait = self._options.recovery_wait.total_seconds()
        for attempt in await self._ledger.open_attempts():
            self._doubts.add([attempt.job], attempt.node_id, attempt.node_boot, attempt.at_ms, self._clock.monotonic(), wait)

    async def run(self) -> None:
        """Until cancelled; raises StorageBroken when the ledger does."""
        async with asyncio.TaskGroup() as tasks:
            for task in (self._refill, self._feed, self._tick):
                tasks.create_task(task(), name=task.__qualname__)
            for part in (self.committer, self._returns, self.settler, self._claims, self._parked, self._lateness):
                tasks.create_task(part.run(), name=type(part).__name__)
            tasks.create_task(self._watch_storage(), name="storage")

    # ------------------------------------------------------------------ what the fleet tells

    def joined(self, member: Member, hello: Hello) -> None:
        """A node has a stream again: what it still has is ours to take up, what it does not have was never sent."""
        self._where.forgive(self._losses.forgive(hello.node_id, hello.boot_id))
        self._parked.joined(member, hello)
        mine = [answer for answer in hello.inventory if answer.fence in self._doubts]
        others = [answer for answer in hello.inventory if answer.fence not in self._doubts]
        self._answer(member, self._doubts.hello(Hello(hello.node_id, hello.boot_id, hello.version, tuple(mine)), self._clock.monotonic()))
        self._claims.claim(member.node_id, others)
        self._more.set()

    def heard(self, member: Member, frame: Heard) -> None:
        """A frame of a node."""
        if frame.ready:  # connections wait for it
            self.committer.ready(member, frame.ready)
        self._regroup(frame.sites)
        for fence, verdict in frame.verdicts:
            self.verdicts.came(member, fence, verdict)
        for fence in frame.unreadable:
            self.verdicts.unreadable(member, fence)
        if frame.found:
            self._parked.answered(member, [answer for answer in frame.found if answer.fence not in self._doubts])
            self._answer(member, self._doubts.answered(frame.found))
        if frame.withdrawn:
            self.withdrawn += len(frame.withdrawn)
            self._dropped(member, frame.withdrawn)
        if frame.verdicts or frame.load is not None:
            self._more.set()

    def lost(self, member: Member) -> Loss:
        """A node's stream is over, whatever the reason: what it had goes elsewhere, or into doubt. What it had."""
        self._parked.lost(member.node_id)
        loss, now, now_ms = member.hand.lose(), self._clock.monotonic(), self._clock.now_ms()
        self.choice.lost(member, len(loss.uncommitted), now)
        counted = self._losses.count(member.node_id, member.boot_id, loss.uncommitted)
        if counted.all:
            self._unwatched(self._ledger.note_losses({job.id: job.losses for job in counted.all}))
        for job in counted.dead:
            self.settler.settle(Settled(bury_lost(job, now_ms)))
        self._doubts.add(loss.doubtful, member.node_id, member.boot_id, now_ms, now)
        begun, living = {job.fence for job in loss.begun}, counted.free + counted.alone
        self._returns.put([job for job in living if job.fence in begun])
        self._ready_again([job for job in living if job.fence not in begun])
        return loss

    # ------------------------------------------------------------------ what others ask

    def now_ms(self) -> int:
        """The gateway's time."""
        return self._clock.now_ms()

    @property
    def in_hand(self) -> int:
        """Jobs that nodes have, and verdicts that are not durable yet."""
        return sum(len(member.hand) for member in self._members.values()) + len(self.settler)

    @property
    def in_flight(self) -> frozenset[bytes]:
        """Ids of the jobs that nodes have, or had when they were lost, or of which the outcome is known and not durable yet."""
        ids = {job_id for member in self._members.values() for job_id in member.hand.ids}
        return frozenset(ids.union(self._doubts.ids, (fence.job_id for fence in self.settler)))

    async def waiting(self) -> Sequence[QueueCount]:
        """What waits, by lane and route: all that is ready and not in flight, in memory or on disk, and what is deferred."""
        return await self._ledger.counts(self.in_flight)

    def reload(self, changed: Iterable[str], rules: Rules, options: DispatchOptions) -> None:
        """Other settings: the routes that changed, and what counts for the verdicts that come from now on."""
        self._feeder.reroute(changed, self.sites)
        self.settler.rules, self.settler.backoff = rules, Backoff.of(options)
        for member in self._members.values():
            if member.link is not None:
                member.link.routes_changed()
        self._more.set()

    def stop_feeding(self) -> None:
        """The gateway stops: nothing new goes to nodes; what they have ends."""
        self._stopping = True

    # ------------------------------------------------------------------ decisions' effects

    def _offer(self, member: Member, job: Job) -> None:
        assert member.link is not None  # noqa: S101  # takes_jobs says so
        waited_ms = self._lateness.fed(job)
        if waited_ms >= job.expire_ms - job.accept_ms and not self._unexpired([job]):
            return  # since the last sweep
        member.hand.offer(job)
        member.link.offer(job)
        member.offered += 1
        self.handed[job.lane].observe(waited_ms / 1000)

    def _regroup(self, told: Sequence[tuple[str, str]]) -> None:
        """What waits by its domain waits by its site now."""
        for domain, site in told:
            for old, new in self.sites.learn(domain, site):
                self._window.rekey(old, new)

    def _answer(self, member: Member, answered: Answered) -> None:
        if answered.adopt:
            self.committer.adopt(member, answered.adopt)
        for job, verdict in answered.verdicts:
            self.verdicts.settle(member, job, verdict)
        self._returns.put(answered.unsent)
        self._parked.ask(member, answered.lookup)

    def _dropped(self, member: Member, fences: Sequence[Fence]) -> None:
        """The node dropped these, and will act on no COMMIT for them, also if one has left: its word comes after every READY of before."""
        for fence in fences:
            has_row = member.hand.is_begun(fence) or member.hand.has_committed(fence)
            job = member.hand.settle(fence)
            if job is not None and has_row:
                self._returns.put([job])
            elif job is not None:
                self._ready_again([job])

    def _ready_again(self, jobs: Sequence[Job]) -> None:
        self._feeder.put([self.sites.rekeyed(job) for job in self._unexpired(jobs)])
        self._more.set()

    def _unexpired(self, jobs: Sequence[Job]) -> list[Job]:
        """Those that may still be sent; the others are over."""
        over_ms = self._clock.over_ms()
        for job in jobs:
            if job.expire_ms <= over_ms:
                self.settler.settle(Settled(expire(job, over_ms)))
        return [job for job in jobs if job.expire_ms > over_ms]

    # ------------------------------------------------------------------ tasks

    def room(self, lane: Lane, site_key: str) -> int:
        """The queue may bring so many of this key; its recovered jobs that still wait take their part of it."""
        return self._window.room(lane, self.sites.key(site_key), *self._recovery.of(lane, site_key))

    async def _refill(self) -> None:
        while True:
            jobs = [self.sites.rekeyed(job) for job in self._unexpired(self._recovery.sift(await self._queue.take(self.room)))]
            if suspects := [job for job in jobs if self._losses.must_be_alone(job)]:
                self._feeder.put(suspects)
                jobs = [job for job in jobs if not self._losses.must_be_alone(job)]
            self._window.put(jobs)
            self._more.set()

    async def _feed(self) -> None:
        while True:
            await self._more.wait()
            self._more.clear()
            if self._stopping:
                continue
            before = len(self._window)
            self._feeder.feed([self._members[node_id] for node_id in sorted(self._members)], self._clock.monotonic())
            if len(self._window) < before:
                self._queue.nudge()

    def _decide(self, overdue: Sequence[Doubt], now_ms: int) -> None:
        for doubt in overdue:
            ruling = decide_doubt(doubt.job, doubt.node_id, doubt.begun_ms, now_ms, self._options.losses_dead)
            self._losses.suspect(doubt.node_id, doubt.boot_id, doubt.job.id)
            self.settler.settle(Settled(ruling))
        self._parked.parking(overdue)

    async def _tick(self) -> None:
        next_sweep, asking = self._clock.monotonic() + EXPIRY_SWEEP, True
        while True:
            await asyncio.sleep(TICK)
            now, now_ms = self._clock.monotonic(), self._clock.now_ms()
            if overdue := self._doubts.overdue(now):
                self._decide(overdue, now_ms)
            if recovered := self._recovery.over(now):
                self._ready_again(recovered)
            if now >= next_sweep:
                next_sweep = now + EXPIRY_SWEEP
                self._more.set()
                if self._clock.trusted:
                    for job in self._feeder.expired(now_ms):
                        self.settler.settle(Settled(expire(job, now_ms)))
                self._queue.nudge()  # what has expired made room
                asking = asking and await self._bring_due(now_ms)

    async def _bring_due(self, now_ms: int) -> bool:
        """What was deferred and is due. False: the queue brings it by itself."""
        due = await self._ledger.due(now_ms, 1000)
        if due:
            await self._queue.put(due)
        return due is not None

    async def _watch_storage(self) -> None:
        await self.committer.broken
