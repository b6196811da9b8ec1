"""The reading connection, in the one thread that may use it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import apsw

from gateway.journal.schema import open_reader
from mailgate.errors import StorageBroken

P = ParamSpec("P")
T = TypeVar("T")


class Reader:
    """Runs queries one after the other, each on one snapshot of what is committed."""

    def __init__(self, path: Path, cache_bytes: int) -> None:
        self._path, self._cache_bytes = path, cache_bytes
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal-reader")
        self._connection: apsw.Connection | None = None
        self._closed = False

    def ask(self, query: Callable[Concatenate[apsw.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
        """Have the thread run `query(connection, …)`. The future fails with StorageBroken when the database cannot be read."""
        if self._closed:
            raise StorageBroken("the journal is closed")
        return asyncio.get_running_loop().run_in_executor(self._thread, lambda: self._run(lambda c: query(c, *args, **kwargs)))

    async def close(self) -> None:
        """Finish what was asked, and close the connection."""
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    def _run(self, query: Callable[[apsw.Connection], T]) -> T:
        try:
            if self._connection is None:
                self._connection = open_reader(self._path, self._cache_bytes)
            self._connection.execute("begin")
            try:
                return query(self._connection)
            finally:
                self._connection.execute("rollback")
        except apsw.Error as error:
            raise StorageBroken(f"{self._path} cannot be read: {error}") from error

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
