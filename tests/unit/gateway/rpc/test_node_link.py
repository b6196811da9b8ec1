"""The link over real gRPC: GrpcNodeLink, NodeServicer, Delivery and the pool, down to a scripted SMTP server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial

import grpc
import pytest

from gateway.dispatch.link import Heard, Known, Share
from gateway.dispatch.table import RouteTable
from gateway.registry.port import NodeRecord
from gateway.rpc import node_link
from gateway.rpc.frames import Outgoing
from gateway.rpc.node_link import GrpcNodeLink, Identity
from mailgate.api.node.v1 import node_pb2, node_service_pb2_grpc
from mailgate.job import Job
from mailgate.mail import Lane, OnDoubt
from mailgate.route import Relay, Route, TlsMode
from mailgate.rpc import pace
from mailgate.rpc.channel import open_channel
from mailgate.rpc.jobs import decode_body
from mailgate.rpc.protocol import OURS
from mailgate.rpc.server import Door
from mailgate.rpc.tls import TlsOptions
from mailgate.shaping.shaping import parse
from mailgate.telemetry.options import TelemetryOptions
from mailgate.telemetry.traces import Tracer
from mailgate.verdict import Expired, NotTried, Outcome, Phase, RecipientVerdict, Reply, Tried
from sender.delivery import deliver
from sender.delivery.announce import hear, shape
from sender.delivery.deliver import Delivery
from sender.pool.pool import Pool
from sender.pool.source import Source
from sender.rpc import frames as sender_frames
from sender.rpc import node_service
from sender.rpc.node_service import NodeServicer
from tests.simulation.machine import real_job

BOOT = b"b" * 16
VERSION = "v1"


class Smtp:
    """A server that behaves; `gate` holds up its answer to the dot."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.port = 0
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None] | None] = set()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Smtp]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.gate.set()
            for writer in self._writers:
                writer.close()
            await asyncio.gather(*self._tasks, *(writer.wait_closed() for writer in self._writers), return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self._tasks.add(asyncio.current_task())
        try:
            writer.write(b"220 smtp\r\n")
            while line := await reader.readline():
                verb = line[:4].upper().strip()
                if verb == b"EHLO":
                    writer.write(b"250-smtp\r\n250 PIPELINING\r\n")
                elif verb == b"DATA":
                    writer.write(b"354 go on\r\n")
                    body = await reader.readuntil(b"\r\n.\r\n")
                    self.bodies.append(body)
                    await self.gate.wait()
                    writer.write(b"250 taken\r\n")
                elif verb == b"QUIT":
                    writer.write(b"221 bye\r\n")
                    break
                else:
                    writer.write(b"250 ok\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def until(what: Callable[[], bool]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(5):
        while not what():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


class Listening:
    """What a gateway hears on one life of a stream."""

    def __init__(self) -> None:
        self.frames: list[Heard] = []
        self._more = asyncio.Event()

    def heard(self, frame: Heard) -> None:
        self.frames.append(frame)
        self._more.set()

    async def until(self, what) -> object:
        """The first value that `what` finds in a frame."""
        async with asyncio.timeout(5):
            while True:
                for frame in self.frames:
                    if found := what(frame):
                        return found
                self._more.clear()
                await self._more.wait()

    async def ready(self, job: Job) -> None:
        await self.until(lambda frame: job.fence in frame.ready)

    async def verdict(self, job: Job) -> object:
        return await self.until(lambda frame: dict(frame.verdicts).get(job.fence))


class Node:
    """A node's door, with all behind it; and how gateways dial it."""

    def __init__(self, smtp: Smtp) -> None:
        self.routes = {
            "out": Route("out", (Relay("127.0.0.1", smtp.port),), tls=TlsMode.NONE, connections=2, idle_timeout=timedelta(seconds=30))
        }
        self.address = ""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Node]:
        make_pool = partial(Pool, secrets={}, helo="node.test")
        self.delivery = Delivery(decode_body, Tracer(TelemetryOptions(), "sender"), make_pool, max_connections=4)
        async with self.delivery.pool as self.pool:
            self.servicer = NodeServicer(self.delivery, "n1", BOOT)
            door = Door([])
            self.servicer.join(door)
            self.address = await door.bind("127.0.0.1:0")
            await door.start()
            try:
                yield self
            finally:
                await self.servicer.close()
                await door.stop(timedelta(seconds=0.2))
                await self.delivery.close()

    @asynccontextmanager
    async def link(self, *, gateway: str = "g", epoch: int = 1, node_id: str = "n1") -> AsyncIterator[tuple[GrpcNodeLink, Listening]]:
        """A life of a stream, joined; leaving it breaks the stream. `table` is the last one's."""
        self.table = RouteTable(self.routes, VERSION)
        link = GrpcNodeLink(NodeRecord(node_id, BOOT, self.address, "1"), Identity(gateway, epoch), self.table)
        listener = Listening()
        task = asyncio.get_running_loop().create_task(link.run(listener))
        try:
            await listener.until(lambda frame: frame.load and frame.load.credit)
            yield link, listener
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def smtp() -> AsyncIterator[Smtp]:
    async with Smtp().serving() as smtp:
        yield smtp


@pytest.fixture
async def node(smtp: Smtp) -> AsyncIterator[Node]:
    async with Node(smtp).serving() as node:
        yield node


@asynccontextmanager
async def sweeping(node: Node) -> AsyncIterator[None]:
    """With the node's look, four times a second, at what has waited too long."""
    task = asyncio.get_running_loop().create_task(node.delivery.sweep())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def make_job(number: int = 1) -> Job:
    return real_job(number, OnDoubt.HOLD)


async def test_a_mail_goes_its_way(node: Node, smtp: Smtp):
    """Hello, routes, credit, offer, READY, COMMIT, verdict, settled: nothing is left at the node."""
    async with node.link() as (link, heard):
        hello = heard.frames[0].hello
        assert (hello.node_id, hello.boot_id, hello.inventory) == ("n1", BOOT, ())
        load = next(frame.load for frame in heard.frames if frame.load and frame.load.credit)
        assert load.credit[Lane.TRANSACTIONAL, "out"] >= 2
        job = make_job()
        link.offer(job)
        await heard.ready(job)
        assert smtp.bodies == []
        link.commit([job.fence])
        verdict = await heard.verdict(job)
        assert isinstance(verdict, Tried)
        assert verdict.recipients[0].outcome is Outcome.DELIVERED
        assert b"Message-ID: <1@example.com>" in smtp.bodies[0]
        assert node.delivery.unsettled == 1
        link.settled([job.fence])
        await until(lambda: not node.delivery.unsettled)
        assert min(link.frames) > 0


async def test_a_broken_stream_drops_the_uncommitted(node: Node, smtp: Smtp):
    """The server never gets the end of the body; the next stream's inventory knows nothing of it, and a lookup neither."""
    job = make_job()
    async with node.link() as (link, heard):
        link.offer(job)
        await heard.ready(job)
    async with node.link() as (link, heard):
        assert heard.frames[0].hello.inventory == ()
        link.lookup([job.fence])
        answer = await heard.until(lambda frame: frame.found)
        assert answer[0].known is Known.UNKNOWN
        link.offer(job)
        await heard.ready(job)
        link.commit([job.fence])
        await heard.verdict(job)
    assert len(smtp.bodies) == 1


async def test_committed_goes_on_without_the_stream(node: Node, smtp: Smtp):
    """COMMITTED in the next inventory, its verdict on that stream; DONE in the one after, until it is settled."""
    smtp.gate.clear()
    job = make_job()
    async with node.link() as (link, heard):
        link.offer(job)
        await heard.ready(job)
        link.commit([job.fence])
        await until(lambda: bool(smtp.bodies))
    async with node.link() as (link, heard):
        (answer,) = heard.frames[0].hello.inventory
        assert (answer.fence, answer.known) == (job.fence, Known.COMMITTED)
        smtp.gate.set()
        await heard.verdict(job)
    async with node.link() as (link, heard):
        (answer,) = heard.frames[0].hello.inventory
        assert (answer.fence, answer.known) == (job.fence, Known.DONE)
        assert answer.verdict.recipients[0].outcome is Outcome.DELIVERED
        link.settled([job.fence])
        await until(lambda: not node.delivery.unsettled)
    async with node.link() as (link, heard):
        assert heard.frames[0].hello.inventory == ()


async def test_a_late_commit_is_expired(node: Node, smtp: Smtp, monkeypatch):
    """The node was stopped between READY and COMMIT."""
    job = make_job()
    async with node.link() as (link, heard):
        link.offer(job)
        await heard.ready(job)
        now = deliver.boottime()
        monkeypatch.setattr(deliver, "boottime", lambda: now + 1)
        link.commit([job.fence])
        assert await heard.verdict(job) == Expired()
    assert smtp.bodies == []


async def test_withdrawn(node: Node, smtp: Smtp):
    """Whether it was sent already or still waits to be written."""
    first, second = make_job(1), make_job(2)
    async with node.link() as (link, heard):
        link.offer(first)
        await heard.ready(first)
        link.withdraw([first.fence])
        await heard.until(lambda frame: first.fence in frame.withdrawn)
        heard.frames.clear()
        link.offer(second)
        link.withdraw([second.fence])
        link.offer(first)
        await heard.ready(first)
        link.commit([first.fence])
        await heard.verdict(first)
        assert node.delivery.in_hand == 0
    assert len(smtp.bodies) == 1


async def test_a_new_stream_of_a_gateway_ends_its_old_one(node: Node):
    """And drops what that had uncommitted; another gateway's stream is not touched."""
    async with node.link(gateway="other") as (_, other), node.link(epoch=1) as (old, heard):
        job = make_job()
        old.offer(job)
        await heard.ready(job)
        async with node.link(epoch=2) as (new, _):
            old.commit([job.fence])
            await asyncio.sleep(0.1)
            assert node.delivery.in_hand == 0
            assert node.servicer.streams == 2
            count = len(other.frames)
            await asyncio.sleep(0.6)
            assert len(other.frames) > count
            assert new.frames[0] > 1


async def test_an_earlier_life_of_a_gateway_is_refused(node: Node):
    """It was hung while its successor took over."""
    async with node.link(epoch=5):
        link = GrpcNodeLink(NodeRecord("n1", BOOT, node.address, "1"), Identity("g", 4), RouteTable(node.routes))
        assert "a later life of this gateway" in await link.run(Listening())


async def test_another_node_at_the_address(node: Node):
    """An address that is somebody else's gets no mail under the wrong name, and the reason names both. Its own stream lives on."""
    async with node.link() as (_, own):
        link = GrpcNodeLink(NodeRecord("n2", BOOT, node.address, "1"), Identity("g", 1), RouteTable(node.routes))
        heard = Listening()
        assert "this is the node 'n1', and 'n2' has registered its address" in await link.run(heard)
        assert heard.frames == []
        count = len(own.frames)
        await asyncio.sleep(0.6)
        assert len(own.frames) > count


async def test_a_refusal_that_the_writer_meets_first(node: Node, monkeypatch: pytest.MonkeyPatch):
    """Its own error says only that the call is over; the node's words are told all the same."""
    link = GrpcNodeLink(NodeRecord("n2", BOOT, node.address, "1"), Identity("g", 1), RouteTable(node.routes))

    async def late(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(link, "_read", late)
    assert "FAILED_PRECONDITION: this is the node 'n1'" in await link.run(Listening())


async def test_nobody_at_the_address():
    """The reason is told, at once."""
    link = GrpcNodeLink(NodeRecord("n1", BOOT, "127.0.0.1:1", "1"), Identity("g", 1), RouteTable({}))
    async with asyncio.timeout(3):
        assert "UNAVAILABLE" in await link.run(Listening())


async def test_a_certificate_that_is_gone():
    """It is told by its setting, and as any other end of a stream."""
    identity = Identity("g", 1, tls=TlsOptions(ca="/nope/ca.pem"))
    link = GrpcNodeLink(NodeRecord("n1", BOOT, "127.0.0.1:1", "1"), identity, RouteTable({}))
    reason = await link.run(Listening())
    assert "gateway.node_tls.ca" in reason
    assert "/nope/ca.pem" in reason


async def test_somebody_who_never_says_hello(monkeypatch):
    """A dead process behind a live socket does not hold up the next try."""
    monkeypatch.setattr(node_link, "CONNECT", 0.3)

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        gone.set()

    gone = asyncio.Event()
    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    link = GrpcNodeLink(NodeRecord("n1", BOOT, f"127.0.0.1:{port}", "1"), Identity("g", 1), RouteTable({}))
    assert "no hello" in await link.run(Listening())
    server.close()
    await gone.wait()


async def test_an_unreadable_job_and_an_unknown_route(node: Node):
    """Each is refused by itself, and the stream goes on."""
    bad = Job(**{name: getattr(make_job(1), name) for name in Job.__slots__} | {"envelope": b"\xff\xff", "content": b""})
    strange = Job(**{name: getattr(make_job(2), name) for name in Job.__slots__} | {"route": "nowhere"})
    good = make_job(3)
    async with node.link() as (link, heard):
        for job in (bad, strange, good):
            link.offer(job)
        refused = await heard.verdict(bad)
        assert isinstance(refused, NotTried)
        assert refused.hopeless
        unknown = await heard.verdict(strange)
        assert isinstance(unknown, NotTried)
        assert not unknown.hopeless
        await heard.ready(good)


async def test_the_first_frame_must_be_a_hello(node: Node):
    """Anything else is refused with a word, and costs the node nothing."""
    from mailgate.api.node.v1 import node_pb2, node_service_pb2_grpc

    async with grpc.aio.insecure_channel(node.address) as channel:
        stub = node_service_pb2_grpc.NodeServiceStub(channel)
        call = stub.Deliver()
        await call.write(node_pb2.DeliverRequest(forget_contents=[b"x"]))
        assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
        hello = node_pb2.GatewayHello(gateway_id="g", epoch=1, protocol_min=7, protocol_max=9)
        call = stub.Deliver()
        await call.write(node_pb2.DeliverRequest(hello=hello))
        assert await call.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert f"speaks {OURS}, the gateway protocols 7 to 9" in await call.details()
    assert node.servicer.streams == 0


async def test_a_node_of_another_protocol_gets_no_mail():
    """Whichever side is the older: the reason names both, for the operator who sees it in `mailgate nodes`."""

    async def deliver(_requests, context):
        hello = node_pb2.NodeHello(node_id="n1", boot_id=BOOT, protocol=9)
        await context.write(node_pb2.DeliverResponse(hello=hello).SerializeToString())
        await context.read()

    async with node_that(deliver) as address:
        heard = Listening()
        reason = await GrpcNodeLink(NodeRecord("n1", BOOT, address, "1"), Identity("g", 1), RouteTable({})).run(heard)
    assert f"speaks protocol 9, this gateway {OURS}" in reason
    assert heard.frames == []


async def test_a_hundred_mails_on_two_connections(node: Node, smtp: Smtp):
    """Within credit, all at once, each once."""
    jobs = {job.fence: job for job in (make_job(n) for n in range(1, 101))}
    waiting = list(jobs.values())
    in_hand = done = 0
    async with node.link() as (link, heard):
        room = next(frame.load for frame in heard.frames if frame.load and frame.load.credit).credit[Lane.TRANSACTIONAL, "out"]
        seen = 0
        async with asyncio.timeout(20):
            while done < len(jobs):
                while waiting and in_hand < room:
                    link.offer(waiting.pop())
                    in_hand += 1
                await asyncio.sleep(0.002)
                for frame in heard.frames[seen:]:
                    link.commit(frame.ready)
                    link.settled([fence for fence, _ in frame.verdicts])
                    in_hand -= len(frame.verdicts)
                    done += len(frame.verdicts)
                seen = len(heard.frames)
    assert len(smtp.bodies) == len(set(smtp.bodies)) == 100


async def test_what_comes_while_a_frame_is_written_waits_for_its_turn(node: Node, monkeypatch: pytest.MonkeyPatch):
    """On either side: else one word makes a frame, whose writing takes long enough for the next word."""
    loop, job = asyncio.get_running_loop(), make_job()

    def never_empty(next_frame, say):
        def next_frame_and_more(outgoing, *args):
            loop.call_soon(say, outgoing)
            return next_frame(outgoing, *args)

        return next_frame_and_more

    theirs = sender_frames.Outgoing
    monkeypatch.setattr(Outgoing, "next_frame", never_empty(Outgoing.next_frame, lambda outgoing: outgoing.settled([job.fence])))
    monkeypatch.setattr(theirs, "next_frame", never_empty(theirs.next_frame, lambda outgoing: outgoing.site("a.test", "b.test")))
    async with node.link() as (link, _heard):
        before = link.frames
        await asyncio.sleep(2 * node_link.BEAT)
        came, left = link.frames
    assert came - before[0] < 30 > left - before[1]  # some four, or hundreds


async def test_a_gateway_without_a_hello_is_let_go(node: Node, monkeypatch: pytest.MonkeyPatch):
    """Its stream would otherwise be open for ever, and nobody's."""
    monkeypatch.setattr(node_service, "HELLO", 0.2)
    async with open_channel(node.address) as channel:
        silent = node_service_pb2_grpc.NodeServiceStub(channel).Deliver(timeout=30)
        async with asyncio.timeout(5):
            assert await silent.code() is not grpc.StatusCode.OK
    assert node.servicer.streams == 0


@asynccontextmanager
async def node_that(deliver) -> AsyncIterator[str]:
    """The address of a door whose Deliver is this function on bytes."""
    door = Door([])
    handlers = {"Deliver": grpc.stream_stream_rpc_method_handler(deliver)}
    door.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("mailgate.api.node.v1.NodeService", handlers),))
    address = await door.bind("127.0.0.1:0")
    await door.start()
    try:
        async with asyncio.timeout(5):
            yield address
    finally:
        await door.stop(timedelta(0))


