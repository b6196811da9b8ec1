"""How late the event loop is while mail comes in: what yielding decides by, and the timer that lets held-back jobs go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gateway.dispatch.clock import Clock
from gateway.dispatch.yielding import Yielding
from mailgate.job import Job

BEAT = 0.01
"""Seconds between two timers, while calls come."""
LOOK = 10
"""Timers to a look."""


class Lateness:
    """`run` until cancelled. `calls` counts those accepted since the start, and their mails; `wake` has the feeder look again."""

    def __init__(self, clock: Clock, calls: Callable[[], tuple[int, int]], wake: Callable[[], None]) -> None:
        self._clock, self._calls, self._wake = clock, calls, wake
        self._yielding = Yielding()

    def may_go(self, job: Job) -> bool:
        """Whether a job need not wait for younger ones."""
        if self._yielding.rate is None:
            return True
        return self._yielding.allows(self._clock.monotonic(), self._clock.now_ms() - job.accept_ms)

    def fed(self, job: Job) -> int:
        """A job was fed: how many milliseconds it had waited."""
        waited_ms = self._clock.now_ms() - job.accept_ms
        self._yielding.fed(waited_ms)
        return waited_ms

    async def run(self) -> None:
        """See the class."""
        calls = 0
        known_calls, known_mails = self._calls()
        while True:
            start = self._clock.monotonic()
            beats = LOOK if calls or self._yielding.rate is not None else 1
            for _ in range(beats):
                await asyncio.sleep(LOOK * BEAT / beats)
                if self._yielding.rate is not None:
                    self._wake()
            seconds, (all_calls, all_mails) = self._clock.monotonic() - start, self._calls()
            calls, mails = all_calls - known_calls, all_mails - known_mails
            known_calls, known_mails = all_calls, all_mails
            self._yielding.look(seconds, max(0.0, seconds - LOOK * BEAT) / beats, calls, mails)
