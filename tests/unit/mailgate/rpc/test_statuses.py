"""The interceptors: whatever a handler raises, of whatever kind it is, the peer learns what it may and no more."""

import asyncio
import gc
import weakref
from datetime import timedelta

import grpc
import pytest

from mailgate import errors
from mailgate.rpc.around import Interceptor
from mailgate.rpc.channel import bearer, open_channel
from mailgate.rpc.fleet import fleet_guard
from mailgate.rpc.server import Door
from mailgate.rpc.status import from_rpc_error
from mailgate.rpc.statuses import statuses

SECRET = "secret a@example.com"


async def unary(request, context):
    return act(request)


async def written(request, context):
    await context.write(b"first")
    await context.write(act(request))


async def generated(request, context):
    yield b"first"
    yield act(request)


async def both(_requests, context):
    while (request := await context.read()) is not grpc.aio.EOF:
        await context.write(act(request))


async def both_generated(requests, context):
    async for request in requests:
        yield act(request)


async def collected(requests, context):
    async for request in requests:
        act(request)
    return b"done"


def act(request):
    if request == b"ours":
        raise errors.StorageFull("the disk is full", 7)
    if request == b"defect":
        raise RuntimeError(SECRET)
    return request


FORMS = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "Written": grpc.unary_stream_rpc_method_handler(written),
    "Generated": grpc.unary_stream_rpc_method_handler(generated),
    "Both": grpc.stream_stream_rpc_method_handler(both),
    "BothGenerated": grpc.stream_stream_rpc_method_handler(both_generated),
    "Collected": grpc.stream_unary_rpc_method_handler(collected),
}


async def door_with(*interceptors, service="t.T"):
    door = Door([], interceptors)
    door.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, FORMS),))
    address = await door.bind("127.0.0.1:0")
    await door.start()
    return door, address


async def answers(channel, form, request, service="t.T", metadata=None):
    """All that comes back."""
    path = f"/{service}/{form}"
    match form:
        case "Unary":
            return [await channel.unary_unary(path)(request, timeout=5, metadata=metadata)]
        case "Collected":
            return [await channel.stream_unary(path)(iter_of(request), timeout=5, metadata=metadata)]
        case "Written" | "Generated":
            return [each async for each in channel.unary_stream(path)(request, timeout=5, metadata=metadata)]
        case _:
            return [each async for each in channel.stream_stream(path)(iter_of(request), timeout=5, metadata=metadata)]


async def iter_of(request):
    yield request


@pytest.mark.parametrize("form", FORMS)
async def test_every_kind_of_handler_works_and_fails_as_it_should(form, capsys):
    """Fine, our error, a defect: for unary and streams, coroutines and generators."""
    door, address = await door_with(statuses())
    async with open_channel(address) as channel:
        assert await answers(channel, form, b"fine")
        with pytest.raises(grpc.aio.AioRpcError) as ours:
            await answers(channel, form, b"ours")
        error = from_rpc_error(ours.value)
        assert (type(error), error.retry_after) == (errors.StorageFull, 7)
        with pytest.raises(grpc.aio.AioRpcError) as defect:
            await answers(channel, form, b"defect")
    assert defect.value.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in repr(defect.value)
    assert "incident" in defect.value.details()
    capsys.readouterr()
    await door.stop(timedelta(0))