async def test_bytes_that_are_no_frame_end_the_stream():
    """A node of another make costs its own stream, not the gateway."""

    async def deliver(_requests, context):
        await context.write(node_pb2.DeliverResponse(hello=node_pb2.NodeHello(node_id="n1", boot_id=BOOT, protocol=1)).SerializeToString())
        await context.write(b"\xff\xff\xff")
        await context.read()

    async with node_that(deliver) as address:
        assert "are no frame" in await GrpcNodeLink(NodeRecord("n1", BOOT, address, "1"), Identity("g", 1), RouteTable({})).run(Listening())


async def test_what_a_node_cannot_read_ends_the_stream_with_a_word(node: Node):
    """A gateway of another make, or another release: no traceback in the node's log, and its other streams go on."""
    hello = node_pb2.DeliverRequest(hello=node_pb2.GatewayHello(gateway_id="h", epoch=1, protocol_min=1, protocol_max=1))
    strange = node_pb2.DeliverRequest(routes=[node_pb2.RouteConfig(name="r", tls=77)])  # type: ignore[arg-type]
    async with node.link() as (link, heard), grpc.aio.insecure_channel(node.address) as channel:
        for second in (b"\xff\xff\xff", strange.SerializeToString()):
            call = channel.stream_stream("/mailgate.api.node.v1.NodeService/Deliver")(timeout=10)
            await call.write(hello.SerializeToString())
            await call.write(second)
            while await call.read() is not grpc.aio.EOF:
                pass
            assert await call.code() is grpc.StatusCode.OK
        job = make_job()
        link.offer(job)
        await heard.ready(job)


