"""Requests are read and parsed behind the guards: a stranger sends nothing that takes memory or time, and nonsense is the caller's mistake.

gRPC itself reads a unary call's request before any guard, up to its limit of 64 MiB for whoever connects, keeps it until the call is over,
and for bytes that are no message answers UNKNOWN with an exception's text and writes a traceback to the log.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NoReturn

import grpc
from google.protobuf.message import DecodeError

from mailgate.errors import Invalid
from mailgate.rpc.around import Behaviour, Context, Handler, reading, with_behaviour

Parse = Callable[[bytes], Any]


class Decoding(grpc.aio.ServerInterceptor):
    """The last interceptor of every door. What another one has left unparsed (lazy.py) goes to the handler as it is."""

    def __init__(self) -> None:
        self._known: dict[str, Handler] = {}

    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]], handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        """Called by gRPC."""
        method = handler_call_details.method
        if (known := self._known.get(method)) is not None:
            return known
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        changed = self._known[method] = _change(handler)
        return changed


def _change(handler: Handler) -> Handler:
    parse = handler.request_deserializer
    if handler.request_streaming:
        return handler if parse is None else with_behaviour(handler, _iterating)
    return reading(handler, lambda inner: _parsing(inner, parse), _octets)


def _octets(data: bytes) -> bytes:
    return data


async def _read(context: Context, parse: Parse | None) -> Any:  # noqa: ANN401 - a message, or what another interceptor has made of it
    request: Any = await context.read()
    if request is grpc.aio.EOF:
        _refuse("there is no request")
    if parse is None or type(request) is not bytes:
        return request
    try:
        return parse(request)
    except DecodeError:
        _refuse("the bytes are no message of this call")


def _refuse(what: str) -> NoReturn:
    raise Invalid.field("request", f"{what}: encode it with the protos of this service") from None


def _parsing(inner: Behaviour, parse: Parse | None) -> Behaviour:
    if inspect.isasyncgenfunction(inner):

        async def generate(_requests: Any, context: Context) -> AsyncIterator[Any]:  # noqa: ANN401
            async for response in inner(await _read(context, parse), context):
                yield response

        return generate

    async def call(_requests: Any, context: Context) -> Any:  # noqa: ANN401
        return await inner(await _read(context, parse), context)

    return call


def _iterating(inner: Behaviour) -> Behaviour:
    """A generator reads by iterating, where the error comes out; the others read by `next_request`, which knows it."""
    if not inspect.isasyncgenfunction(inner):
        return inner

    async def generate(requests: Any, context: Context) -> AsyncIterator[Any]:  # noqa: ANN401
        try:
            async for response in inner(requests, context):
                yield response
        except DecodeError:
            _refuse("the bytes are no message of this call")

    return generate
