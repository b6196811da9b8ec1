"""Something around every handler of a door, whatever its kind: unary or streaming, a coroutine with context.read/write or a generator."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import grpc

Context = grpc.aio.ServicerContext[Any, Any]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Behaviour = Callable[[Any, Context], Any]

Enter = Callable[[Context], None]
"""Called before the handler, in its task: what it raises is raised instead, and context variables that it sets are the handler's."""

Fail = Callable[[Context, Exception], Awaitable[None]]
"""Called with what a handler raised; must raise itself, such as by `context.abort`."""

_FORMS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")


class Interceptor(grpc.aio.ServerInterceptor):
    """Puts `enter` and `fail` around the handlers whose methods `choose` admits. A handler is wrapped once, not at each call."""

    def __init__(self, choose: Callable[[str], tuple[Enter | None, Fail | None] | None]) -> None:
        self._choose = choose
        self._wrapped: dict[str, Handler] = {}

    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]], handler_call_details: grpc.HandlerCallDetails
    ) -> Handler | None:
        """Called by gRPC for every call."""
        method = handler_call_details.method
        if (known := self._wrapped.get(method)) is not None:
            return known
        handler = await continuation(handler_call_details)
        around = self._choose(method)
        if handler is None or around is None:
            return handler
        wrapped = self._wrapped[method] = _wrap(handler, *around)
        return wrapped


class _Wrapped(grpc.RpcMethodHandler):  # type: ignore[type-arg]  # it is no generic class at run time
    """A handler's data with another behaviour; gRPC reads the attributes."""

    def __init__(self, handler: Handler, form: str, behaviour: Behaviour) -> None:
        self.request_streaming = handler.request_streaming
        self.response_streaming = handler.response_streaming
        self.request_deserializer = handler.request_deserializer
        self.response_serializer = handler.response_serializer
        self.unary_unary = self.unary_stream = self.stream_unary = self.stream_stream = None
        setattr(self, form, behaviour)


def with_deserializer(handler: Handler, deserializer: Callable[[bytes], Any]) -> Handler:
    """The same handler, that is given what `deserializer` makes of a request."""
    form = _form(handler)
    changed = _Wrapped(handler, form, getattr(handler, form))
    changed.request_deserializer = deserializer
    return changed


def with_behaviour(handler: Handler, change: Callable[[Behaviour], Behaviour]) -> Handler:
    """The same handler, that does what `change` makes of what it did."""
    form = _form(handler)
    return _Wrapped(handler, form, change(getattr(handler, form)))


def reading(handler: Handler, change: Callable[[Behaviour], Behaviour], deserializer: Callable[[bytes], Any]) -> Handler:
    """A handler of one request as one that reads it by `context.read`, which gives what `deserializer` makes of it; no peer sees it."""
    form = _form(handler)
    changed = _Wrapped(handler, form.replace("unary_", "stream_", 1), change(getattr(handler, form)))
    changed.request_streaming, changed.request_deserializer = True, deserializer
    return changed


def _wrap(handler: Handler, enter: Enter | None, fail: Fail | None) -> Handler:
    form = _form(handler)
    inner: Behaviour = getattr(handler, form)
    behaviour = _generating(inner, enter, fail) if inspect.isasyncgenfunction(inner) else _awaiting(inner, enter, fail)
    return _Wrapped(handler, form, behaviour)


def _form(handler: Handler) -> str:
    return _FORMS[2 * bool(handler.request_streaming) + bool(handler.response_streaming)]


def _awaiting(inner: Behaviour, enter: Enter | None, fail: Fail | None) -> Behaviour:
    async def call(request: Any, context: Context) -> Any:  # noqa: ANN401
        try:
            if enter is not None:
                enter(context)
            return await inner(request, context)
        except grpc.aio.AbortError:
            raise
        except Exception as error:
            if fail is None:
                raise
            await fail(context, error)

    return call


def _generating(inner: Behaviour, enter: Enter | None, fail: Fail | None) -> Behaviour:
    async def call(request: Any, context: Context) -> AsyncIterator[Any]:  # noqa: ANN401
        try:
            if enter is not None:
                enter(context)
            async for response in inner(request, context):
                yield response
        except grpc.aio.AbortError:
            raise
        except Exception as error:
            if fail is None:
                raise
            await fail(context, error)

    return call
