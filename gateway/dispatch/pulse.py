"""How long a node has been silent, in ticks of 250 ms, by looks five times as often. Pure.

Ticks are counted from the last frame: so a stopped node is seen within a look of its due time, and not up to a tick later.

A node sends a frame at least each tick. A look that came late itself, because the machine was busy, and saw no frame says nothing of the
node: what keeps us from looking keeps frames from us as well.
"""

from __future__ import annotations

TICK = 0.25
"""Seconds; a node sends a frame at least so often."""
LOOKS = 5
"""To a tick."""
LOOK = TICK / LOOKS
LATE = 0.1
"""Seconds that a look may be late."""


class Pulse:
    """One stream's. `look` is told how many frames have come in all, and how many seconds went by since the look before."""

    def __init__(self) -> None:
        self._frames = 0
        self._silent = self._looks = 0

    def look(self, frames: int, seconds: float) -> bool | None:
        """A tick that is over: True, with a frame; False, without one for so long. None: none is over."""
        heard, self._frames = frames > self._frames, frames
        if not heard and seconds > LOOK + LATE:
            return None
        self._looks += 1
        self._silent = 0 if heard else self._silent + 1
        if self._silent and self._silent % LOOKS == 0:
            self._looks = 0
            return False
        if self._looks >= LOOKS and self._silent < LOOKS:
            self._looks = 0
            return True
        return None