async def test_a_route_that_no_gateway_has_any_more_is_dropped(node: Node, smtp: Smtp):
    """A gateway that was started anew without it says so by what it tells first; another gateway that has it keeps it, with its jobs."""
    node.routes["old"] = replace(node.routes["out"], name="old")
    both = dict(node.routes)
    async with node.link(gateway="g"):
        await until(lambda: node.pool.warm("old") == 2)
    del node.routes["old"]
    async with node.link(gateway="g", epoch=2) as (link, heard):
        await until(lambda: not node.pool.warm("old"))
        assert node.pool.warm("out") == 2
        node.routes = both
        async with node.link(gateway="h") as (other, others):
            job = replace(make_job(), route="old", site_key="old")
            other.offer(job)
            await others.ready(job)
            other.commit([job.fence])
            assert isinstance(await others.verdict(job), Tried)
        link.offer(make_job(2))
        await heard.ready(make_job(2))
    assert len(smtp.bodies) == 1


async def test_routes_change_on_an_open_stream(node: Node, smtp: Smtp):
    """New, changed and gone: in one frame, before any job, and the node says which version it has."""
    new = replace(node.routes["out"], name="new", connections=1)
    async with node.link() as (link, heard):
        await heard.until(lambda frame: frame.load and frame.load.settings_version == VERSION)
        job = replace(make_job(), route="new", site_key="new")
        node.table.use({**node.routes, "new": new}, "v2")
        link.routes_changed()
        link.offer(job)
        await heard.ready(job)
        await heard.until(lambda frame: frame.load and frame.load.settings_version == "v2")
        link.commit([job.fence])
        assert isinstance(await heard.verdict(job), Tried)
        node.table.use({"new": replace(new, connections=3)}, "v3")
        link.routes_changed()
        await until(lambda: node.pool.capacity("new") == 3 and not node.pool.capacity("out"))
        await heard.until(
            lambda frame: frame.load and frame.load.settings_version == "v3" and {key for _, key in frame.load.credit} == {"new"}
        )
    assert len(smtp.bodies) == 1


