"""A gateway's dispatch with real parts (memory ledger, queue and registry, fleet, dispatcher), and nodes that do what a test says."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.balancing.policies import make_picker
from gateway.dispatch.choice import Choice
from gateway.dispatch.clock import Clock
from gateway.dispatch.dispatcher import Dispatcher
from gateway.dispatch.fleet import Fleet
from gateway.dispatch.link import Answer, Heard, Hello, Listener, Load, Share
from gateway.dispatch.member import Member
from gateway.dispatch.options import DispatchOptions
from gateway.dispatch.rules import NO_RULES
from gateway.ledger.fact import Fact
from gateway.ledger.memory import MemoryLedger
from gateway.ledger.port import Accepted, MailRecord
from gateway.queue.memory import MemoryQueue
from gateway.registry.memory import MemoryRegistry
from gateway.registry.port import NodeRecord
from mailgate.errors import StorageFull
from mailgate.ids import job_id, mail_of
from mailgate.job import Fence, Job
from mailgate.mail import Lane, OnDoubt, RecipientState
from mailgate.verdict import JobVerdict, Outcome, Phase, RecipientVerdict, Reply, Tried

EPOCH = 1_790_000_000
BEAT = 0.2
ROUTE = "out"
HOLD, RESEND = OnDoubt.HOLD, OnDoubt.RESEND


def make_job(
    number: int = 1,
    *,
    on_doubt: OnDoubt = RESEND,
    recipients: int = 1,
    lane: Lane = Lane.TRANSACTIONAL,
    key: str = ROUTE,
    octets: int = 100,
    accept_ms: int = EPOCH * 1000,
    ttl_ms: int = 3_600_000,
    **more,
) -> Job:
    """A job of a mail of its own."""
    return Job(
        id=job_id(number.to_bytes(16, "big"), 0),
        tenant="t",
        lane=lane,
        route=more.pop("route", ROUTE),
        site_key=key,
        on_doubt=on_doubt,
        envelope=b"e" * 10,
        content_id=number.to_bytes(32, "big"),
        content=b"c" * (octets - 10),
        recipients=tuple(range(recipients)),
        accept_ms=accept_ms,
        expire_ms=accept_ms + ttl_ms,
        **more,
    )


def tried(job: Job, outcome: Outcome = Outcome.DELIVERED, code: int = 250) -> Tried:
    """One outcome for all that remain."""
    return Tried((RecipientVerdict(job.recipients, outcome, Reply(Phase.BODY, code)),), "mx", "192.0.2.1", duration_us=1000)


@dataclass(slots=True)
class _Write:
    """Work that waits for its commit."""

    name: str
    work: Callable[[], Awaitable[Any]]
    done: asyncio.Future[Any]


class GroupLedger:
    """The memory ledger behind a disk that takes its time: writes become durable in the order of their calls, or are lost in a crash.

    `latency` in seconds (0: at once); with `stopped` nothing becomes durable until `go_on`. A method named in `full` finds the disk full.
    """

    def __init__(self, latency: float = 0.0) -> None:
        self.inner = MemoryLedger()
        self.latency = latency
        self.stopped = False
        self.full: set[str] = set()
        self.calls: list[str] = []
        self._pending: list[_Write] = []
        self._due = False

    def __getattr__(self, name: str) -> object:
        """Queries see what is durable."""
        return getattr(self.inner, name)

    def accept(self, accepted) -> Awaitable[None]:
        return self._write("accept", lambda: self.inner.accept(accepted))

    def begin(self, begins) -> Awaitable[frozenset[Fence]]:
        return self._write("begin", lambda: self.inner.begin(begins))

    def note(self, begins) -> Awaitable[object]:
        return self._write("note", lambda: self.inner.note(begins))

    def retract(self, fences) -> Awaitable[None]:
        return self._write("retract", lambda: self.inner.retract(fences))

    def record(self, conclusions) -> Awaitable[None]:
        return self._write("record", lambda: self.inner.record(conclusions))

    def note_losses(self, losses) -> Awaitable[None]:
        return self._write("note_losses", lambda: self.inner.note_losses(losses))

    def go_on(self) -> None:
        """The disk works again."""
        self.stopped = False
        self._commit()

    def crash(self, durable: int = 0) -> None:
        """All but the first so many of the pending writes are lost."""
        for write in self._pending[:durable]:
            self._apply(write)
        for write in self._pending[durable:]:
            write.done.cancel()
        self._pending = []

    @property
    def pending(self) -> int:
        return len(self._pending)

    def _write(self, name: str, work: Callable[[], Awaitable[Any]]) -> Awaitable[Any]:
        self.calls.append(name)
        loop = asyncio.get_running_loop()
        write = _Write(name, work, loop.create_future())
        self._pending.append(write)
        if not self._due and not self.stopped:
            if self.latency:
                self._due = True
                loop.call_later(self.latency, self._commit)
            else:
                self._commit()
        return write.done

    def _commit(self) -> None:
        self._due = False
        if self.stopped:
            return
        pending, self._pending = self._pending, []
        for write in pending:
            self._apply(write)

    def _apply(self, write: _Write) -> None:
        if write.done.done():
            return
        if write.name in self.full:
            write.done.set_exception(StorageFull("the disk is full"))
            write.done.exception()
            return
        try:
            write.work().__await__().send(None)
        except StopIteration as result:
            write.done.set_result(result.value)


class Link:
    """A stream to a scripted node: keeps what the gateway says, and says what the test wants."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.offers: list[Job] = []
        self.commits: list[Fence] = []
        self.withdraws: list[Fence] = []
        self.acknowledged: list[Fence] = []
        self.asked: list[Fence] = []
        self.routes_told = 0
        self.traced: Sequence[str] = ()
        self.shares: list[Share] = []
        self.listener: Listener | None = None
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.frames = (0, 0)

    def offer(self, job: Job) -> None:
        self.offers.append(job)

    def commit(self, fences: Sequence[Fence]) -> None:
        self.commits += fences

    def withdraw(self, fences: Sequence[Fence]) -> None:
        self.withdraws += fences

    def settled(self, fences: Sequence[Fence]) -> None:
        self.acknowledged += fences

    def lookup(self, fences: Sequence[Fence]) -> None:
        self.asked += fences

    def routes_changed(self) -> None:
        self.routes_told += 1

    def share(self, share: Share) -> None:
        self.shares.append(share)

    def trace(self, site_keys: Sequence[str]) -> None:
        self.traced = site_keys

    async def run(self, listener: Listener) -> str:
        """As the adapter: until the stream ends, frames at least each 250 ms unless the node is silent."""
        if self.node.down:
            return "UNAVAILABLE: connection refused"
        self.listener = listener
        self.node.link = self
        self.node.links.append(self)
        try:
            self.hear(hello=Hello(self.node.node_id, self.node.boot, "1", tuple(self.node.inventory)))
            while not self.ended.done():
                if not self.node.silent:
                    self.hear(load=self.node.load())
                await asyncio.wait([self.ended], timeout=BEAT)
            return self.ended.result()
        finally:
            self.listener = None
            if self.node.link is self:
                self.node.link = None

    def hear(self, **frame) -> None:
        """A frame of the node."""
        assert self.listener is not None, "the stream is over"
        self.listener.heard(Heard(**frame))

    def ready(self, *jobs: Job) -> None:
        self.hear(ready=tuple(job.fence for job in jobs))

    def verdict(self, job: Job, verdict: JobVerdict | None = None) -> None:
        self.hear(verdicts=((job.fence, verdict or tried(job)),))


