"""Large requests stay octets until their handler takes them apart off the loop: parsing 50 MiB would hold up everything else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any

import grpc

from mailgate.rpc.around import Handler, with_deserializer

LARGE = 128 * 1024
"""Octets. A thread costs as much as reading some 50 KiB; and of so few octets nobody can make more values than take some 30 ms."""


class Unparsed:
    """A request's octets, more than LARGE."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


class LazyRequests(grpc.aio.ServerInterceptor):
    """For these methods (`/service/Method`): the handler gets Unparsed instead of a message when it is large. The last of a door's own."""

    def __init__(self, methods: Collection[str]) -> None:
        self._methods = frozenset(methods)

    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]], handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        """Called by gRPC."""
        handler = await continuation(handler_call_details)
        if handler is None or handler_call_details.method not in self._methods:
            return handler
        parse = handler.request_deserializer
        if parse is None:
            return handler
        return with_deserializer(handler, lambda data: parse(data) if len(data) <= LARGE else Unparsed(data))


def large(request: Any) -> bytes | None:  # noqa: ANN401 - a message, or Unparsed in its place
    """The octets of a large request, which are the caller's from now on: gone when it lets go of them. None for one that is a message."""
    if not isinstance(request, Unparsed):
        return None
    data, request.data = request.data, b""
    return data
