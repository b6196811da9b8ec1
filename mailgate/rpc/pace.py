"""When a stream's writer writes next: at once when nothing was said of late, and otherwise what comes together goes together.

A frame costs both sides some 100 µs whatever it carries, so frames are what a stream of single mails must be thrifty with. READY and COMMIT
hold a connection to a server, so they wait at most PACE behind the frame before; what holds nothing up waits up to GATHER; what only tidies
up goes along with the next frame, which is a beat away at most.
"""

from __future__ import annotations

import asyncio

PACE = 0.001
"""Seconds between frames, at least, when there is much to say."""
GATHER = 0.003
"""Seconds that an offer or a verdict waits for company."""


class Pace:
    """One a stream; a single writer awaits `turn`."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._last = 0.0

    def now(self) -> None:
        """There is something urgent to write."""
        self._wake.set()

    def soon(self) -> None:
        """There is something to write that may wait for company."""
        if self._timer is None and not self._wake.is_set():
            self._timer = self._loop.call_later(GATHER, self._due)

    async def turn(self) -> None:
        """Wait until it is time to write."""
        await self._wake.wait()
        early = self._last + PACE - self._loop.time()
        if early > 0:
            await asyncio.sleep(early)
        self._wake.clear()
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
