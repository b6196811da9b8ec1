"""When a stream's writer writes next: at once when nothing was said of late, and otherwise what comes together goes together.

A frame costs both sides some 200 µs whatever it carries, so frames are what a stream of single mails must be thrifty with. READY and COMMIT
hold a connection to a server: enough of them go at once, fewer wait at most PACE behind the frame before, CROWDED or THRONGED behind one
that had many. What holds nothing up waits up to GATHER, and what only tidies up goes along with the next frame, a beat away at most.
"""

from __future__ import annotations

import asyncio

PACE, CROWDED, THRONGED = 0.005, 0.008, 0.016
"""Seconds after a frame of few urgent words, of CROWD, of THRONG: who is alone is not held up longer for the sake of the others."""
CROWD, THRONG = 4, 32
"""Urgent words of a frame that make the next wait longer. At 20 connections, 16 for the second cost a quarter of the mails/s."""
ENOUGH = 16
"""Urgent words that make a frame worth its cost: 6 µs each."""
GATHER = 0.005
"""Seconds that an offer or a verdict waits for company."""


class Pace:
    """One a stream; a single writer awaits `turn`."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._full = asyncio.Event()
        self._urgent, self._enough = 0, ENOUGH
        self._timer: asyncio.TimerHandle | None = None
        self._last = 0.0
        self._pace = PACE

    def now(self, words: int = 1) -> None:
        """There is so much that is urgent to write."""
        self._urgent += words
        self._wake.set()
        if self._urgent >= self._enough:
            self._full.set()

    def at_once(self) -> None:
        """There is something to write that waits for nothing."""
        self._wake.set()
        self._full.set()

    def soon(self) -> None:
        """There is something to write that may wait for company."""
        if self._timer is None and not self._wake.is_set():
            self._timer = self._loop.call_later(GATHER, self._due)

    async def turn(self, enough: int = ENOUGH) -> None:
        """Wait until it is time to write; so many urgent words end the wait."""
        self._enough = enough
        await self._wake.wait()
        early = self._last + self._pace - self._loop.time()
        if early > 0 and not self._full.is_set():
            paced = self._loop.call_later(early, self._full.set)
            await self._full.wait()
            paced.cancel()
        self._wake.clear()
        self._full.clear()
        self._pace = THRONGED if self._urgent >= THRONG else CROWDED if self._urgent >= CROWD else PACE
        self._urgent = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._last = self._loop.time()

    def close(self) -> None:
        """No more turns."""
        if self._timer is not None:
            self._timer.cancel()

    def _due(self) -> None:
        self._timer = None
        self._wake.set()
