"""A whole fleet in one process and no time: the real dispatch, frames, servicer and delivery of both sides, over a simulated network.

Only the network, the disk and the SMTP servers are not real. Nodes can be killed, frozen (SIGSTOP) and cut off; the gateway can be killed,
and then loses what was not on its disk. The receiver counts the copies of each mail that it has taken.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from types import SimpleNamespace

import grpc

from gateway.dispatch.link import Listener, Share
from gateway.registry.memory import MemoryRegistry
from gateway.registry.port import NodeRecord
from gateway.rpc.frames import Outgoing, heard_from_proto
from mailgate.api.node.v1 import node_pb2
from mailgate.ids import job_id
from mailgate.job import Content, Envelope, Fence, Job, JobRecipient
from mailgate.mail import Address, Lane, OnDoubt, Parts
from mailgate.route import Relay, Route
from mailgate.rpc.jobs import decode_body, encode_content, encode_envelope
from mailgate.rpc.protocol import OURS
from mailgate.telemetry.options import TelemetryOptions
from mailgate.telemetry.traces import Tracer
from mailgate.verdict import Outcome, Phase, RecipientVerdict, Reply, Tried
from sender.delivery import deliver
from sender.delivery.deliver import Delivery
from sender.delivery.keep import Known
from sender.pool.handoff import Handoff
from sender.pool.path import Path
from sender.pool.plan import NOWHERE, Standing
from sender.rpc.node_service import NodeServicer

ROUTE = Route("out", (Relay("mx"),))
CONTENT = encode_content(Content(Address("shop@example.com"), body=Parts("Hi", "Hello")))
EPOCH_MS = 1_790_000_000_000


def use_virtual_clocks(monkeypatch) -> None:
    """Delivery's clocks are the loop's: also the one that runs while a process is stopped."""
    now: Callable[..., float] = lambda *_: asyncio.get_running_loop().time()  # noqa: E731
    clocks = SimpleNamespace(monotonic=now, clock_gettime=now, CLOCK_BOOTTIME=0, perf_counter=time.perf_counter, time_ns=time.time_ns)
    monkeypatch.setattr(deliver, "time", clocks)


def real_job(number: int, on_doubt: OnDoubt, accept_ms: int = EPOCH_MS, lane: Lane = Lane.TRANSACTIONAL) -> Job:
    """A job with the bytes that admission makes."""
    mail_id = number.to_bytes(16, "big")
    envelope = Envelope(mail_id, "shop@example.com", (JobRecipient(0, f"r{number}@example.net"),), message_id=f"<{number}@example.com>")
    encoded = encode_envelope(envelope)
    return Job(
        job_id(mail_id, 0), "t", lane, ROUTE.name, ROUTE.name, on_doubt, encoded, b"", CONTENT, (0,), accept_ms, accept_ms + 86_400_000
    )


class Wire:
    """One direction of a stream: frames arrive in order, each a little later; closing lets what is on its way arrive, cutting does not."""

    def __init__(self, random: Random, is_frozen: Callable[[], bool] = lambda: False) -> None:
        self._random, self._is_frozen = random, is_frozen
        self._frames: deque[tuple[float, bytes | None]] = deque()
        self._more = asyncio.Event()
        self._last = 0.0
        self.ended = False

    def put(self, frame: bytes | None) -> None:
        if self.ended:
            return
        now = asyncio.get_running_loop().time()
        self._last = max(self._last, now + self._random.uniform(0.0, 0.004))
        self._frames.append((self._last, frame))
        self.ended = frame is None
        self._more.set()

    def cut(self, kept: int) -> None:
        """The connection is gone; the first so many of what was on its way have arrived."""
        if self.ended:
            return
        while len(self._frames) > kept:
            self._frames.pop()
        self.put(None)

    async def get(self) -> bytes | None:
        loop = asyncio.get_running_loop()
        while not self._frames:
            self._more.clear()
            await self._more.wait()
        at, frame = self._frames[0]
        if at > loop.time():
            await asyncio.sleep(at - loop.time())
        while self._is_frozen():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        if self._frames and self._frames[0][1] is frame:
            self._frames.popleft()
        return frame


class Aborted(Exception):
    """The servicer refused the stream."""


class Context:
    """What the servicer sees of a stream."""

    def __init__(self, incoming: Wire, outgoing: Wire, is_frozen: Callable[[], bool]) -> None:
        self._incoming, self._outgoing, self._is_frozen = incoming, outgoing, is_frozen

    def invocation_metadata(self) -> None:
        return None

    async def read(self) -> object:
        frame = await self._incoming.get()
        return grpc.aio.EOF if frame is None else node_pb2.DeliverRequest.FromString(frame)

    async def write(self, frame: node_pb2.DeliverResponse) -> None:
        while self._is_frozen():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        if self._outgoing.ended:
            raise asyncio.InvalidStateError("the call is over")
        self._outgoing.put(frame.SerializeToString())

    async def abort(self, code: grpc.StatusCode, text: str) -> None:
        self._outgoing.put(None)
        raise Aborted(f"{code}: {text}")


@dataclass
class Receiver:
    """All the world's SMTP servers. `copies`: of mails that they took, by job; `lies`: taken, and the connection broke before the 250."""

    copies: Counter[bytes] = field(default_factory=Counter)
    lies: set[bytes] = field(default_factory=set)


