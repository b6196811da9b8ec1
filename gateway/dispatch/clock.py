"""The gateway's time of day: it never goes back, and says when the machine's clock has jumped. Pure: both clocks are given.

It is the wall clock at the start plus monotonic time since, corrected forwards only. So a deferred mail comes due after the seconds it was
told, whatever is done to the machine's clock, and ids and positions rise.
"""

from __future__ import annotations

from collections.abc import Callable

JUMP_MS = 30_000
"""A difference to the wall clock over this is a jump, not drift (promise 9)."""
SUSPENSION = 600.0
"""Seconds for which a jump suspends expiry and retention (promise 9)."""


class Clock:
    """`wall`: seconds since the epoch; `monotonic`: seconds."""

    def __init__(self, wall: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._wall, self.monotonic = wall, monotonic
        self._offset = wall() - monotonic()
        self._last_seen = 0.0
        self._suspended_until = monotonic()
        self.jumps = 0

    def now_ms(self) -> int:
        """Milliseconds since the epoch; never less than before."""
        return int((self._offset + self.monotonic()) * 1000)

    def check(self) -> int:
        """Compare with the wall clock; call it about once a second. How far it has jumped since the last call (ms), or 0."""
        difference = self._wall() - (self._offset + self.monotonic())
        moved = difference - self._last_seen
        if difference > 0:
            self._offset += difference
            difference = 0.0
        self._last_seen = difference
        moved_ms = round(moved * 1000)
        if abs(moved_ms) <= JUMP_MS:
            return 0
        self.jumps += 1
        self._suspended_until = self.monotonic() + SUSPENSION
        return moved_ms

    @property
    def trusted(self) -> bool:
        """Expiry and retention may act."""
        return self.monotonic() >= self._suspended_until
