"""Peers of the release before, and peers that are not who they are taken for, on the wire: scripted ones against ours."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import grpc
import pytest

from gateway.dispatch.table import RouteTable
from gateway.registry.port import NodeRecord
from gateway.rpc import dial_back
from gateway.rpc.dial_back import lives
from gateway.rpc.frames import Outgoing
from gateway.rpc.node_link import GrpcNodeLink, Identity
from mailgate.api.node.v1 import node_pb2, node_service_pb2_grpc
from mailgate.errors import Unavailable
from mailgate.rpc.channel import open_channel
from mailgate.rpc.fleet import fleet_guard
from mailgate.rpc.protocol import OURS
from mailgate.rpc.server import Door
from mailgate.rpc.statuses import statuses
from mailgate.rpc.tls import TlsOptions
from tests.unit.gateway.rpc.test_node_link import BOOT, VERSION, Listening, Node, Smtp, make_job, node_that, until

ME = Identity("g", 1)


@pytest.fixture
async def smtp() -> AsyncIterator[Smtp]:
    async with Smtp().serving() as smtp:
        yield smtp


@pytest.fixture
async def node(smtp: Smtp) -> AsyncIterator[Node]:
    async with Node(smtp).serving() as node:
        yield node


@pytest.mark.parametrize(("oldest", "newest", "spoken"), [(1, 1, 1), (1, 2, 2), (2, 3, 2)])
async def test_a_gateway_one_release_apart(node: Node, smtp: Smtp, oldest: int, newest: int, spoken: int):
    """The node answers in the newest protocol that both speak, and a mail goes its whole way."""
    hello = node_pb2.GatewayHello(gateway_id="old", epoch=1, protocol_min=oldest, protocol_max=newest)
    outgoing = Outgoing()
    outgoing.routes(VERSION, node.routes.values(), ())
    job = make_job()
    async with open_channel(node.address) as channel, asyncio.timeout(10):
        call = node_service_pb2_grpc.NodeServiceStub(channel).Deliver()
        await call.write(node_pb2.DeliverRequest(hello=hello))
        greeting = await call.read()
        assert greeting.hello.protocol == spoken
        outgoing.offer(job)
        await call.write(outgoing.next_frame())
        while not (frame := await call.read()).ready:
            pass
        await call.write(node_pb2.DeliverRequest(commits=[frame.ready[0].fence]))
        while not (frame := await call.read()).verdicts:
            pass
        assert frame.verdicts[0].recipients[0].outcome == node_pb2.OUTCOME_DELIVERED
        call.cancel()
    assert len(smtp.bodies) == 1


async def test_a_node_of_the_release_before():
    """It speaks protocol 1 alone, and cannot be asked who it is: it is heard as any other, and told what it knows."""
    heard_by_it: list[node_pb2.DeliverRequest] = []

    async def deliver(_requests, context):
        first = node_pb2.DeliverRequest.FromString(await context.read())
        assert first.hello.protocol_min <= 1 <= first.hello.protocol_max
        hello = node_pb2.NodeHello(node_id="n1", boot_id=BOOT, version="0.0.9", protocol=1)
        await context.write(node_pb2.DeliverResponse(hello=hello).SerializeToString())
        load = node_pb2.LoadReport(warm=1, credits=[node_pb2.Credit(site_key="out", lane=1, jobs=2)])
        await context.write(node_pb2.DeliverResponse(load=load).SerializeToString())
        while True:
            heard_by_it.append(node_pb2.DeliverRequest.FromString(await context.read()))

    async with node_that(deliver) as address:
        record, heard = NodeRecord("n1", BOOT, address, "0.0.9"), Listening()
        link = GrpcNodeLink(record, ME, RouteTable({}))
        task = asyncio.get_running_loop().create_task(link.run(heard))
        await heard.until(lambda frame: frame.load and frame.load.credit)
        assert (heard.frames[0].hello.protocol, heard.frames[0].hello.version) == (1, "0.0.9")
        job = make_job()
        link.offer(job)
        await until(lambda: any(frame.jobs for frame in heard_by_it))
        assert not await lives(record, "", None), "who cannot say who it is keeps no name"
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_another_node_of_the_release_before_at_the_address():
    """It does not look whom the gateway means; then the gateway does."""

    async def deliver(_requests, context):
        await context.read()
        hello = node_pb2.NodeHello(node_id="n1", boot_id=BOOT, version="0.0.9", protocol=1)
        await context.write(node_pb2.DeliverResponse(hello=hello).SerializeToString())
        await context.read()

    async with node_that(deliver) as address:
        heard = Listening()
        told = await GrpcNodeLink(NodeRecord("n2", BOOT, address, "1"), ME, RouteTable({})).run(heard)
        assert f"{address} is the address of the node 'n1', and 'n2' has registered it as its own" in told
        assert heard.frames == []


async def test_releases_that_are_too_far_apart(node: Node):
    """Both ranges are told, at whichever side the operator looks."""
    hello = node_pb2.GatewayHello(gateway_id="g", epoch=1, protocol_min=OURS.newest + 1, protocol_max=OURS.newest + 2)
    async with open_channel(node.address) as channel, asyncio.timeout(10):
        call = node_service_pb2_grpc.NodeServiceStub(channel).Deliver()
        await call.write(node_pb2.DeliverRequest(hello=hello))
        assert await call.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert "speaks protocols 1 to 2, the gateway protocols 3 to 4" in await call.details()


async def test_who_answers_at_an_address(node: Node, monkeypatch: pytest.MonkeyPatch):
    """The very process alone counts; nobody, another one, or one that is silent, does not."""
    assert await lives(NodeRecord("n1", BOOT, node.address, "1"), "", None)
    assert not await lives(NodeRecord("n1", b"o" * 16, node.address, "1"), "", None)
    assert not await lives(NodeRecord("n2", BOOT, node.address, "1"), "", None)
    assert not await lives(NodeRecord("n1", BOOT, "127.0.0.1:1", "1"), "", None)
    monkeypatch.setattr(dial_back, "WITHIN", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the kernel takes the connection, as it does for a stopped process
        async with asyncio.timeout(5):
            assert not await lives(NodeRecord("n1", BOOT, f"127.0.0.1:{silent.getsockname()[1]}", "1"), "", None)


@asynccontextmanager
async def guarded(node: Node) -> AsyncIterator[str]:
    """The address of the node's services behind the fleet token."""
    door = Door([], [statuses(), fleet_guard("secret")])
    node.servicer.join(door)
    address = await door.bind("127.0.0.1:0")
    await door.start()
    try:
        yield address
    finally:
        await node.servicer.close()
        await door.stop(timedelta(0))


async def test_a_forged_or_missing_token(node: Node):
    """Says nothing of who is there, and opens no stream."""
    async with guarded(node) as address:
        record = NodeRecord("n1", BOOT, address, "1")
        assert await lives(record, "secret", None)
        for token in ("", "forged"):
            assert not await lives(record, token, None)
            reason = await GrpcNodeLink(record, Identity("g", 1, token), RouteTable({})).run(Listening())
            assert "the fleet token is missing or wrong" in reason
    assert node.servicer.streams == 0


async def test_who_cannot_ask_does_not_say_that_a_node_is_gone():
    """With a certificate of ours gone the node that wants the name is told to come again."""
    with pytest.raises(Unavailable, match=r"gateway\.node_tls\.ca = ./nope/ca\.pem"):
        await lives(NodeRecord("n1", BOOT, "127.0.0.1:1", "1"), "", TlsOptions(ca="/nope/ca.pem"))
