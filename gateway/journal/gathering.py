"""What goes into one commit: all that is there, and for a moment what may yet come.

A commit costs the thread and the loop some 400 µs between them whatever it carries (fsync, and the GIL that each statement must win back),
so under load commits are paced: when the last one had several callers, the next waits PACE after it for each job that they brought, and
nobody who waits alone is ever held up. Work that nobody waits for, such as a verdict's record, does not start a commit by itself until
PATIENCE is over.

To wake the thread costs both sides some 20 µs, again for the GIL: it sleeps through what cannot end its wait.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import Generic, Protocol, TypeVar

PACE, LONGEST = 0.001, 0.010
"""Seconds between commits, for each job that callers of the last one waited for, at most. PostgreSQL knows the same as commit_delay."""
PATIENCE = 0.008
"""Seconds that work nobody waits for waits for company."""
CROWD = 2
"""Urgent works in a commit that make the next one wait."""
ENOUGH = 128
"""Jobs that make a commit worth its cost."""

NEVER = sys.maxsize


class Waiting(Protocol):
    """What is gathered."""

    @property
    def jobs(self) -> Sequence[bytes]:
        """What it touches."""
        ...

    @property
    def urgent(self) -> bool:
        """Somebody waits for it."""
        ...

    @property
    def octets(self) -> int:
        """Of its bodies."""
        ...


W = TypeVar("W", bound=Waiting)


@dataclass(slots=True)
class _Group(Generic[W]):
    works: list[W] = field(default_factory=list)
    rows: int = 0
    octets: int = 0
    urgent: int = 0

    def add(self, work: W, rows: int, octets: int) -> None:
        self.works.append(work)
        self.rows, self.octets, self.urgent = self.rows + rows, self.octets + octets, self.urgent + work.urgent


class Gathering(Generic[W]):
    """The loop puts, one thread takes groups. `rows` and `octets` bound a group; a larger single work is a group.

    No lock is needed: each count is written on one side, and the thread says what would wake it before it looks at the queue a last time.
    """

    def __init__(self, rows: int, octets: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rows, self._octets, self._clock = rows, octets, clock
        self._queue: deque[W | None] = deque()
        self._bell = Event()
        self._put = self._taken = 0
        self._wake_at, self._wake_urgent = NEVER, False
        self._not_before = 0.0

    def put(self, work: W) -> None:
        """Hand it in; never waits. For the loop."""
        self._put += len(work.jobs)
        self._queue.append(work)
        if self._put >= self._wake_at or (work.urgent and self._wake_urgent):
            self._bell.set()

    def end(self) -> None:
        """Nothing more will be put. For the loop."""
        self._queue.append(None)
        self._bell.set()

    def rest(self) -> list[W]:
        """What nobody will take any more: the thread has ended."""
        return [work for work in self._queue if work is not None]

    def group(self) -> list[W]:
        """Wait for the next group; empty: it is the end. For the thread."""
        group: _Group[W] = _Group()
        patience = 0.0
        while self._take(group) and group.rows < ENOUGH:
            if not group.works:
                self._sleep(None, 0)
                continue
            now = self._clock()
            patience = patience or now + PATIENCE
            wait = (self._not_before if group.urgent else patience) - now
            if wait <= 0:
                break
            self._sleep(wait, ENOUGH - group.rows, urgent=not group.urgent)
        return group.works

    def committed(self, group: Sequence[W]) -> None:
        """The group is on disk: when may the next follow?"""
        urgent = [max(1, len(work.jobs)) for work in group if work.urgent]
        self._not_before = self._clock() + min(LONGEST, PACE * sum(urgent)) if len(urgent) >= CROWD else 0.0

    def _take(self, group: _Group[W]) -> bool:
        """Move what is there; False: nothing more may join, for it is the end or the next work would be too much."""
        while self._queue:
            work = self._queue[0]
            if work is None:
                return False
            rows, octets = len(work.jobs), work.octets
            if group.works and (group.rows + rows > self._rows or group.octets + octets > self._octets):
                return False
            group.add(work, rows, octets)
            self._queue.popleft()
            self._taken += rows
        return True

    def _sleep(self, seconds: float | None, rows: int, *, urgent: bool = False) -> None:
        """Until so many rows have come, something `urgent`, or the end."""
        self._bell.clear()
        self._wake_at, self._wake_urgent = self._taken + rows, urgent
        if not self._queue:
            self._bell.wait(seconds)
        self._wake_at, self._wake_urgent = NEVER, False
