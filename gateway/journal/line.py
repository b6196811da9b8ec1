"""A line of jobs that become ready one after the other, and the words for places in it. Pure.

Every job on disk that something must bring has a *position* in its line (lane, route, site key): a number that rises with the order in
which jobs become ready, in microseconds since the epoch. Even positions are those of new jobs (the moment of accept), odd ones those of
deferred jobs (the moment when they are due), so that no two kinds meet.

A line's *cursor* is the place up to which everything has been brought. Three rules keep a job from being brought twice or never:

1. The cursor moves only over positions whose jobs it has brought. `beyond` is a lower bound of the positions that it has not; None: none.
2. A new job goes into memory directly only while `beyond` lies after it; else it stays on disk, and `beyond` falls to it.
3. A read goes up to the *horizon*: every work handed in and not yet committed has positions after it, so what is read is complete.
   What is committed while a read runs waits in the line's `tail`, and joins only if the read has left nothing before it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from mailgate.job import Job
from mailgate.mail import Lane

LAST = b"\xff" * 32
"""After every id."""


class LineKey(NamedTuple):
    """Jobs of one line become ready and are brought in one order."""

    lane: Lane
    route: str
    site_key: str


class Place(NamedTuple):
    """A place in a line's order."""

    position: int
    job_id: bytes


class Placed(NamedTuple):
    """A job at its place."""

    position: int
    job: Job


@dataclass(frozen=True, slots=True)
class Want:
    """Read jobs of `key` after `after` up to `horizon`: at most `jobs` and about `octets`, one at least."""

    key: LineKey
    after: Place
    horizon: int
    jobs: int
    octets: int


@dataclass(frozen=True, slots=True)
class Found:
    """What a read brought, in order. `exhausted`: there was no more up to the horizon; `deferred`: the first odd position after it."""

    want: Want
    jobs: Sequence[Placed]
    exhausted: bool
    deferred: int | None


@dataclass(slots=True)
class Line:
    """What the window knows of a line."""

    key: LineKey
    cursor: Place
    given: Place
    """The place of the last job that was handed out: where to go back to when what is ready is dropped from memory."""
    beyond: int | None = None
    ready: deque[Placed] | None = None
    back: deque[Job] | None = None
    """Jobs that their holder gave back: they have no place."""
    loading: bool = False
    tail: list[Placed] = field(default_factory=list)
    late: int | None = None
    """As `beyond`, for what came while a read ran."""
    unwritten: int = 0
    """Deferrals handed in and not yet committed."""
    blind: bool = False
    """There were such when the running read began: it may not have seen them."""

    @property
    def waiting(self) -> int:
        """Jobs that can be handed out."""
        return len(self.ready or ()) + len(self.back or ())

    @property
    def idle(self) -> bool:
        """Nothing is in memory, on disk or under way that this line would have to bring."""
        return not (self.ready or self.back or self.loading or self.unwritten) and self.beyond is None


def line_key(job: Job) -> LineKey:
    """The line of a job."""
    return LineKey(job.lane, job.route, job.site_key)
