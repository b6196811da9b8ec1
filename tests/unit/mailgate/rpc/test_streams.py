"""Reading from a stream: messages, the end, and a peer that opens one and says nothing."""

from datetime import timedelta

import grpc
import pytest

from mailgate.api.node.v1 import node_registry_service_pb2
from mailgate.rpc.channel import open_channel
from mailgate.rpc.server import Door
from mailgate.rpc.statuses import statuses
from mailgate.rpc.streams import first_request, next_request

HELLO = 0.3


@pytest.fixture
async def stream():
    """Opens a stream to a handler that answers with each message that it read, and with `end` at the end."""

    async def deliver(_requests, context):
        said = await first_request(context, HELLO)
        while said is not None:
            await context.write(said)
            said = await next_request(context)
        await context.write(b"end")

    door = Door([], [statuses()])
    handlers = {"Deliver": grpc.stream_stream_rpc_method_handler(deliver)}
    door.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t.T", handlers),))
    address = await door.bind("127.0.0.1:0")
    await door.start()
    async with open_channel(address) as channel:
        yield channel.stream_stream("/t.T/Deliver")
    await door.stop(timedelta(0))


async def test_messages_and_the_end(stream):
    """The limit is over with the first message; the peer's half-close is None."""
    call = stream(timeout=10)
    await call.write(b"one")
    assert await call.read() == b"one"
    await call.write(b"two")
    assert await call.read() == b"two"
    await call.done_writing()
    assert await call.read() == b"end"


async def test_an_end_before_the_first_message(stream):
    """Is None at once."""
    call = stream(timeout=10)
    await call.done_writing()
    assert await call.read() == b"end"


async def test_a_peer_that_says_nothing_is_let_go(stream):
    """With a word. Else it would hold its stream for ever."""
    call = stream(timeout=10)
    assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "did not come within 0.3 s" in await call.details()


async def test_bytes_that_are_no_message_are_refused_with_a_word():
    """They are the peer's mistake, not a defect of the door."""

    async def register(_requests, context):
        await first_request(context, HELLO)

    door = Door([], [statuses()])
    read = node_registry_service_pb2.RegisterRequest.FromString
    handler = grpc.stream_stream_rpc_method_handler(register, request_deserializer=read)
    door.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t.T", {"Deliver": handler}),))
    address = await door.bind("127.0.0.1:0")
    await door.start()
    async with open_channel(address) as channel:
        call = channel.stream_stream("/t.T/Deliver")(timeout=10)
        await call.write(b"\xff\xff")
        assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "no message of this call" in await call.details()
    await door.stop(timedelta(0))