@dataclass
class Node:
    """A scripted node. `links`: every stream that it had; `link`: the one that it has."""

    node_id: str
    boot: bytes
    credit: int = 10
    keys: tuple[str, ...] = (ROUTE,)
    inventory: list[Answer] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    link: Link | None = None
    down: bool = False
    silent: bool = False
    draining: bool = False

    @property
    def stream(self) -> Link:
        assert self.link is not None, f"{self.node_id} has no stream"
        return self.link

    @property
    def offers(self) -> list[Job]:
        """Offered on the present stream."""
        return self.stream.offers

    @property
    def all_commits(self) -> list[Fence]:
        return [fence for link in self.links for fence in link.commits]

    def load(self) -> Load:
        credit = {} if self.draining else {(lane, key): self.credit for lane in Lane for key in self.keys}
        return Load(self.draining, 5, 0, credit)

    def lose(self, *, down: bool = True) -> None:
        """The stream breaks. `down`: and the node does not answer when it is dialled."""
        self.down = down
        if self.link is not None and not self.link.ended.done():
            self.link.ended.set_result("UNAVAILABLE: connection reset")

    def back(self, *, boot: bytes | None = None, inventory: Iterable[Answer] = ()) -> None:
        """It answers again."""
        self.boot = boot or self.boot
        self.inventory = list(inventory)
        self.down = self.silent = False


