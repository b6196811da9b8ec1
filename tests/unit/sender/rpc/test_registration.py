"""Registration over real gRPC: a node keeps itself registered with one gateway of its list, and says goodbye."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import grpc
import pytest
import structlog.testing

from gateway.registry.memory import MemoryRegistry
from gateway.registry.port import NodeRecord
from gateway.rpc import registry_service
from gateway.rpc.registry_service import RegistryServicer
from mailgate.api.node.v1 import node_registry_service_pb2 as pb
from mailgate.api.node.v1 import node_registry_service_pb2_grpc
from mailgate.errors import Unavailable
from mailgate.rpc.channel import open_channel
from mailgate.rpc.server import Door
from mailgate.rpc.statuses import statuses
from mailgate.rpc.tls import TlsOptions
from sender.rpc.registration import Registration, Self

BOOT, OTHER = b"b" * 16, b"o" * 16


class Gateway:
    """A gateway's door with a registry. `alive`: the boot ids whose own stream is healthy."""

    def __init__(self) -> None:
        self.registry = MemoryRegistry(lease=0.3)
        self.alive: set[bytes] = set()
        self.dialled: list[tuple[str, bytes]] = []
        self.answering: set[bytes] = set()
        """Boot ids that answer at their recorded address, though this gateway has no stream to them."""
        self.address = ""
        self.servicer: RegistryServicer | None = None

    async def lives(self, record: NodeRecord) -> bool:
        self.dialled.append((record.address, record.boot_id))
        return record.boot_id in self.answering

    @asynccontextmanager
    async def serving(self, address: str = "127.0.0.1:0") -> AsyncIterator[Gateway]:
        servicer = self.servicer = RegistryServicer(self.registry, lambda record: record.boot_id in self.alive, self.lives)
        door = Door([], [statuses()])
        node_registry_service_pb2_grpc.add_NodeRegistryServiceServicer_to_server(servicer, door.server)
        self.address = await door.bind(address)
        await door.start()
        try:
            yield self
        finally:
            await servicer.close()
            await door.stop(timedelta(0))

    async def holds(self, node_id: str, boot: bytes | None = BOOT) -> NodeRecord | None:
        """Wait until the entry is this boot's; None: until there is none."""
        async with asyncio.timeout(5):
            while True:
                record = await self.registry.find(node_id)
                if (record.boot_id if record else None) == boot:
                    return record
                await asyncio.sleep(0.01)


@asynccontextmanager
async def registered(*gateways: str, boot: bytes = BOOT) -> AsyncIterator[Registration]:
    registration = Registration(Self("n1", boot, "127.0.0.1:9"), gateways, "", None, lambda: 0.0)
    task = asyncio.get_running_loop().create_task(registration.run())
    try:
        yield registration
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with Gateway().serving() as gateway:
        yield gateway


async def test_an_entry_lives_as_long_as_its_stream_and_a_lease(gateway: Gateway):
    """Broken without a word, it stays for the lease."""
    async with registered(gateway.address) as registration:
        record = await gateway.holds("n1")
        assert record.address == "127.0.0.1:9"
        await knows(registration, gateway)
        await asyncio.sleep(0.5)
        assert await gateway.registry.find("n1") == record
    await asyncio.sleep(0.05)
    assert await gateway.registry.find("n1") == record
    await gateway.holds("n1", None)


async def test_goodbye_removes_it_at_once(gateway: Gateway):
    """A node that leaves gets no new jobs, and `leave` returns when the gateway knows."""
    async with registered(gateway.address) as registration:
        await gateway.holds("n1")
        await registration.leave()
        assert await gateway.registry.find("n1") is None


async def test_it_moves_on_to_the_next_gateway():
    """The one that it is registered with goes: another of the list has it soon, and again."""
    first, second = Gateway(), Gateway()
    async with second.serving(), first.serving(), registered(first.address, second.address) as registration:
        await first.holds("n1")
        assert await second.registry.find("n1") is None
        async with asyncio.timeout(5):
            await asyncio.gather(second.holds("n1"), end(first))
        await knows(registration, second)


