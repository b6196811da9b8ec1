"""How many dials, or look-ups, are under way at once over all paths, so that a turn of the loop stays short.

A dial is a millisecond or two of work in a dozen turns. With hundreds under way a turn took 100 to 350 ms, and whatever needs several, such
as a COMMIT that is valid for 750 ms, came too late: mail for thousands of new hosts closed every second connection without a mail on it.
A host that is far or silent costs nothing while it is waited for: after its patience a dial goes on beside the others, and holds up nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

AT_ONCE, PATIENCE = 64, 0.2
"""Dials, and seconds for which each has its place: 320 a second where all hosts are far, which is nearly what a core can do."""


class Turns:
    """Whoever dials does it within `one`; those that come first go first."""

    def __init__(self, most: int = AT_ONCE, patience: float = PATIENCE) -> None:
        self._places, self._patience = asyncio.Semaphore(most), patience

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Waits for a place. It is free again when this is left, or is over its time."""
        await self._places.acquire()
        held = True

        def give_up() -> None:
            nonlocal held
            if held:
                held = False
                self._places.release()

        timer = asyncio.get_running_loop().call_later(self._patience, give_up)
        try:
            yield
        finally:
            timer.cancel()
            give_up()
