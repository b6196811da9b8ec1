"""Ledger work that nobody waits for, since its failure changes nothing here: the row is found again at the next start."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable


class Unwatched:
    """Call it with the work. It is owned here until it is done."""

    def __init__(self) -> None:
        self._works: set[asyncio.Future[None]] = set()

    def __call__(self, work: Awaitable[None]) -> None:
        """Have it done."""
        written = asyncio.ensure_future(work)
        self._works.add(written)
        written.add_done_callback(self._done)

    def _done(self, written: asyncio.Future[None]) -> None:
        self._works.discard(written)
        if not written.cancelled():
            written.exception()
