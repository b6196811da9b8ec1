"""A door: it opens where it is told, says clearly when it cannot, speaks TLS and mTLS, and closes without waiting for watchers."""

import asyncio
import time
from datetime import timedelta

import grpc
import pytest
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from mailgate.errors import SettingsInvalid, Unanswered
from mailgate.rpc.address import split_address
from mailgate.rpc.channel import bearer, open_channel, open_node_channel
from mailgate.rpc.server import Door
from mailgate.rpc.status import from_rpc_error
from mailgate.rpc.tls import TlsOptions

NO_GRACE = timedelta(0)
ASK = health_pb2.HealthCheckRequest()
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


async def health(channel):
    return (await health_pb2_grpc.HealthStub(channel).Check(ASK, timeout=5)).status


async def test_health_says_what_it_is_told():
    """NOT_SERVING until the rooms behind are ready."""
    door = Door(["x.Y"])
    address = await door.bind("127.0.0.1:0")
    await door.start()
    async with open_channel(address) as channel:
        assert await health(channel) == NOT_SERVING
        await door.serving(True)
        assert await health(channel) == SERVING
        named = health_pb2.HealthCheckRequest(service="x.Y")
        assert (await health_pb2_grpc.HealthStub(channel).Check(named, timeout=5)).status == SERVING
    await door.stop(NO_GRACE)


async def test_a_watcher_of_health_does_not_hold_up_the_stop():
    """It is told NOT_SERVING, and its stream ends."""
    door = Door([])
    address = await door.bind("127.0.0.1:0")
    await door.start()
    async with open_channel(address) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(ASK)
        assert (await watch.read()).status == NOT_SERVING
        started = time.monotonic()
        await door.stop(timedelta(seconds=20))
        assert time.monotonic() - started < 5
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await watch.read()
        assert ended.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_reflection_lists_the_services():
    """So that grpcurl works without protos."""
    door = Door(["mailgate.api.mail.v1.MailService"])
    address = await door.bind("127.0.0.1:0")
    await door.start()
    async with open_channel(address) as channel:
        call = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(timeout=5)
        await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        answer = await call.read()
        await call.done_writing()
    names = {service.name for service in answer.list_services_response.service}
    assert {"mailgate.api.mail.v1.MailService", "grpc.health.v1.Health"} <= names
    await door.stop(NO_GRACE)


async def test_a_taken_port_names_itself_and_the_cure():
    """Two gateways never share a port without a word, as SO_REUSEPORT would have it."""
    first, second = Door([]), Door([])
    address = await first.bind("127.0.0.1:0")
    await first.start()
    with pytest.raises(SettingsInvalid) as refused:
        await second.bind(address, key="gateway.listen")
    text = str(refused.value)
    assert text.startswith(f"gateway.listen = '{address}'")
    assert "choose another port" in text
    await first.stop(NO_GRACE)


@pytest.mark.parametrize(
    ("listen", "word"), [("nonsense", "host:port"), ("192.0.2.1:1", "no such address"), ("no-such-host.invalid:1", "cannot be bound")]
)
async def test_an_address_that_cannot_be_bound_says_why(listen, word):
    """In words, not by an errno."""
    with pytest.raises(SettingsInvalid, match=word):
        await Door([]).bind(listen)


async def test_tls_is_spoken_and_verified(pem):
    """A dial without the authority does not get through, in clear neither."""
    door = Door([])
    address = await door.bind("127.0.0.1:0", TlsOptions(certificate=pem.certificate, key=pem.key))
    await door.start()
    await door.serving(True)
    async with open_channel(address, TlsOptions(ca=pem.ca)) as channel:
        assert await health(channel) == SERVING
    async with open_channel(address.replace("127.0.0.1", "127.0.0.1"), TlsOptions(ca=pem.ca, server_name="localhost")) as channel:
        assert await health(channel) == SERVING
    for tls in (None, TlsOptions(), TlsOptions(ca=pem.ca, server_name="other.example")):
        async with open_channel(address, tls) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await health_pb2_grpc.HealthStub(channel).Check(ASK, timeout=2)
            assert isinstance(from_rpc_error(refused.value), Unanswered)
    await door.stop(NO_GRACE)


async def test_mtls_asks_for_a_certificate(pem):
    """With client_ca nobody gets in without one."""
    door = Door([])
    address = await door.bind("127.0.0.1:0", TlsOptions(certificate=pem.certificate, key=pem.key, client_ca=pem.ca))
    await door.start()
    await door.serving(True)
    async with open_node_channel(address, TlsOptions(certificate=pem.certificate, key=pem.key, ca=pem.ca)) as channel:
        assert await health(channel) == SERVING
    async with open_channel(address, TlsOptions(ca=pem.ca)) as channel:
        with pytest.raises(grpc.aio.AioRpcError):
            await health_pb2_grpc.HealthStub(channel).Check(ASK, timeout=2)
    await door.stop(NO_GRACE)


