"""LoopThread: the one event loop that all blocking clients of a process share, in a thread."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError
from typing import Any, TypeVar

import uvloop

T = TypeVar("T")

GOODBYE = 5.0
"""Seconds for the loop to end what is under way when the process ends."""


class LoopThread:
    """Runs coroutines for other threads. It ends with the process."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._main, name="mailgate client", daemon=True)
        self._thread.start()
        atexit.register(self._stop)

    @property
    def here(self) -> bool:
        """It runs in this process, not in one that this one was forked from."""
        return self._pid == os.getpid()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work` returns, or raises; waits for it.

        Raises:
            RuntimeError: the client was closed meanwhile, or this is a fork, or the loop's own thread, which would wait for itself.
        """
        if not self.here or threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError(
                "this process was forked after the first call, which gRPC does not survive: make the first call after the fork"
                if not self.here
                else "a blocking client was called from its own loop: use MailClient there"
            )
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except CancelledError:
            raise RuntimeError("the client was closed while the call was under way") from None
        except BaseException:
            future.cancel()
            raise

    def _main(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    def _stop(self) -> None:
        if self.here and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(GOODBYE)


_LOCK = threading.Lock()
_THREADS: list[LoopThread] = []


def loop_thread() -> LoopThread:
    """The process's. In a fork of a process that has used it, its `run` raises."""
    with _LOCK:
        if not _THREADS:
            _THREADS.append(LoopThread())
        return _THREADS[0]
