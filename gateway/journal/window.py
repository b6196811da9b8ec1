"""Which ready jobs are in memory, and what to read from disk next. Pure: time and positions are given.

The rules are in line.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import islice

from gateway.journal.line import LAST, Found, Line, LineKey, Place, Placed, Want, line_key
from gateway.queue.port import Room
from mailgate.job import Job
from mailgate.mail import Lane

SCAN = 1024
"""Lines that one call looks at, so that a hundred thousand blocked ones do not hold up the loop."""


@dataclass(slots=True)
class Window:
    """The lines that have work. `jobs` and `octets` bound what is ready in memory, `share` the part of one line."""

    jobs: int
    octets: int
    share: float
    ready_jobs: int = 0
    ready_octets: int = 0
    _lines: dict[LineKey, Line] = field(default_factory=dict)
    _ready: dict[Lane, dict[LineKey, Line]] = field(default_factory=lambda: {lane: {} for lane in sorted(Lane)})
    _ripe: dict[Lane, dict[LineKey, Line]] = field(default_factory=lambda: {lane: {} for lane in sorted(Lane)})
    _later: list[tuple[int, LineKey]] = field(default_factory=list)

    def start(self, lines: Iterable[tuple[LineKey, int]], before: int) -> None:
        """What a restart found on disk: lines, with a lower bound of their positions; all lie after `before`."""
        for key, first in lines:
            self._lower(self._line(key, before), first)

    def fresh(self, placed: Placed, floor: int) -> None:
        """A new job is on disk. Positions handed in and not committed lie after `floor`, as does this one."""
        line = self._line(line_key(placed.job), floor)
        if line.loading and self._fits(line, placed.job):
            line.tail.append(placed)
            self._weigh(placed.job)
        elif not line.loading and (line.beyond is None or line.beyond > placed.position) and self._fits(line, placed.job):
            self._weigh(placed.job)
            self._append(line, placed)
        else:
            self._lower(line, placed.position)

    def deferring(self, key: LineKey, position: int, floor: int) -> None:
        """A deferral was handed in: it is not on disk yet."""
        line = self._line(key, floor)
        line.unwritten += 1
        self._lower(line, position)

    def deferred(self, key: LineKey) -> None:
        """It is on disk, or has failed."""
        self._lines[key].unwritten -= 1
        self._tidy(self._lines[key])

    def give_back(self, job: Job, floor: int) -> None:
        """A job that was handed out is ready again, without having left memory."""
        line = self._line(line_key(job), floor)
        if line.back is None:
            line.back = deque()
        line.back.append(job)
        self._ready[job.lane][line.key] = line

    def take(self, room: Room, limit: int) -> list[Job]:
        """Hand out at most `limit` jobs for which there is room: lane by lane, and the lines of a lane in turns."""
        taken: list[Job] = []
        left: dict[tuple[Lane, str], int] = {}
        for lane, lines in self._ready.items():
            for key, line in list(islice(lines.items(), SCAN)):
                if len(taken) >= limit:
                    return taken
                site = (lane, key.site_key)
                if site not in left:
                    left[site] = room(lane, key.site_key)
                count = min(left[site], line.waiting, limit - len(taken))
                if count > 0:
                    left[site] -= count
                    self._hand_out(line, count, taken)
                del lines[key]
                if line.waiting:
                    lines[key] = line
                self._tidy(line)
        return taken

    def wants(self, room: Room, horizon: int, jobs: int, lines: int) -> list[Want]:
        """What to read now: lines with something up to the horizon, with room, and with less than half of their share in memory.

        Each must be answered with `found`, or `lost`. `jobs` bounds the sum, `lines` the count.
        """
        self._ripen(horizon)
        wants: list[Want] = []
        for lane, ripe in self._ripe.items():
            for key, line in list(islice(ripe.items(), SCAN)):
                if jobs <= 0 or len(wants) >= lines:
                    return wants
                del ripe[key]
                ripe[key] = line
                if line.loading or len(line.ready or ()) > self._share_jobs // 2 or room(lane, key.site_key) <= 0:
                    continue
                if not self._make_place(room):
                    return wants
                count = min(jobs, self._share_jobs - len(line.ready or ()), self.jobs - self.ready_jobs)
                jobs -= count
                wants.append(self._want(line, horizon, count))
        return wants

    def found(self, found: Found) -> None:
        """A read is done."""
        line = self._lines[found.want.key]
        line.loading = False
        tail, line.tail = line.tail, []
        for placed in found.jobs:
            self._weigh(placed.job)
            self._append(line, placed)
        if not found.exhausted:
            self._lower(line, found.jobs[-1].position)
            self._drop(tail)
        else:
            line.cursor = max(line.cursor, Place(found.want.horizon, LAST))
            bounds = [bound for bound in (found.deferred, line.late, found.want.horizon + 1 if line.blind else None) if bound is not None]
            self._join(line, tail, min(bounds, default=None))
        line.late = None
        self._tidy(line)

    def lost(self, want: Want) -> None:
        """A read failed: what it should have brought is still on disk."""
        line = self._lines[want.key]
        line.loading, line.late = False, None
        self._lower(line, want.after.position)
        self._drop(line.tail)
        line.tail = []

    def next_position(self) -> int | None:
        """A lower bound of the first position that is not ripe yet."""
        return self._later[0][0] if self._later else None

    @property
    def busy(self) -> bool:
        """There are more lines than one call looks at."""
        return any(len(lines) > SCAN for lines in (*self._ready.values(), *self._ripe.values()))

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def _share_jobs(self) -> int:
        return max(1, int(self.jobs * self.share))

    def _line(self, key: LineKey, floor: int) -> Line:
        line = self._lines.get(key)
        if line is None:
            place = Place(floor, LAST)
            line = self._lines[key] = Line(key, place, place)
        return line

    def _fits(self, line: Line, job: Job) -> bool:
        if self.ready_jobs == 0:
            return True
        count = len(line.ready or ()) + len(line.tail)
        octets = self.octets - self.ready_octets
        return self.ready_jobs < self.jobs and count < self._share_jobs and job.size <= min(octets, int(self.octets * self.share))

    def _weigh(self, job: Job, sign: int = 1) -> None:
        self.ready_jobs += sign
        self.ready_octets += sign * job.size

    def _append(self, line: Line, placed: Placed) -> None:
        if line.ready is None:
            line.ready = deque()
        line.ready.append(placed)
        line.cursor = max(line.cursor, Place(placed.position, placed.job.id))
        self._ready[line.key.lane][line.key] = line

    def _drop(self, tail: Iterable[Placed]) -> None:
        for placed in tail:
            self._weigh(placed.job, -1)

    def _join(self, line: Line, tail: Sequence[Placed], bound: int | None) -> None:
        line.beyond = None
        for number, placed in enumerate(tail):
            if bound is not None and placed.position > bound:
                self._drop(tail[number:])
                break
            self._append(line, placed)
        if bound is not None:
            self._lower(line, bound)

    def _lower(self, line: Line, position: int) -> None:
        if line.loading:
            line.late = position if line.late is None else min(line.late, position)
        elif line.beyond is None or position < line.beyond:
            line.beyond = position
            heappush(self._later, (position, line.key))

    def _ripen(self, horizon: int) -> None:
        while self._later and self._later[0][0] <= horizon:
            _, key = heappop(self._later)
            line = self._lines.get(key)
            if line is not None and line.beyond is not None and line.beyond <= horizon:
                self._ripe[key.lane][key] = line

    def _want(self, line: Line, horizon: int, count: int) -> Want:
        line.loading, line.blind, line.beyond, line.late = True, line.unwritten > 0, None, None
        del self._ripe[line.key.lane][line.key]
        octets = max(0, min(self.octets - self.ready_octets, int(self.octets * self.share)))
        return Want(line.key, line.cursor, horizon, max(1, count), octets)

    def _make_place(self, room: Room) -> bool:
        """Whether there is room in memory; else drop what is ready and blocked: it is on disk too."""
        if self.ready_jobs < self.jobs and self.ready_octets < self.octets:
            return True
        for lane, lines in self._ready.items():
            for key, line in list(islice(lines.items(), SCAN)):
                if line.ready and not line.loading and room(lane, key.site_key) <= 0:
                    self._put_off(line)
        return self.ready_jobs < self.jobs and self.ready_octets < self.octets

    def _put_off(self, line: Line) -> None:
        assert line.ready is not None  # noqa: S101 - the caller has looked
        self._drop(line.ready)
        first, line.ready, line.cursor = line.ready[0].position, None, line.given
        if line.back is None:
            del self._ready[line.key.lane][line.key]
        self._lower(line, first)

    def _hand_out(self, line: Line, count: int, taken: list[Job]) -> None:
        while count and line.back:
            taken.append(line.back.popleft())
            count -= 1
        while count and line.ready:
            placed = line.ready.popleft()
            self._weigh(placed.job, -1)
            line.given = Place(placed.position, placed.job.id)
            taken.append(placed.job)
            count -= 1
        line.back, line.ready = line.back or None, line.ready or None

    def _tidy(self, line: Line) -> None:
        if line.idle:
            del self._lines[line.key]
            self._ripe[line.key.lane].pop(line.key, None)
