"""Bytes that are no message, at every kind of handler: refused with a word, behind the guards, and without a traceback in the log."""

from datetime import timedelta

import grpc
import pytest
from grpc_reflection.v1alpha import reflection

from mailgate.api.mail.v1.mail_service_pb2 import GetMailRequest, GetMailResponse, SendMailRequest
from mailgate.rpc.channel import bearer, open_channel
from mailgate.rpc.fleet import SERVICES, fleet_guard
from mailgate.rpc.lazy import LARGE, LazyRequests, large
from mailgate.rpc.server import Door
from mailgate.rpc.statuses import statuses

SERVICE = f"{SERVICES.strip('/')}T"
KEY = bearer("the fleet's")
NONSENSE = b"\xff\xff"


async def unary(request, context):
    return GetMailResponse(mail_id=request.mail_id)


async def written(request, context):
    await context.write(GetMailResponse(mail_id=request.mail_id))


async def generated(request, context):
    yield GetMailResponse(mail_id=request.mail_id)


async def iterated(requests, context):
    async for request in requests:
        yield GetMailResponse(mail_id=request.mail_id)


async def sized(request, context):
    octets = large(request)
    return GetMailResponse(mail_id="small" if octets is None else str(len(octets)))


def coded(make, behaviour, request=GetMailRequest):
    return make(behaviour, request_deserializer=request.FromString, response_serializer=GetMailResponse.SerializeToString)


FORMS = {
    "Unary": coded(grpc.unary_unary_rpc_method_handler, unary),
    "Written": coded(grpc.unary_stream_rpc_method_handler, written),
    "Generated": coded(grpc.unary_stream_rpc_method_handler, generated),
    "Iterated": coded(grpc.stream_stream_rpc_method_handler, iterated),
    "Sized": coded(grpc.unary_unary_rpc_method_handler, sized, SendMailRequest),
}


@pytest.fixture
async def channel():
    """To a door with a guard and a method whose large requests stay octets."""
    door = Door([], [statuses(), fleet_guard("the fleet's"), LazyRequests([f"/{SERVICE}/Sized"])])
    door.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, FORMS),))
    address = await door.bind("127.0.0.1:0")
    await door.start()
    async with open_channel(address) as opened:
        yield opened
    await door.stop(timedelta(0))


def called(channel, form, request, metadata=KEY):
    path = f"/{SERVICE}/{form}"
    if form == "Iterated":
        return channel.stream_stream(path)(iter([request]), metadata=metadata, timeout=10)
    make = channel.unary_unary if form in ("Unary", "Sized") else channel.unary_stream
    return make(path)(request, metadata=metadata, timeout=10)


@pytest.mark.parametrize("form", FORMS)
async def test_bytes_that_are_no_message_are_the_peers_mistake(channel, form, caplog):
    """Of whatever kind the handler is."""
    call = called(channel, form, NONSENSE)
    assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "no message of this call" in await call.details()
    assert not caplog.records


@pytest.mark.parametrize("form", ["Unary", "Written", "Generated", "Sized"])
async def test_the_guard_comes_first(channel, form, caplog):
    """Strangers have nothing parsed."""
    assert await called(channel, form, NONSENSE, metadata=()).code() is grpc.StatusCode.UNAUTHENTICATED
    assert not caplog.records


async def test_a_stranger_is_refused_before_anything_is_read(channel):
    """The call is open and its request has not come: what would come takes no memory."""
    call = channel.stream_unary(f"/{SERVICE}/Unary")(timeout=10)
    assert await call.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_call_without_a_request(channel):
    """It was half-closed before one came."""
    call = channel.stream_unary(f"/{SERVICE}/Unary")(metadata=KEY, timeout=10)
    await call.done_writing()
    assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "there is no request" in await call.details()


async def test_compressed_requests_are_refused(channel):
    """60 KiB of them become 60 MiB before anybody has seen them."""
    call = channel.unary_unary(f"/{SERVICE}/Unary")(bytes(100_000), metadata=KEY, timeout=10, compression=grpc.Compression.Gzip)
    assert await call.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("form", ["Unary", "Written", "Generated", "Iterated"])
async def test_messages_arrive(channel, form):
    """As ever."""
    call = called(channel, form, GetMailRequest(mail_id="this").SerializeToString())
    answer = await call if form == "Unary" else await call.read()
    assert GetMailResponse.FromString(answer).mail_id == "this"


async def test_what_is_left_unparsed_stays_so(channel):
    """A large request is its handler's to take apart."""
    request = SendMailRequest(idempotency_key="k" * (LARGE + 1)).SerializeToString()
    assert GetMailResponse.FromString(await called(channel, "Sized", request)).mail_id == str(len(request))
    assert GetMailResponse.FromString(await called(channel, "Sized", b"")).mail_id == "small"


@pytest.mark.parametrize("path", ["/grpc.health.v1.Health/Check", f"/{reflection.SERVICE_NAME}/ServerReflectionInfo"])
async def test_others_services_as_well(channel, path, caplog):
    """Health and reflection, which anybody may call."""
    if path.endswith("Check"):
        call = channel.unary_unary(path)(NONSENSE, timeout=10)
    else:
        call = channel.stream_stream(path)(iter([NONSENSE]), timeout=10)
    assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert not caplog.records