async def test_only_the_version_changed(node: Node):
    """The node hears of it, and its connections stay as they are."""
    async with node.link() as (link, heard):
        await until(lambda: node.pool.warm("out") == 2)
        before = node.pool.stats()["out"].dialled
        node.table.use(node.routes, "v2")
        link.routes_changed()
        await heard.until(lambda frame: frame.load and frame.load.settings_version == "v2")
        assert node.pool.stats()["out"].dialled == before


async def test_jobs_of_a_route_that_goes_come_back_at_once(node: Node, smtp: Smtp):
    """What waits for a connection is given back, unsent; what is on one ends there."""
    async with node.link() as (link, heard), sweeping(node):
        jobs = [make_job(number) for number in range(1, 5)]
        for job in jobs:
            link.offer(job)
        await until(lambda: sum(len(frame.ready) for frame in heard.frames) == 2)
        under_way = [fence for frame in heard.frames for fence in frame.ready]
        node.table.use({}, "v2")
        link.routes_changed()
        for job in jobs:
            if job.fence not in under_way:
                verdict = await heard.verdict(job)
                assert isinstance(verdict, NotTried)
                assert "is not known here" in verdict.reason
        link.commit(under_way)
        for job in jobs:
            if job.fence in under_way:
                assert isinstance(await heard.verdict(job), Tried)
    assert len(smtp.bodies) == 2


