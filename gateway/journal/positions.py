"""The positions that jobs get (see line.py): never twice, never back, and the floor under those not yet committed. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class Positions:
    """`now_ms` may jump: positions never go back, and run ahead of a clock that does."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._last = 0
        self._floors: deque[int] = deque()

    def skip_to(self, position: int) -> None:
        """An earlier process gave this one: the clock may have gone back since."""
        self._last = max(self._last, position)

    def now(self) -> int:
        """The present, as a position: no position given later is at or before it."""
        self._last = max(self._last, self._now_ms() * 1000)
        return self._last

    def fresh(self, count: int) -> range:
        """Positions of new jobs: even, rising."""
        first = self.now() // 2 * 2 + 2
        self._last = first + 2 * count - 2 if count else self._last
        return range(first, first + 2 * count, 2)

    def deferred(self, due_ms: int) -> int:
        """The position of a job that is due then: odd, and not in the past."""
        soonest = (self.now() + 1) | 1
        wanted = due_ms * 1000 - 1
        if wanted > soonest:
            return wanted
        self._last = soonest
        return soonest

    def submitting(self) -> None:
        """Before the positions of a work are drawn: they lie above what is the floor from now on, until `committed`."""
        self._floors.append(self.now())

    def committed(self) -> None:
        """The oldest work is on disk, or has failed."""
        self._floors.popleft()

    @property
    def under_way(self) -> int:
        """Works that are not committed yet."""
        return len(self._floors)

    @property
    def floor(self) -> int:
        """Every position at or below it that will ever be on disk is there."""
        return self._floors[0] if self._floors else self.now()
