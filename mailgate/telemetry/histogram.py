"""A histogram in plain ints: rooms observe, telemetry reads a snapshot when it is scraped. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

LATENCIES: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Bounds for what should take milliseconds."""

WAITS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0, 14400.0, 86400.0)
"""Bounds for what may take days: a mail's way, with its retries."""


@dataclass(frozen=True, slots=True)
class HistogramSnapshot:
    """A histogram at one moment. `counts[i]` observations were ≤ `bounds[i]` and above the bound before; the last: above all bounds."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float

    @property
    def count(self) -> int:
        """All observations."""
        return sum(self.counts)

    def quantile(self, part: float) -> float:
        """About the value that this part of the observations does not exceed, 0 to 1: even within its bucket. 0.0 where there are none."""
        wanted, below = part * self.count, 0
        for place, count in enumerate(self.counts):
            if count and below + count >= wanted:
                upper = self.bounds[min(place, len(self.bounds) - 1)]
                lower = self.bounds[place - 1] if place else 0.0
                return lower + (upper - lower) * max(0.0, wanted - below) / count
            below += count
        return 0.0

    def __add__(self, other: HistogramSnapshot) -> HistogramSnapshot:
        """Both together. Raises ValueError when their bounds differ."""
        if self.bounds != other.bounds:
            raise ValueError("histograms with different bounds cannot be added")
        counts = tuple(map(int.__add__, self.counts, other.counts))
        return HistogramSnapshot(self.bounds, counts, self.sum + other.sum)


class Histogram:
    """Counts observations by bucket. One thread may observe; any may take a snapshot."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float] = LATENCIES) -> None:
        """`bounds`: inclusive upper ends in seconds, strictly rising, at least one. Raises ValueError."""
        if not bounds or any(low >= high for low, high in pairwise(bounds)):
            raise ValueError(f"a histogram's bounds must rise strictly, got {bounds!r}")
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, seconds: float, times: int = 1) -> None:
        """Count one observation, or `times` equal ones. Must be cheap: ≤ 0.4 µs (benchmarks/pieces.py)."""
        self._counts[bisect_left(self._bounds, seconds)] += times
        self._sum += seconds * times

    def snapshot(self) -> HistogramSnapshot:
        """What was counted until now."""
        return HistogramSnapshot(self._bounds, tuple(self._counts), self._sum)

    def __repr__(self) -> str:
        now = self.snapshot()
        return f"<Histogram count={now.count} mean={now.sum / now.count if now.count else 0:.6f}s>"
