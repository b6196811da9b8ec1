"""What goes into one commit: all that is there, and for a moment what may yet come.

A commit costs the thread and the loop some 400 µs between them whatever it carries (fsync, and the GIL that each statement must win back),
so under load commits are paced: when the last one had several callers, the next waits PACE after it for each of them, and nobody who waits
alone is ever held up. Work that nobody waits for, such as a verdict's record, does not start a commit by itself until PATIENCE is over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Generic, Protocol, TypeVar

PACE, LONGEST = 0.001, 0.010
"""Seconds between commits, for each caller that waited for the last, at most. PostgreSQL knows the same as commit_delay."""
PATIENCE = 0.008
"""Seconds that work nobody waits for waits for company."""
CROWD = 2
"""Urgent works in a commit that make the next one wait."""
ENOUGH = 128
"""Jobs that make a commit worth its cost."""


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


class Gathering(Generic[W]):
    """One thread takes from `queue`, in which None is the end. `rows` and `octets` bound a group; a larger single work is a group."""

    def __init__(self, queue: SimpleQueue[W | None], rows: int, octets: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._queue, self._rows, self._octets, self._clock = queue, rows, octets, clock
        self._not_before = 0.0
        self.closing = False

    def group(self, first: W) -> tuple[list[W], W | None]:
        """The next group, and the work that was one too many for it."""
        group, rows, octets, urgent = [first], len(first.jobs), first.octets, int(first.urgent)
        patience = self._clock() + PATIENCE
        while True:
            until = 0.0 if rows >= ENOUGH else self._not_before if urgent else patience
            try:
                wait = until - self._clock()
                work = self._queue.get(timeout=wait) if wait > 0 else self._queue.get_nowait()
            except Empty:
                return group, None
            if work is None:
                self.closing = True
                return group, None
            rows, octets, urgent = rows + len(work.jobs), octets + work.octets, urgent + work.urgent
            if rows > self._rows or octets > self._octets:
                return group, work
            group.append(work)

    def committed(self, group: Sequence[W]) -> None:
        """The group is on disk: when may the next follow?"""
        callers = sum(work.urgent for work in group)
        self._not_before = self._clock() + min(LONGEST, PACE * callers) if callers >= CROWD else 0.0