async def test_changes_that_have_not_left_yet_are_one():
    """A route that changed and then went is gone; one that went and came is there."""
    out, outgoing = Route("out", (Relay("mx"),)), Outgoing()
    outgoing.routes("v2", [replace(out, connections=3)], [])
    outgoing.routes("v3", [], ["out"])
    frame = outgoing.next_frame()
    assert (list(frame.routes), list(frame.removed_routes), frame.settings_version) == ([], ["out"], "v3")
    assert not outgoing
    outgoing.routes("v4", [], ["out"])
    outgoing.routes("v5", [out], [])
    frame = outgoing.next_frame()
    assert ([route.name for route in frame.routes], list(frame.removed_routes), frame.settings_version) == (["out"], [], "v5")


async def test_a_gateway_does_not_decide_how_many_sockets_a_node_opens(node: Node):
    """Whatever it asks for, a route gets what its bounds and the node's own settings allow, and the stream goes on."""
    node.routes["out"] = replace(node.routes["out"], connections=1_000_000, command_timeout=timedelta(0))
    async with node.link() as (link, heard):
        link.offer(make_job())
        await heard.ready(make_job())
        assert node.pool.capacity("out") == 4


async def test_a_gateway_hears_of_sources_and_of_what_is_wrong_with_them(node: Node, smtp: Smtp):
    """With the hello, and again when something has changed; and each job leaves from the one that the gateway remembers."""
    a, b = (Source(name, f"{name}.example.com", address, pool="default") for name, address in (("a", "127.0.0.11"), ("b", "127.0.0.12")))
    node.delivery.sources.use([a, b])
    async with sweeping(node), node.link() as (link, heard):
        hello = await heard.until(lambda frame: frame.hello)
        assert [source.name for source in hello.sources] == ["a", "b"]
        node.delivery.sources.warn("b", ("no PTR",))
        told = await heard.until(lambda frame: frame.sources)
        assert [source.told() for source in told] == [(), ("source b: no PTR",)]
        for number, source in enumerate("abab", 1):
            job = replace(make_job(number), source=source)
            link.offer(job)
            await heard.ready(job)
            link.commit([job.fence])
            verdict = await heard.verdict(job)
            assert isinstance(verdict, Tried)
            assert verdict.source == source
        assert node.pool.warm("out@a") + node.pool.warm("out@b") > 0


