"""The ready jobs in memory: lanes × site keys, taken fairly over the keys of a lane. Pure.

A key has at most a tenth of the window's jobs and a quarter of its octets, so that a slow site never fills it; what does not fit stays in
the queue. A key that has nothing may bring one job though the octets are at their bound (up to twice that), else the large mails of others
would keep it waiting. Jobs that come back (their node was lost) go to the front and are taken even beyond the bounds: they were in memory
already.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from itertools import count

from mailgate.job import Job
from mailgate.mail import Lane

Slot = tuple[Lane, str]


class Window:
    """Bounded by jobs and octets; `put` trusts the caller to have asked `room`."""

    def __init__(self, jobs: int, octets: int) -> None:
        self._jobs, self._octets = jobs, octets
        self._share, self._share_octets = max(1, jobs // 10), octets // 4
        self._queues: dict[Slot, deque[Job]] = {}
        self._sizes: dict[Slot, int] = {}
        self._lanes: dict[Lane, dict[str, int]] = {lane: {} for lane in Lane}
        """The keys of a lane in the order of their turns, and what tells it of some: a queue is a long way to go for one of thousands."""
        self._turns = count()
        self._fresh: set[str] = set()
        self.size = 0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"<Window jobs={self._count}/{self._jobs} octets={self.size}/{self._octets} keys={len(self._queues)}>"

    def __contains__(self, slot: Slot) -> bool:
        return slot in self._queues

    def room(self, lane: Lane, site_key: str, jobs: int = 0, octets: int = 0) -> int:
        """How many jobs of this key fit, which has `jobs` of `octets` elsewhere in memory."""
        slot = (lane, site_key)
        queue = self._queues.get(slot)
        jobs += len(queue) if queue else 0
        room = max(0, min(self._share - jobs, self._jobs - self._count))
        if self.size >= self._octets or self._sizes.get(slot, 0) + octets >= self._share_octets:
            return min(room, 1) if not jobs and self.size < 2 * self._octets else 0
        return room

    def put(self, jobs: Iterable[Job]) -> None:
        """At the end of their keys."""
        for job in jobs:
            self._queue(job).append(job)

    def put_back(self, jobs: Iterable[Job]) -> None:
        """At the front of their keys, the first given first."""
        for job in reversed(list(jobs)):
            self._queue(job).appendleft(job)

    def keys(self, lane: Lane, among: Collection[str] | None = None) -> Collection[str]:
        """The site keys that have ready jobs, the one that has waited longest for its turn first. `among`: of these alone."""
        keys = self._lanes[lane]
        return tuple(keys) if among is None else sorted(keys.keys() & among, key=keys.__getitem__)

    @property
    def slots(self) -> int:
        """How many keys have ready jobs, over all lanes."""
        return len(self._queues)

    def take_fresh(self) -> set[str]:
        """Site keys to which jobs have come since this was last asked."""
        fresh, self._fresh = self._fresh, set()
        return fresh

    def peek(self, lane: Lane, site_key: str) -> Job | None:
        """The key's next job."""
        queue = self._queues.get((lane, site_key))
        return queue[0] if queue else None

    def pop(self, lane: Lane, site_key: str) -> Job:
        """Take the key's next job. KeyError: it has none."""
        slot = (lane, site_key)
        queue = self._queues[slot]
        job = queue.popleft()
        self._forget(job)
        if not queue:
            self._close(slot)
        return job

    def turn(self, lane: Lane, site_key: str) -> None:
        """The key had its turn: the others of the lane come first now."""
        keys = self._lanes[lane]
        if (lane, site_key) in self._queues:
            del keys[site_key]
            keys[site_key] = next(self._turns)

    def rekey(self, old: str, new: str) -> None:
        """Jobs of one key are of another from now on, and at the end of it. They stay even where that is beyond the bounds."""
        for lane in Lane:
            if queue := self._queues.get((lane, old)):
                moved = list(queue)
                for job in moved:
                    self._forget(job)
                self._close((lane, old))
                self.put([replace(job, site_key=new) for job in moved])

    def rekey_all(self, key_of: Callable[[str], str]) -> None:
        """Whatever has another key now."""
        for old in {key for _, key in self._queues}:
            if (new := key_of(old)) != old:
                self.rekey(old, new)

    def remove(self, wanted: set[bytes]) -> list[Job]:
        """Take these out by id, wherever they stand; those that were here."""
        return self._take(lambda job: job.id in wanted)

    def expired(self, now_ms: int) -> list[Job]:
        """Take out what nobody may send any more. A walk over the whole window: for a sweep of some seconds, not for each job."""
        return self._take(lambda job: job.expire_ms <= now_ms)

    def __iter__(self) -> Iterator[Job]:
        for queue in self._queues.values():
            yield from queue

    def oldest(self) -> dict[Slot, int]:
        """Acceptance time (ms) of each key's first job."""
        return {slot: queue[0].accept_ms for slot, queue in self._queues.items()}

    def _take(self, wanted: Callable[[Job], bool]) -> list[Job]:
        taken = [job for job in self if wanted(job)]
        gone = {job.id for job in taken}
        for slot in {(job.lane, job.site_key) for job in taken}:
            self._queues[slot] = deque(job for job in self._queues[slot] if job.id not in gone)
        for job in taken:
            self._forget(job)
        for slot in [slot for slot, queue in self._queues.items() if not queue]:
            self._close(slot)
        return taken

    def _queue(self, job: Job) -> deque[Job]:
        slot = (job.lane, job.site_key)
        queue = self._queues.get(slot)
        if queue is None:
            queue = self._queues[slot] = deque()
            self._lanes[job.lane][job.site_key] = next(self._turns)
        self._fresh.add(job.site_key)
        octets = job.size
        self._count += 1
        self.size += octets
        self._sizes[slot] = self._sizes.get(slot, 0) + octets
        return queue

    def _forget(self, job: Job) -> None:
        octets = job.size
        self._count -= 1
        self.size -= octets
        self._sizes[job.lane, job.site_key] -= octets

    def _close(self, slot: Slot) -> None:
        """The key has no jobs any more."""
        del self._queues[slot], self._sizes[slot]
        del self._lanes[slot[0]][slot[1]]
