"""The outermost interceptor of a door: whatever a handler raises becomes a status that says what a caller may know, and no more."""

from __future__ import annotations

import asyncio

import grpc

from mailgate.rpc.around import Context, Enter, Fail, Interceptor
from mailgate.rpc.status import to_status, to_trailers

_LEFT = (grpc.aio.InternalError, grpc.aio.UsageError, asyncio.InvalidStateError)
"""What read and write raise when the peer has gone."""


def statuses() -> Interceptor:
    """For every method, also those of others' services: gRPC itself would tell the peer an exception's text."""
    return Interceptor(_choose)


def _choose(method: str) -> tuple[Enter | None, Fail | None]:
    async def fail(context: Context, error: Exception) -> None:
        if isinstance(error, _LEFT) or context.done():
            raise asyncio.CancelledError  # nobody hears a status any more
        code, message, trailers = to_trailers(to_status(error, method))
        # gRPC keeps an AbortError with its call, in a ring that only the collector unties, and the AbortError would keep this one with the
        # frames that it passed: a refused mail of 50 MiB stayed in memory for minutes.
        del error
        try:
            await context.abort(code, message, trailers)
        except grpc.aio.AbortError as abort:
            abort.__context__ = None
            raise
        except grpc.aio.InternalError:  # it went between the question above and now
            raise asyncio.CancelledError from None

    return None, fail