async def test_wrong_files_are_all_named(pem, tmp_path):
    """Before gRPC sees them, which would say only that it could not bind."""
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("rubbish")
    door = Door([])
    with pytest.raises(SettingsInvalid) as refused:
        await door.bind("127.0.0.1:0", TlsOptions(certificate="/no/such", key="/no/such/key"), section="sender.tls")
    assert [mistake.key for mistake in refused.value.mistakes] == ["sender.tls.certificate", "sender.tls.key"]
    for options, key in (
        (TlsOptions(certificate=pem.certificate, key=pem.other_key), "tls.certificate"),
        (TlsOptions(certificate=str(rubbish), key=pem.key), "tls.certificate"),
        (TlsOptions(certificate=pem.certificate, key=pem.key, client_ca=str(rubbish)), "tls.client_ca"),
        (TlsOptions(key=pem.key), "tls.certificate"),
        (TlsOptions(certificate=pem.certificate), "tls.key"),
    ):
        with pytest.raises(SettingsInvalid) as refused:
            await door.bind("127.0.0.1:0", options)
        assert key in [mistake.key for mistake in refused.value.mistakes]
    with pytest.raises(SettingsInvalid, match=r"tls\.ca"):
        open_channel("127.0.0.1:1", TlsOptions(ca="/no/such"))


async def test_large_messages_pass_and_larger_ones_are_refused_by_grpc():
    """50 MiB of mail fit; gRPC's own default of 4 MiB would not admit attachments."""
    door = Door([])

    async def size(request, _context):
        return str(len(request)).encode()

    handler = grpc.method_handlers_generic_handler("t.T", {"Size": grpc.unary_unary_rpc_method_handler(size)})
    door.server.add_generic_rpc_handlers((handler,))
    address = await door.bind("127.0.0.1:0")
    await door.start()
    async with open_channel(address) as channel:
        call = channel.unary_unary("/t.T/Size")
        assert await call(bytes(50 << 20), timeout=30) == b"52428800"
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(bytes(65 << 20), timeout=30)
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    await door.stop(NO_GRACE)


def test_bearer_metadata():
    """Nothing for no token: an empty one would be looked up."""
    assert (bearer("k"), bearer("")) == ((("authorization", "Bearer k"),), ())


async def test_pings_of_a_channel_are_no_abuse():
    """A node channel pings every 2 s without data: by default a server closes such a connection (ENHANCE_YOUR_CALM)."""
    door = Door([])
    address = await door.bind("127.0.0.1:0")
    await door.start()
    async with open_channel(address, keepalive=timedelta(seconds=0.2), further=[("grpc.http2.min_time_between_pings_ms", 100)]) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(ASK)
        await watch.read()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(asyncio.ensure_future(watch.read())), 2.5)
        watch.cancel()
    await door.stop(NO_GRACE)


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def literal(name: bytes, value: bytes) -> bytes:
    """A header field as HPACK has it without any table (RFC 7541 6.2.2)."""
    return b"\0" + bytes((len(name),)) + name + bytes((len(value),)) + value


async def test_calls_that_are_opened_and_reset_do_not_keep_out_others():
    """Some ten thousand a second from one connection, by a peer without a key: the others' calls are answered all the same."""
    door = Door([])
    address = await door.bind("127.0.0.1:0")
    await door.start()
    await door.serving(True)
    fields = ((b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/grpc.health.v1.Health/Check"), (b":authority", b"x"))
    block = b"".join(literal(*field) for field in (*fields, (b"te", b"trailers"), (b"content-type", b"application/grpc")))
    host, port = split_address(address, "")
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0))
    answers: list[int] = []

    async def flood() -> None:
        for first in range(1, 100_000, 200):
            streams = range(first, first + 200, 2)
            writer.write(b"".join(frame(1, 4, stream, block) + frame(3, 0, stream, (8).to_bytes(4, "big")) for stream in streams))
            await writer.drain()

    async def ask() -> None:
        async with open_channel(address) as channel:
            for _ in range(30):
                answers.append((await health_pb2_grpc.HealthStub(channel).Check(ASK, timeout=20)).status)

    drained = asyncio.ensure_future(reader.read())
    await asyncio.gather(flood(), ask())
    assert answers == [SERVING] * 30
    writer.close()
    await drained
    await door.stop(NO_GRACE)


async def test_a_door_in_clear_beyond_loopback_says_so(pem, monkeypatch):
    """Keys travel through it."""
    monkeypatch.setattr("mailgate.rpc.server.is_loopback", lambda _host: False)
    tls = TlsOptions(certificate=pem.certificate, key=pem.key)
    for options, said in ((None, ["door_in_clear"]), (tls, [])):
        door = Door([])
        with structlog.testing.capture_logs() as logs:
            await door.bind("127.0.0.1:0", options)
        assert [entry["event"] for entry in logs] == said
        await door.stop(NO_GRACE)