@pytest.mark.parametrize("form", FORMS)
async def test_what_comes_before_may_refuse_every_kind(form):
    """Before a handler of ours has done anything."""

    def enter(_context):
        raise errors.Unauthenticated("no key")

    door, address = await door_with(statuses(), Interceptor(lambda method: (enter, None)))
    async with open_channel(address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await answers(channel, form, b"fine")
    assert isinstance(from_rpc_error(refused.value), errors.Unauthenticated)
    await door.stop(timedelta(0))


async def test_an_unknown_method_stays_unimplemented():
    """There is nothing to wrap."""
    door, address = await door_with(statuses())
    async with open_channel(address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await channel.unary_unary("/t.T/Nothing")(b"", timeout=5)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    await door.stop(timedelta(0))


async def test_an_abort_of_a_handlers_own_is_left_alone():
    """It has its status already."""

    async def aborts(_request, context):
        await context.abort(grpc.StatusCode.ABORTED, "mine")

    door = Door([], [statuses()])
    handlers = {"Aborts": grpc.unary_unary_rpc_method_handler(aborts)}
    door.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t.T", handlers),))
    address = await door.bind("127.0.0.1:0")
    await door.start()
    async with open_channel(address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await channel.unary_unary("/t.T/Aborts")(b"", timeout=5)
    assert (refused.value.code(), refused.value.details()) == (grpc.StatusCode.ABORTED, "mine")
    await door.stop(timedelta(0))


async def test_a_peer_that_left_is_no_incident(capsys):
    """Its handler's failure interests nobody."""
    over = asyncio.Event()

    async def writes(_request, context):
        try:
            while True:
                await context.write(b"more")
        finally:
            over.set()

    door = Door([], [statuses()])
    handlers = {"Writes": grpc.unary_stream_rpc_method_handler(writes)}
    door.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t.T", handlers),))
    address = await door.bind("127.0.0.1:0")
    await door.start()
    for _ in range(20):
        over.clear()
        async with open_channel(address) as channel:
            call = channel.unary_stream("/t.T/Writes")(b"", timeout=20)
            await call.read()
            call.cancel()
            await asyncio.wait_for(over.wait(), 5)
    await door.stop(timedelta(0))
    assert "incident" not in capsys.readouterr().out


NODE = "mailgate.api.node.v1.NodeService"


@pytest.mark.parametrize(
    ("token", "given", "open_"), [("t", "t", True), ("t", "x", False), ("t", "", False), ("", "", True), ("t", "tt", False)]
)
async def test_the_fleets_methods_ask_for_its_token(token, given, open_):
    """Who shows another, or none, could have mail sent through a node.

    Asked by a call of one request: where a stream is refused, a write that follows may have gRPC say INTERNAL instead
    (https://github.com/grpc/grpc/issues/36066).
    """
    door, address = await door_with(statuses(), fleet_guard(token), service=NODE)
    async with open_channel(address) as channel:
        call = answers(channel, "Written", b"fine", NODE, bearer(given))
        if open_:
            assert await call == [b"first", b"fine"]
        else:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call
            assert isinstance(from_rpc_error(refused.value), errors.Unauthenticated)
    await door.stop(timedelta(0))


async def test_the_token_opens_nothing_else_and_is_asked_nowhere_else():
    """Callers' services have keys."""
    door, address = await door_with(statuses(), fleet_guard("t"))
    async with open_channel(address) as channel:
        assert await answers(channel, "Unary", b"fine") == [b"fine"]
    await door.stop(timedelta(0))


async def test_a_peer_that_goes_while_it_is_told_is_no_defect():
    """Its call failed and so did telling it; gRPC would log both with their tracebacks."""

    class Gone:
        def done(self) -> bool:
            return False

        async def abort(self, *_: object) -> None:
            raise grpc.aio.InternalError

    around = statuses()._choose("/t.T/Unary")
    assert around is not None
    _, fail = around
    with pytest.raises(asyncio.CancelledError):
        await fail(Gone(), errors.DeadlinePassed("too late"))


class Large:
    def __init__(self, data: bytes) -> None:
        self.data = data


async def test_a_refused_request_is_let_go_at_once():
    """Not when the collector comes: it looks seldom, and a request may have 64 MiB."""
    came: list[weakref.ref[Large]] = []

    async def refuse(request, context):
        came.append(weakref.ref(request))
        raise errors.Unavailable("too much at once")

    door = Door([], [statuses()])
    handler = grpc.unary_unary_rpc_method_handler(refuse, request_deserializer=Large)
    door.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t.T", {"Unary": handler}),))
    address = await door.bind("127.0.0.1:0")
    await door.start()
    gc.disable()
    try:
        async with open_channel(address) as channel:
            call = channel.unary_unary("/t.T/Unary")(b"a mail", timeout=10)
            assert await call.code() is grpc.StatusCode.UNAVAILABLE
        await door.stop(timedelta(0))
        assert [ref() for ref in came] == [None]
    finally:
        gc.enable()
