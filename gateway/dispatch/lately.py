"""What a node did of late: how long servers took for its mails, and how many jobs it was given. Pure: time is given.

Two halves of a window that take turns, so that what is told is of the last WINDOW seconds, or of half of them at least. A bucket is a
quarter wider than the one below it: a quantile is right to some ten per cent.
"""

from __future__ import annotations

from mailgate.telemetry.histogram import Histogram, HistogramSnapshot

WINDOW = 10.0
"""Seconds."""
BOUNDS = tuple([0.0001 * 1.25**step for step in range(70)])
"""Seconds, from 0.1 ms to 8 min: a server may take ten minutes for its answer to a final dot."""


class Lately:
    """See the module. `picks`: jobs given to the node since this began, as its owner counts them. Times are monotonic seconds."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """It begins anew."""
        self._now, self._before = Histogram(BOUNDS), Histogram(BOUNDS)
        self._marks: list[tuple[float, int]] = []
        """When the present half began, and the one before; and the picks until then."""

    def served(self, seconds: float) -> None:
        """A mail had its answer, so long after COMMIT. Must be cheap: once a job."""
        self._now.observe(seconds)

    def look(self, now: float, picks: int) -> None:
        """Some times a second."""
        if not self._marks or now - self._marks[-1][0] >= WINDOW / 2:
            self._marks = [*self._marks[-1:], (now, picks)]
            self._now, self._before = Histogram(BOUNDS), self._now

    def service(self) -> HistogramSnapshot:
        """How long servers took."""
        return self._now.snapshot() + self._before.snapshot()

    def picks_per_second(self, now: float, picks: int) -> float:
        """Jobs that it was given."""
        if not self._marks or now <= self._marks[0][0]:
            return 0.0
        since, before = self._marks[0]
        return (picks - before) / max(now - since, 1.0)