class SimPool:
    """The pool's interface over servers that take their time, break, and greylist."""

    def __init__(self, node: Process, receiver: Receiver, random: Random, connections: int) -> None:
        self._node, self._receiver, self._random, self._connections = node, receiver, random, connections
        self._steps: dict[Handoff, str] = {}
        self.mails = self._steps
        self.clean = False
        """Servers behave from now on."""

    def open(self, path: Path) -> None:
        pass

    def shut(self, key: str) -> None:
        pass

    def capacity(self, route: str) -> int:
        return self._connections

    def asleep(self, route: str) -> bool:
        return False

    def standing(self, route: str) -> Standing:
        return NOWHERE

    def warm(self, route: str) -> int:
        return self._connections

    def trouble(self, route: str) -> None:
        return None

    def start(self, handoff: Handoff) -> bool:
        if len(self._steps) >= self._connections:
            return False
        self._steps[handoff] = "COMMANDS"
        self._node.later(self._random.expovariate(15), lambda: self._go_on(handoff))
        return True

    def commit(self, handoff: Handoff) -> bool:
        if self._steps.get(handoff) != "READY":
            return False
        self._steps[handoff] = "COMMITTED"
        self._node.later(self._random.expovariate(30), lambda: self._dot(handoff))
        return True

    def withdraw(self, handoff: Handoff) -> None:
        if self._steps.get(handoff) in ("COMMANDS", "READY"):
            del self._steps[handoff]
            self._node.later(0.002, self._idle)

    def _chance(self, of: float) -> bool:
        return not self.clean and self._random.random() < of

    def _idle(self) -> None:
        self._node.delivery.idle(ROUTE.name)

    def _go_on(self, handoff: Handoff) -> None:
        if self._steps.get(handoff) != "COMMANDS":
            return
        if self._chance(0.03):
            self._end(handoff, Outcome.DEFERRED, Phase.RCPT, 0)
            return
        self._steps[handoff] = "READY"
        self._node.delivery.ready(handoff)
        if self._chance(0.1):
            self._node.later(self._random.uniform(0, 0.05), lambda: self._break_ready(handoff))

    def _break_ready(self, handoff: Handoff) -> None:
        if self._steps.get(handoff) == "READY":
            self._end(handoff, Outcome.DEFERRED, Phase.DATA, 0)

    def _dot(self, handoff: Handoff) -> None:
        if self._chance(0.05):
            self._end(handoff, Outcome.DEFERRED, Phase.BODY, 451)
            return
        self._receiver.copies[handoff.fence.job_id] += 1
        if self._chance(0.03):
            self._receiver.lies.add(handoff.fence.job_id)
            self._end(handoff, Outcome.IN_DOUBT, Phase.BODY, 0)
            return
        self._node.later(self._random.expovariate(15), lambda: self._end(handoff, Outcome.DELIVERED, Phase.BODY, 250))

    def _end(self, handoff: Handoff, outcome: Outcome, phase: Phase, code: int) -> None:
        del self._steps[handoff]
        indexes = tuple(recipient.index for recipient in handoff.recipients)
        self._node.delivery.done(handoff, Tried((RecipientVerdict(indexes, outcome, Reply(phase, code)),), "mx"))
        self._node.later(0.001, self._idle)