async def knows(registration: Registration, gateway: Gateway) -> None:
    """Wait until the node has heard from the gateway that it is registered there, which is after the registry has it."""
    async with asyncio.timeout(5):
        while registration.registered_with != gateway.address:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def end(gateway: Gateway) -> None:
    """It closes its registrations, as it does when it stops."""
    assert gateway.servicer is not None
    await gateway.servicer.close()


async def test_a_restarted_node_takes_its_name_over(gateway: Gateway):
    """Another boot id: allowed while the recorded one's own stream is not healthy; its late release changes nothing."""
    async with registered(gateway.address):
        await gateway.holds("n1")
        async with registered(gateway.address, boot=OTHER):
            record = await gateway.holds("n1", OTHER)
    async with registered(gateway.address, boot=OTHER):
        again = await gateway.holds("n1", OTHER)
        await asyncio.sleep(0.5)
        assert (await gateway.registry.find("n1")).registration >= again.registration > 0
        assert record.registration <= again.registration


async def test_a_hung_node_comes_back_when_its_successor_has_gone(gateway: Gateway):
    """It is told that its name was taken over, and is refused while the other lives; it does not sit on a registration that is gone."""
    async with registered(gateway.address):
        await gateway.holds("n1")
        async with registered(gateway.address, boot=OTHER) as successor:
            await gateway.holds("n1", OTHER)
            gateway.alive.add(OTHER)
            await knows(successor, gateway)
        gateway.alive.discard(OTHER)
        await gateway.holds("n1", BOOT)


async def test_a_name_that_is_taken(gateway: Gateway):
    """The node of that name is alive and somebody else: the newcomer is refused with the cure."""
    async with registered(gateway.address):
        held = await gateway.holds("n1")
        gateway.alive.add(BOOT)
        async with open_channel(gateway.address) as channel:
            call = node_registry_service_pb2_grpc.NodeRegistryServiceStub(channel).Register()
            await call.write(pb.RegisterRequest(node_id="n1", boot_id=OTHER, address="127.0.0.1:10"))
            assert await call.code() is grpc.StatusCode.FAILED_PRECONDITION
            assert "set sender.id" in await call.details()
        assert await gateway.registry.find("n1") == held
        assert gateway.dialled == [], "its stream says enough"


async def test_where_there_is_no_stream_the_recorded_address_is_asked(gateway: Gateway):
    """It answers as the one that is recorded: the newcomer is refused, and both are named. It does not: the name is the newcomer's."""
    async with registered(gateway.address):
        held = await gateway.holds("n1")
        gateway.answering.add(BOOT)
        async with open_channel(gateway.address) as channel:
            call = node_registry_service_pb2_grpc.NodeRegistryServiceStub(channel).Register()
            await call.write(pb.RegisterRequest(node_id="n1", boot_id=OTHER, address="127.0.0.1:10"))
            assert await call.code() is grpc.StatusCode.FAILED_PRECONDITION
            said = await call.details()
            assert f"at 127.0.0.1:9 (boot {BOOT.hex()[:8]}), which is alive" in said
            assert f"the node at 127.0.0.1:10 (boot {OTHER.hex()[:8]}) needs another" in said
        assert gateway.dialled == [("127.0.0.1:9", BOOT)]
        assert await gateway.registry.find("n1") == held
        gateway.answering.clear()
        async with registered(gateway.address, boot=OTHER):
            await gateway.holds("n1", OTHER)


async def test_a_registry_that_is_away_is_told(monkeypatch: pytest.MonkeyPatch):
    """A gateway that is cut off from it says so, and the node goes to another."""
    cut_off, other = Gateway(), Gateway()

    async def away(_node_id: str) -> None:
        raise Unavailable("etcd does not answer")

    monkeypatch.setattr(cut_off.registry, "find", away)
    with structlog.testing.capture_logs() as logs:
        async with cut_off.serving(), other.serving(), registered(cut_off.address, other.address) as registration:
            await knows(registration, other)
    assert [entry["reason"] for entry in logs if entry["event"] == "not_registered"] == ["UNAVAILABLE: etcd does not answer"]


