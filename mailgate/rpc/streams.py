"""Reading from a stream in a handler, with the end as None: gRPC's own end is an object of its own that types do not know."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar, cast

import grpc
from google.protobuf.message import DecodeError

from mailgate.errors import DeadlinePassed, Invalid

Request = TypeVar("Request")
Response = TypeVar("Response")


async def next_request(context: grpc.aio.ServicerContext[Request, Response]) -> Request | None:
    """The next message of the peer; None: it has half-closed. Never put a time limit around it: that cancels the call (grpc #43360).

    Raises:
        Invalid: what came is no message of this call.
    """
    try:
        message: Any = await context.read()
    except DecodeError:
        raise Invalid.field("message", "the bytes are no message of this call: is the peer of another release?") from None
    return None if message is grpc.aio.EOF else cast(Request, message)


async def first_request(context: grpc.aio.ServicerContext[Request, Response], seconds: float) -> Request | None:
    """The first message of the peer, which has so long to send it. Passing the limit must end the call, as the error does.

    Raises:
        DeadlinePassed: it did not come.
    """
    try:
        async with asyncio.timeout(seconds):
            return await next_request(context)
    except TimeoutError:
        raise DeadlinePassed(f"the first message did not come within {seconds:g} s: send it as soon as the stream is open") from None
