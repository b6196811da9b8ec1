"""How late the event loop is: one periodic task, and what it saw."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from types import TracebackType

from mailgate.telemetry import names
from mailgate.telemetry.histogram import LATENCIES, Histogram
from mailgate.telemetry.sample import HistogramSample, Sample

PERIOD = 0.05
"""Seconds between two looks: what holds the loop for 100 ms is seen at half its length or more."""

WINDOW = 30.0
"""Seconds. The maximum is of the window under way and the one before: what a scraper saw does not depend on who else scrapes."""


class LoopLag:
    """Measures from `async with` on, in a task of its own. `stats` is the reader for `Metrics.register`."""

    def __init__(self, period: float = PERIOD) -> None:
        """`period` in seconds."""
        self._period = period
        self._histogram = Histogram(LATENCIES)
        self._worst = [0.0, 0.0]
        self._window_end = 0.0
        self._task: asyncio.Task[None] | None = None

    def observe(self, lag: float, now: float) -> None:
        """A lag seen at `now` (monotonic), both in seconds."""
        self._roll(now)
        self._histogram.observe(lag)
        self._worst[0] = max(self._worst[0], lag)

    def worst(self, now: float) -> float:
        """The largest lag of the last half to whole minute before `now` (monotonic seconds)."""
        self._roll(now)
        return max(self._worst)

    def stats(self) -> Iterable[Sample | HistogramSample]:
        """What was seen, for the scrape."""
        return (
            Sample(names.LOOP_LAG_MAX, self.worst(time.monotonic())),
            HistogramSample(names.LOOP_LAG, self._histogram.snapshot()),
        )

    def _roll(self, now: float) -> None:
        if now < self._window_end:
            return
        fresh = now < self._window_end + WINDOW
        self._worst = [0.0, self._worst[0] if fresh else 0.0]
        self._window_end = now + WINDOW

    async def _measure(self) -> None:
        while True:
            due = time.monotonic() + self._period
            await asyncio.sleep(self._period)
            now = time.monotonic()
            self.observe(max(0.0, now - due), now)

    async def __aenter__(self) -> LoopLag:
        self._task = asyncio.create_task(self._measure(), name="loop-lag")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
