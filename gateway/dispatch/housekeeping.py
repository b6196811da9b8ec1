"""What must be done now and then: look at the machine's clock, count what waits, forget what is long over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import timedelta

from gateway.dispatch.clock import Clock
from gateway.dispatch.sums import by_route
from gateway.ledger.files import Files
from gateway.ledger.port import Ledger, Parked, QueueCount
from mailgate.errors import StorageFull
from mailgate.telemetry import names
from mailgate.telemetry.logs import get_logger
from mailgate.telemetry.sample import Sample

PERIOD = 1.0
"""Seconds between two looks at the clock."""
COUNT_EVERY = 5
"""Periods between two counts for the metrics page."""
FORGET_EVERY = 60
"""Periods between two rounds of retention."""
FORGET_AT_ONCE = 500
"""Mails deleted in one commit: some 10 ms."""
FILES_AT_ONCE = 20
"""Files deleted in one commit: at most a gibibyte, a few octets each where they are small."""

log = get_logger(__name__)


class Housekeeping:
    """`run` until cancelled; `stats` has the counts of a few seconds ago. `waiting` counts what waits."""

    def __init__(
        self, ledger: Ledger, files: Files, waiting: Callable[[], Awaitable[Sequence[QueueCount]]], clock: Clock, retention: timedelta
    ) -> None:
        self._ledger, self._files, self._waiting, self._clock = ledger, files, waiting, clock
        self._retention_ms = int(retention.total_seconds() * 1000)
        self._counts: Sequence[QueueCount] = ()
        self._parked: Mapping[Parked, int] = {}

    async def run(self) -> None:
        """Until cancelled."""
        periods = 0
        while True:
            if periods % COUNT_EVERY == 0:
                self._counts, self._parked = by_route(await self._waiting()), await self._ledger.parked()
            if periods % FORGET_EVERY == 0 and self._clock.trusted:
                await self._forget()
            await asyncio.sleep(PERIOD)
            periods += 1
            if jump := self._clock.check():
                log.warning("clock_jumped", milliseconds=jump, consequence="expiry and retention pause for 10 min")

    def stats(self) -> Iterable[Sample]:
        """For telemetry."""
        now_ms = self._clock.now_ms()
        for count in self._counts:
            labels = {"lane": count.lane.name.lower(), "route": count.route}
            age = 0.0 if count.oldest_ms is None else max(0.0, (now_ms - count.oldest_ms) / 1000)
            yield Sample(names.QUEUE_READY, count.ready, labels)
            yield Sample(names.QUEUE_DEFERRED, count.deferred, labels)
            yield Sample(names.QUEUE_OLDEST_AGE, age, labels)
        yield Sample(names.JOBS_IN_DOUBT, self._parked.get(Parked.IN_DOUBT, 0))
        yield Sample(names.JOBS_DEAD, self._parked.get(Parked.DEAD, 0))

    async def _forget(self) -> None:
        before_ms = self._clock.now_ms() - self._retention_ms
        try:
            while await self._ledger.forget(before_ms, FORGET_AT_ONCE) >= FORGET_AT_ONCE:  # noqa: ASYNC110
                await asyncio.sleep(0.05)  # others' commits first
            while await self._ledger.forget_keys(self._clock.now_ms(), FORGET_AT_ONCE) >= FORGET_AT_ONCE:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            while await self._files.forget(self._clock.now_ms(), FILES_AT_ONCE) >= FILES_AT_ONCE:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        except StorageFull as error:  # deleting needs room in the log as well
            log.warning("retention_put_off", reason=str(error))
