"""What comes of a call: its answer, or the messages of its stream; what ends it as an error of ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from typing import Any, TypeVar

import grpc

from mailgate.errors import Unanswered
from mailgate.rpc.status import from_rpc_error

T = TypeVar("T")


async def answer(call: Awaitable[T]) -> T:
    """Of a call that is cancelled as its answer comes grpc.aio tells the answer, or an error, and the cancellation would be lost."""
    task = asyncio.current_task()
    before = task.cancelling() if task is not None else 0
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from None
    finally:
        if task is not None and task.cancelling() > before:
            raise asyncio.CancelledError


async def first(call: grpc.aio.UnaryStreamCall[Any, Any], within: float) -> None:
    """The empty message that a stream begins with. The timer cancels the call itself: a read can't be given up alone."""
    timer = asyncio.get_running_loop().call_later(within, call.cancel)
    try:
        await call.read()
    except asyncio.CancelledError:
        if not call.cancelled() or (task := asyncio.current_task()) is None or task.cancelling():
            raise
        raise Unanswered(f"no answer within {within:g} s") from None
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from None
    finally:
        timer.cancel()


async def messages(call: grpc.aio.UnaryStreamCall[Any, T]) -> AsyncGenerator[T, None]:
    """The others, until the stream ends."""
    try:
        while (message := await call.read()) is not grpc.aio.EOF:
            yield message  # type: ignore[misc]
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from None