async def test_shaping_reaches_the_node_and_its_paths(node: Node):
    """With the stream's first routes and with each change; what is wrong is refused as a whole; no shaping is a word too."""
    table = '[providers.here]\nmx = ["127.0.0.1"]\nconnections = {}\n'
    async with node.link() as (link, _):
        assert node.delivery.limits.shaping.version == ""
        for version, text, connections in (("v2", table.format(1), 1), ("v3", table.format(2), 2), ("v4", "", 2)):
            node.table.use(node.routes, version, parse(text))
            link.routes_changed()
            await until(lambda text=text: node.delivery.limits.shaping.text == text)
            await until(lambda connections=connections: node.pool.capacity("out") == connections)
        node.table.use(node.routes, "v5", parse(table.format(1)))
        link.routes_changed()
        await until(lambda: node.pool.capacity("out") == 1)
        shape(node.delivery.limits, node.delivery.sites, "g", "[providers.here]\nconnections = -1")
        shape(node.delivery.limits, node.delivery.sites, "g", "x" * 200_000)
        assert node.pool.capacity("out") == 1
    async with node.link(epoch=2):
        await until(lambda: node.delivery.limits.shaping.version == "")


async def test_a_part_of_a_limit_reaches_the_node(node: Node):
    """Before the jobs that follow it; where all is other nodes', what waits comes back with the reason, and there is no credit."""
    async with node.link() as (link, heard), sweeping(node):
        node.table.use(node.routes, "v2", parse('[providers.here]\nmx = ["127.0.0.1"]\nconnections = 2\n'))
        link.routes_changed()
        await until(lambda: node.pool.capacity("out") == 2)
        link.share(Share("", "", 1, 2))
        await until(lambda: node.pool.capacity("out") == 1)
        link.share(Share("", "out", 0, 1))
        await until(lambda: node.pool.capacity("out") == 2)
        heard.frames.clear()
        link.share(Share("", "out", 0, 0))
        job = make_job(1)
        link.offer(job)
        verdict = await heard.verdict(job)
        assert isinstance(verdict, NotTried)
        assert (verdict.reason, verdict.of_node) == ("throttled:site=out, other nodes send to it", False)
        await heard.until(lambda frame: frame.load and not frame.load.credit)
        await until(lambda: node.pool.warm("out") == 0)


