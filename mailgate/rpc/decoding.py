"""Requests are parsed behind the guards: bytes that are no message are the peer's mistake, and a stranger has nothing parsed.

gRPC itself parses before any guard, answers UNKNOWN with an exception's text, and writes a traceback to the log for each such call.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NoReturn

import grpc
from google.protobuf.message import DecodeError

from mailgate.errors import Invalid
from mailgate.rpc.around import Behaviour, Context, Handler, with_behaviour, with_deserializer

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
    if parse is None:
        return handler
    if handler.request_streaming:
        return with_behaviour(handler, _iterating)
    return with_deserializer(with_behaviour(handler, lambda inner: _parsing(inner, parse)), _octets)


def _octets(data: bytes) -> bytes:
    return data


def _parsed(request: Any, parse: Parse) -> Any:  # noqa: ANN401 - octets, or what another interceptor has made of them
    if type(request) is not bytes:
        return request
    try:
        return parse(request)
    except DecodeError:
        _refuse()


def _refuse() -> NoReturn:
    raise Invalid.field("request", "the bytes are no message of this call: encode it with the protos of this service") from None


def _parsing(inner: Behaviour, parse: Parse) -> Behaviour:
    if inspect.isasyncgenfunction(inner):

        async def generate(request: Any, context: Context) -> AsyncIterator[Any]:  # noqa: ANN401
            async for response in inner(_parsed(request, parse), context):
                yield response

        return generate

    async def call(request: Any, context: Context) -> Any:  # noqa: ANN401
        return await inner(_parsed(request, parse), context)

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
            _refuse()

    return generate