class World:
    """One gateway. `gateway()` is one life of it; the ledger outlives it."""

    def __init__(self, *, latency: float = 0.0, early: bool = True, **options) -> None:
        self.ledger = GroupLedger(latency)
        self.registry = MemoryRegistry()
        self.options = DispatchOptions(**options)
        self.early, self.calls = early, (0, 0)
        self.nodes: dict[str, Node] = {}
        self.facts: list[Fact] = []
        self.members: dict[str, Member] = {}
        self.queue = MemoryQueue()
        self.dispatcher: Dispatcher
        self.fleet: Fleet
        self.rules = NO_RULES
        self.dial: Callable[[NodeRecord], Any] = lambda record: Link(self.nodes[record.node_id])
        self._crashed = False

    async def node(self, node_id: str, boot: bytes | None = None, **how) -> Node:
        """A node that registers and is seen by the gateway, if there is one."""
        node = self.nodes[node_id] = Node(node_id, boot or node_id.encode() * 16, **how)
        await self.registry.register(NodeRecord(node_id, node.boot, f"{node_id}:1", "1"))
        await asyncio.sleep(0.001)
        return node

    async def accept(self, *jobs: Job) -> None:
        """As admission does it."""
        await self.ledger.accept([accepted(job) for job in jobs])
        await self.queue.put(jobs)
        await asyncio.sleep(0.001)

    @asynccontextmanager
    async def gateway(self, *, recovering: bool = False) -> AsyncIterator[Dispatcher]:
        """A life of the gateway; leaving it is a kill: what is not durable is lost."""
        loop = asyncio.get_running_loop()
        clock = Clock(lambda: EPOCH + loop.time() - 1000, loop.time)
        self.members, self.queue = {}, MemoryQueue()
        self.dispatcher = Dispatcher(
            self.ledger,
            self.queue,
            self.facts.extend,
            self.members,
            clock,
            self.options,
            Choice(lambda _: make_picker("least_connections", lambda: 0.5)),
            lambda: 0.5,
            early=self.early,
            recovering=recovering,
            calls=lambda: self.calls,
            rules=self.rules,
        )
        self.fleet = Fleet(self.registry, self.dial, self.dispatcher, self.members, lambda: 0.5, self.options.node_bytes)
        await self.dispatcher.recover()
        await self._bring_back()
        tasks = [loop.create_task(self.dispatcher.run()), loop.create_task(self.fleet.run())]
        await asyncio.sleep(0.001)
        try:
            yield self.dispatcher
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            self.ledger.crash()
            for task in tasks:
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def _bring_back(self) -> None:
        """What a queue does at start: whatever was neither settled nor deferred, begun or parked is ready."""
        ready = [
            entry.job for entry in self.ledger.inner._jobs.values() if entry.parked is None and entry.open is None and not entry.deferred
        ]
        await self.queue.put(ready)

    async def state(self, job: Job, index: int = 0) -> RecipientState:
        """A recipient's state, as a caller sees it."""
        return (await self.ledger.recipients(mail_of(job.id), index - 1, 1))[0].state

    async def found(self, job: Job) -> Job | None:
        """The job as the ledger has it; None: it is over."""
        found = (await self.ledger.find([job.id])).get(job.id)
        return found.job if found else None

    async def is_open(self, job: Job) -> bool:
        """An attempt is begun and not concluded."""
        return any(attempt.job.id == job.id for attempt in await self.ledger.open_attempts())


def accepted(job: Job) -> Accepted:
    """A mail that consists of this job."""
    emails = tuple(f"r{index}@example.com" for index in range(max(job.recipients) + 1))
    record = MailRecord(mail_of(job.id), "t", None, job.accept_ms, job.expire_ms, job.lane, job.on_doubt, (), {}, emails)
    return Accepted(record, (job,))


def sequences(facts: Sequence[Fact]) -> dict[tuple[bytes, int], list[int]]:
    """The sequence numbers of each recipient's facts, in the order in which they were told."""
    told: dict[tuple[bytes, int], list[int]] = {}
    for fact in facts:
        told.setdefault((fact.mail_id, fact.index), []).append(fact.sequence)
    return told


def after(job: Job, **changes) -> Job:
    """The job with changes."""
    return replace(job, **changes)