async def test_who_was_overtaken_looks_again(gateway: Gateway, monkeypatch: pytest.MonkeyPatch):
    """Another node of the name registered between the look and the put, and is alive: refused, as if it had been there before."""
    found = gateway.registry.find

    async def slowly(node_id: str) -> NodeRecord | None:
        monkeypatch.setattr(gateway.registry, "find", found)
        before = await found(node_id)
        await gateway.registry.register(NodeRecord(node_id, OTHER, "127.0.0.1:10", "1"))
        gateway.alive.add(OTHER)
        return before

    monkeypatch.setattr(gateway.registry, "find", slowly)
    async with open_channel(gateway.address) as channel:
        call = node_registry_service_pb2_grpc.NodeRegistryServiceStub(channel).Register()
        await call.write(pb.RegisterRequest(node_id="n1", boot_id=BOOT, address="127.0.0.1:9"))
        assert await call.code() is grpc.StatusCode.FAILED_PRECONDITION


async def test_who_is_replaced_by_way_of_another_gateway_asks_again(gateway: Gateway):
    """Its stream ends, though nobody has registered here."""
    async with registered(gateway.address) as registration:
        await gateway.holds("n1")
        await knows(registration, gateway)
        other = await gateway.registry.register(NodeRecord("n1", OTHER, "127.0.0.1:10", "1"))
        again = await gateway.holds("n1", BOOT)
        assert again.registration > other.registration


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.RegisterRequest(node_id="", boot_id=BOOT, address="h:1"), "node_id"),
        (pb.RegisterRequest(node_id="x" * 129, boot_id=BOOT, address="h:1"), "node_id"),
        (pb.RegisterRequest(node_id="a\nb", boot_id=BOOT, address="h:1"), "node_id"),
        (pb.RegisterRequest(node_id="n", boot_id=b"short", address="h:1"), "boot_id"),
        (pb.RegisterRequest(node_id="n", boot_id=BOOT, address="no port"), "address"),
    ],
)
async def test_a_bad_registration(gateway: Gateway, request_: pb.RegisterRequest, field: str):
    """Each field is named, with the cure."""
    async with open_channel(gateway.address) as channel:
        call = node_registry_service_pb2_grpc.NodeRegistryServiceStub(channel).Register()
        await call.write(request_)
        assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert field in await call.details()


async def test_a_node_that_does_not_say_who_it_is_is_let_go(gateway: Gateway, monkeypatch: pytest.MonkeyPatch):
    """Its stream would otherwise be open for ever."""
    monkeypatch.setattr(registry_service, "FIRST", 0.2)
    async with open_channel(gateway.address) as channel:
        silent = node_registry_service_pb2_grpc.NodeRegistryServiceStub(channel).Register(timeout=30)
        async with asyncio.timeout(5):
            assert await silent.code() is not grpc.StatusCode.OK


async def test_a_certificate_that_is_gone_ends_no_node():
    """Its file is renewed just now, or was taken away since the start: the node says so, and tries again."""
    with structlog.testing.capture_logs() as logs:
        registration = Registration(Self("n1", BOOT, "127.0.0.1:9"), ("127.0.0.1:1",), "", TlsOptions(ca="/nowhere"), lambda: 0.0)
        task = asyncio.create_task(registration.run())
        async with asyncio.timeout(5):
            while not logs:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert not task.done()
        await registration.leave()
        await task
    assert logs[0]["reason"].startswith("sender.gateway_tls.ca = '/nowhere': this file cannot be read")


@pytest.mark.parametrize(
    ("gateways", "token", "tls", "said"),
    [
        (("127.0.0.1:1", "[::1]:1"), "t", None, []),
        (("127.0.0.1:1", "192.0.2.1:1"), "t", None, ["192.0.2.1:1"]),
        (("192.0.2.1:1",), "t", TlsOptions(), []),
        (("192.0.2.1:1",), "", None, []),
    ],
)
async def test_a_token_that_travels_in_clear_is_told(gateways: tuple[str, ...], token: str, tls: TlsOptions | None, said: list[str]):
    """Only beyond this machine."""
    registration = Registration(Self("n", BOOT, "127.0.0.1:1"), gateways, token, tls, lambda: 0.5)
    with structlog.testing.capture_logs() as logs:
        running = asyncio.create_task(registration.run())
        await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert [entry["gateway"] for entry in logs if entry["event"] == "token_in_clear"] == said
