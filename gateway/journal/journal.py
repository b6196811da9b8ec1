"""The journal as the process sees it: opened on a data directory, it has a ledger, a queue and an identity."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from gateway.journal.options import JournalOptions
from gateway.ledger.port import Ledger
from gateway.queue.port import Queue


class Journal:
    """`async with Journal(data_dir, options, now_ms) as journal:`.

    One process at a time has a data directory; another is refused with SettingsInvalid, naming path and process.
    """

    ledger: Ledger
    queue: Queue
    gateway_id: str
    """Made at the first start and kept."""
    epoch: int
    """Rises with each start; durable before anything else."""
    broken: asyncio.Future[None]
    """Done with StorageBroken when the storage failed for good: the process must stop."""

    def __init__(self, data_dir: Path, options: JournalOptions, now_ms: Callable[[], int]) -> None:
        self._data_dir, self._options, self._now_ms = data_dir, options, now_ms

    async def __aenter__(self) -> Journal:
        raise NotImplementedError

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        raise NotImplementedError

    def stats(self) -> dict[str, int]:
        """Counts in plain ints."""
        raise NotImplementedError
