"""grpc.health.v1, whose watchers never hold up a stop."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Health(aio.HealthServicer):
    """Says NOT_SERVING until told otherwise, for the server ("") and every named service alike."""

    def __init__(self, services: tuple[str, ...]) -> None:
        super().__init__()
        self._services = ("", *services)
        self._watching: set[asyncio.Task[Any]] = set()
        self._ended = False

    async def serving(self, yes: bool) -> None:
        """Tell everybody."""
        for service in self._services:
            await self.set(service, SERVING if yes else NOT_SERVING)

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        """A server stream without end; `end` ends it."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a handler always runs in a task
        self._watching.add(task)
        try:
            await super().Watch(request, context)
        except asyncio.CancelledError:
            if not self._ended:
                raise
            # gRPC gives a handler that was cancelled no status, and would wait for the peer.
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the server stops")
        finally:
            self._watching.discard(task)

    def end(self) -> None:
        """An open stream would hold `server.stop` for its whole grace."""
        self._ended = True
        for task in self._watching:
            task.cancel()
