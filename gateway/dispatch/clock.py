"""The gateway's time of day: it never goes back, and says when the machine's clock has jumped. Pure: both clocks are given.

It is the wall clock at the start, or what an earlier life of the gateway has recorded when that is later, plus monotonic time since,
corrected forwards only. So a deferred mail comes due after the seconds it was told, whatever is done to the machine's clock, and ids and
positions rise. A jump forwards is followed when it has lasted for SUSPENSION: what somebody sets wrong and right again changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable

JUMP_MS = 30_000
"""A difference to the wall clock over this is a jump, not drift (promise 9)."""
SUSPENSION = 600.0
"""Seconds for which a jump suspends expiry and retention (promise 9)."""
LONG_DOWN_MS = 3_600_000
"""A start so long after what was recorded last counts as a jump: nobody can tell a stop for a year from a clock set to the next."""


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

    def over_ms(self) -> int:
        """What expires until then is over: now, and 0 while expiry is suspended."""
        return self.now_ms() if self.trusted else 0

    def resume(self, recorded_ms: int) -> int:
        """Go on after what an earlier life of the gateway has recorded, 0 for nothing. How far the wall clock has jumped back since, or 0.

        To be called before anybody is told the time.
        """
        behind_ms = recorded_ms - self.now_ms()
        if behind_ms > JUMP_MS or (recorded_ms and behind_ms < -LONG_DOWN_MS):
            self._suspend()
        if behind_ms < 0:
            return 0
        self._offset += (behind_ms + 2) / 1000  # a whole millisecond after it, whichever way the sum is rounded
        self._last_seen = self._difference()
        return behind_ms if behind_ms > JUMP_MS else 0

    def check(self) -> int:
        """Compare with the wall clock; call it about once a second. How far it has jumped since the last call (ms), or 0."""
        difference = self._difference()
        moved_ms = round((difference - self._last_seen) * 1000)
        if jumped := abs(moved_ms) > JUMP_MS:
            self.jumps += 1
            self._suspend()
        elif difference > 0 and (difference * 1000 <= JUMP_MS or self.trusted):
            if difference * 1000 > JUMP_MS:
                self._suspend()  # what is due after all that time has its try before it expires
            self._offset += difference
            difference = 0.0
        self._last_seen = difference
        return moved_ms if jumped else 0

    def _difference(self) -> float:
        return self._wall() - (self._offset + self.monotonic())

    def _suspend(self) -> None:
        self._suspended_until = self.monotonic() + SUSPENSION

    @property
    def trusted(self) -> bool:
        """Expiry and retention may act."""
        return self.monotonic() >= self._suspended_until
