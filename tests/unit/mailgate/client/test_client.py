"""GatewayClient before gateways that are not there, or say nothing: every call ends, and says what is known."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator, Iterator

import grpc
import pytest

from mailgate.client.answers import answer
from mailgate.client.client import GatewayClient
from mailgate.client.views import Resolution
from mailgate.errors import Unanswered
from mailgate.mail import Address, Mail, Parts

MAIL = Mail(Address("a@example.com"), to=(Address("b@example.com"),), content=Parts("x", "y"))


@contextlib.contextmanager
def silent() -> Iterator[str]:
    """The address of a server that never answers: the system takes connections for it, and it does not look at them."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


async def test_no_call_waits_beyond_its_deadline() -> None:
    """A server that says nothing: Unanswered from each, a stream's beginning included."""
    with silent() as address:
        async with GatewayClient(address, "key") as client:
            with pytest.raises(Unanswered):
                await client.send(MAIL, within=0.1)
            with pytest.raises(Unanswered):
                await client.send_batch(MAIL, [], within=0.1)
            with pytest.raises(Unanswered):
                await client.get(bytes(16), within=0.1)
            with pytest.raises(Unanswered):
                [recipient async for recipient in client.recipients(bytes(16), within=0.1)]
            with pytest.raises(Unanswered):
                await client.nodes(within=0.1)
            with pytest.raises(Unanswered):
                await client.queue(within=0.1)
            with pytest.raises(Unanswered):
                [doubt async for doubt in client.doubts(within=0.1)]
            with pytest.raises(Unanswered):
                await client.resolve_doubt("x", Resolution.RESEND, within=0.1)
            with pytest.raises(Unanswered):
                async with client.watch(within=0.1):
                    pass
            assert not await client.serving()


async def test_nobody_at_the_address_is_told_at_once() -> None:
    """By the call's own word, not by its deadline, which would be another."""
    async with GatewayClient("127.0.0.1:1", "key") as client:
        with pytest.raises(Unanswered, match="UNAVAILABLE"):
            await client.send(MAIL)
        assert not await client.serving()


async def test_giving_up_a_watch_is_a_cancellation_not_an_answer() -> None:
    """Whoever cancels the task gets its cancellation."""
    with silent() as address:
        async with GatewayClient(address, "key") as client:

            async def watch() -> None:
                async with client.watch():
                    pass

            task = asyncio.create_task(watch())
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task


def test_a_client_never_shows_its_key() -> None:
    """Its repr is a status line."""
    assert repr(GatewayClient("h:1", "mg_geheim")) == "<GatewayClient h:1 (closed)>"


class Late:
    """A call as grpc.aio has it when it is cancelled in the moment in which its answer, or its error, has come."""

    def __init__(self, error: Exception | None) -> None:
        self._error = error

    def __await__(self) -> Generator[object, None, str]:
        try:
            yield from asyncio.sleep(10).__await__()
        except asyncio.CancelledError:
            if self._error is not None:
                raise self._error from None
        return "the answer"


@pytest.mark.parametrize(
    "error", [None, grpc.aio.AioRpcError(grpc.StatusCode.OK, grpc.aio.Metadata(), grpc.aio.Metadata(), "no error at all")]
)
async def test_a_cancellation_as_the_answer_comes_is_not_lost(error):
    """Else Ctrl-C goes unheard, and a deadline passes."""
    task = asyncio.create_task(answer(Late(error)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_call_in_the_clean_up_of_a_cancelled_task_is_answered():
    """It was cancelled before, not now."""

    async def work() -> str:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            return await answer(asyncio.sleep(0, "told"))
        return ""

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    assert await task == "told"
