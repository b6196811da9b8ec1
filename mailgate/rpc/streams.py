"""Reading from a stream in a handler, with the end as None: gRPC's own end is an object of its own that types do not know."""

from __future__ import annotations

from typing import Any, TypeVar, cast

import grpc

Request = TypeVar("Request")
Response = TypeVar("Response")


async def next_request(context: grpc.aio.ServicerContext[Request, Response]) -> Request | None:
    """The next message of the peer; None: it has half-closed. Never put a time limit around it: that cancels the call (grpc #43360)."""
    message: Any = await context.read()
    return None if message is grpc.aio.EOF else cast(Request, message)
