"""The world as admission sees it: clocks, randomness, threads, and an owner for what must be finished though its caller has gone."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine
from io import BytesIO
from typing import Any, TypeVar

RANDOM = 4096
"""Octets that are fetched at once: a call of the system for each mail gives up the interpreter's lock each time."""

T = TypeVar("T")


class LoopShell:
    """One a gateway. `close` waits for what is still being finished. `now_ms`: the gateway's time of day."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self.now_ms = now_ms
        self._random = BytesIO()
        self._unfinished: set[asyncio.Task[Any]] = set()

    def clock(self) -> float:
        """Seconds, monotonic."""
        return time.monotonic()

    def random(self, octets: int) -> bytes:
        """The system's, each once."""
        found = self._random.read(octets)
        if len(found) < octets:
            self._random = BytesIO(os.urandom(max(octets, RANDOM)))
            found = self._random.read(octets)
        return found

    async def offload(self, work: Callable[[], T]) -> T:
        """In a thread of the default executor."""
        return await asyncio.to_thread(work)

    async def finish(self, work: Coroutine[Any, Any, T]) -> T:
        """As a task of ours: a cancelled caller leaves it running, and `close` waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._unfinished.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """After the door has stopped and before ledger and queue do."""
        while self._unfinished:
            await asyncio.wait(self._unfinished)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._unfinished.discard(task)
        if not task.cancelled():
            task.exception()  # its caller had it, or has gone