async def test_a_suspended_site_gives_its_jobs_back_and_has_no_credit(node: Node, smtp: Smtp):
    """What waits for it comes back untried, with the reason; when its time is over one job may come, and then as many as ever."""
    async with node.link() as (link, heard), sweeping(node):
        rules = '[[providers.here.replies]]\ntext = "away"\naction = "suspend"\nlasts = "{}"\n'
        node.table.use(node.routes, "v2", parse('[providers.here]\nmx = ["127.0.0.1"]\n' + rules.format("3s")))
        link.routes_changed()
        await until(lambda: node.delivery.limits.shaping.version)
        jobs = [make_job(number) for number in range(1, 5)]
        for job in jobs:
            link.offer(job)
        await until(lambda: sum(len(frame.ready) for frame in heard.frames) == 2)
        under_way = [fence for frame in heard.frames for fence in frame.ready]
        link.commit(under_way)
        said = Reply(Phase.RCPT, 421, "4.7.28", "go away", "rate_limited")
        hear(node.delivery.limits, "out", Tried((RecipientVerdict((0,), Outcome.DEFERRED, said),)))
        waiting = [job for job in jobs if job.fence not in under_way]
        for job in waiting:
            verdict = await heard.verdict(job)
            assert isinstance(verdict, NotTried)
            assert verdict.reason.startswith("throttled:site=out, suspended for ")
            assert verdict.reason.endswith("421 4.7.28 go away")
        heard.frames.clear()
        await heard.until(lambda frame: frame.load and not frame.load.credit)
        await heard.until(lambda frame: frame.load and set(frame.load.credit.values()) == {1})
        heard.frames.clear()
        again = replace(waiting[0], attempt=waiting[0].attempt + 1)
        link.offer(again)
        await heard.ready(again)
        link.commit([again.fence])
        assert isinstance(await heard.verdict(again), Tried)
        await heard.until(lambda frame: frame.load and max(frame.load.credit.values(), default=0) > 1)
    assert len(smtp.bodies) == 3


async def test_a_node_that_stops_tells_at_once(monkeypatch):
    """Not in its turn behind a frame of many words: until it has told, gateways hand it more."""
    async with Smtp().serving() as smtp, Node(smtp).serving() as node, node.link() as (_, listener):
        for name in ("PACE", "CROWDED", "THRONGED"):
            monkeypatch.setattr(pace, name, 60.0)
        monkeypatch.setattr(node_service, "ENOUGH", 1000)  # words: each beat is one
        await asyncio.sleep(2 * node_service.BEAT)  # the turn after the next frame is a minute away
        node.delivery.draining = True
        node.servicer.tell()
        await listener.until(lambda frame: frame.load and frame.load.draining)