class Process:
    """One life of a node's process."""

    def __init__(self, node_id: str, boot: bytes, receiver: Receiver, random: Random) -> None:
        self.node_id, self.boot = node_id, boot
        self.pool = SimPool(self, receiver, random, connections=4)
        self.delivery = Delivery(decode_body, Tracer(TelemetryOptions(), "sender"), lambda _: self.pool)  # type: ignore[arg-type,return-value]
        self.servicer = NodeServicer(self.delivery, node_id, boot)
        self.dead = False
        self.frozen = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._own(self.delivery.sweep())

    def later(self, seconds: float, what: Callable[[], None]) -> None:
        """A callback of this process: never after its death, and after a freeze at the earliest."""

        def fire() -> None:
            if self.dead:
                return
            if self.frozen:
                asyncio.get_running_loop().call_later(0.01, fire)
            else:
                what()

        asyncio.get_running_loop().call_later(seconds, fire)

    def serve(self, incoming: Wire, outgoing: Wire) -> None:
        context = Context(incoming, outgoing, lambda: self.frozen)
        task = self._own(self.servicer.Deliver(None, context))  # type: ignore[arg-type]

        def over(task: asyncio.Task[None]) -> None:
            outgoing.put(None)
            if not task.cancelled() and task.exception() is not None:
                assert isinstance(task.exception(), Aborted), repr(task.exception())

        task.add_done_callback(over)

    @property
    def unrecorded(self) -> set[bytes]:
        """Jobs that are committed here, or whose verdict is not settled."""
        return {fence.job_id for fence, kept in self.delivery._keep._kept.items() if kept.known in (Known.COMMITTED, Known.DONE)}

    async def kill(self) -> None:
        self.dead, self.frozen = True, False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _own(self, work) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


class SimLink:
    """The gateway's side of a stream: real frames over two wires."""

    def __init__(self, fleet: SimFleet, record: NodeRecord) -> None:
        self._fleet, self._record = fleet, record
        self._outgoing = Outgoing()
        self._more = asyncio.Event()
        self.frames = (0, 0)
        self.wires: tuple[Wire, Wire] | None = None

    def offer(self, job: Job) -> None:
        self._outgoing.offer(job)
        self._more.set()

    def commit(self, fences: Sequence[Fence]) -> None:
        self._outgoing.commit(fences)
        self._more.set()

    def withdraw(self, fences: Sequence[Fence]) -> None:
        self._outgoing.withdraw(fences)
        self._more.set()

    def settled(self, fences: Sequence[Fence]) -> None:
        self._outgoing.settled(fences)
        self._more.set()

    def lookup(self, fences: Sequence[Fence]) -> None:
        self._outgoing.lookup(fences)
        self._more.set()

    def share(self, share: Share) -> None:
        self._outgoing.share(share)
        self._more.set()

    async def run(self, listener: Listener) -> str:
        process = self._fleet.processes.get(self._record.node_id)
        if process is None or process.dead or process.boot != self._record.boot_id or self._record.node_id in self._fleet.cut_off:
            await asyncio.sleep(0.003)
            return "UNAVAILABLE"
        up, down = Wire(self._fleet.random, lambda: process.frozen), Wire(self._fleet.random)
        self.wires = (up, down)
        self._fleet.links[self._record.node_id] = self
        process.serve(up, down)
        writer = asyncio.get_running_loop().create_task(self._write(up))
        try:
            while (frame := await down.get()) is not None:
                heard = heard_from_proto(node_pb2.DeliverResponse.FromString(frame))
                listener.heard(heard)
            return "the stream broke"
        finally:
            up.put(None)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    async def _write(self, up: Wire) -> None:
        hello = node_pb2.GatewayHello(gateway_id="g", epoch=self._fleet.epoch, protocol_min=OURS.oldest, protocol_max=OURS.newest)
        up.put(node_pb2.DeliverRequest(hello=hello).SerializeToString())
        self._outgoing.routes("1", [ROUTE], ())
        while True:
            frame = self._outgoing.next_frame()
            up.put(frame.SerializeToString())
            if not self._outgoing:
                try:
                    async with asyncio.timeout(0.25):
                        await self._more.wait()
                except TimeoutError:
                    pass
                self._more.clear()


class SimFleet:
    """The nodes, and what can happen to them."""

    def __init__(self, registry: MemoryRegistry, receiver: Receiver, random: Random) -> None:
        self._registry, self._receiver, self.random = registry, receiver, random
        self.processes: dict[str, Process] = {}
        self.links: dict[str, SimLink] = {}
        self.cut_off: set[str] = set()
        self.epoch = 1
        self._boots = 0

    def dial(self, record: NodeRecord) -> SimLink:
        return SimLink(self, record)

    async def start(self, node_id: str) -> None:
        self._boots += 1
        boot = self._boots.to_bytes(16, "big")
        self.processes[node_id] = Process(node_id, boot, self._receiver, self.random)
        await self._registry.register(NodeRecord(node_id, boot, f"{node_id}:1", "1"))

    async def kill(self, node_id: str) -> set[bytes]:
        """SIGKILL. The jobs of which nobody may know any more."""
        process = self.processes[node_id]
        excused = process.unrecorded
        await process.kill()
        return excused

    def cut(self, node_id: str) -> None:
        """The stream breaks, both ways."""
        link = self.links.get(node_id)
        if link is not None and link.wires is not None:
            for wire in link.wires:
                wire.cut(self.random.randrange(3))
