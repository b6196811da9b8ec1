"""The ready jobs in memory: lanes × site keys, taken fairly over the keys of a lane. Pure.

A key has at most a tenth of the window, so that a slow site never fills it; what does not fit stays in the queue. Jobs that come back
(their node was lost) go to the front and are taken even beyond the bounds: they were in memory already.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from mailgate.job import Job
from mailgate.mail import Lane

Slot = tuple[Lane, str]


class Window:
    """Bounded by jobs and octets; `put` trusts the caller to have asked `room`."""

    def __init__(self, jobs: int, octets: int) -> None:
        self._jobs, self._octets = jobs, octets
        self._share = max(1, jobs // 10)
        self._queues: dict[Slot, deque[Job]] = {}
        self._lanes: dict[Lane, deque[str]] = {lane: deque() for lane in Lane}
        self.size = 0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"<Window jobs={self._count}/{self._jobs} octets={self.size}/{self._octets} keys={len(self._queues)}>"

    def __contains__(self, slot: Slot) -> bool:
        return slot in self._queues

    def room(self, lane: Lane, site_key: str) -> int:
        """How many jobs of this key fit; 0 when the window's bytes are at their bound."""
        if self.size >= self._octets:
            return 0
        queue = self._queues.get((lane, site_key))
        return max(0, min(self._share - (len(queue) if queue else 0), self._jobs - self._count))

    def put(self, jobs: Iterable[Job]) -> None:
        """At the end of their keys."""
        for job in jobs:
            self._queue(job).append(job)

    def put_back(self, jobs: Iterable[Job]) -> None:
        """At the front of their keys, the first given first."""
        for job in reversed(list(jobs)):
            self._queue(job).appendleft(job)

    def keys(self, lane: Lane) -> tuple[str, ...]:
        """The site keys that have ready jobs, the one that has waited longest for its turn first."""
        return tuple(self._lanes[lane])

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
            del self._queues[slot]
            self._lanes[lane].remove(site_key)
        return job

    def turn(self, lane: Lane, site_key: str) -> None:
        """The key had its turn: the others of the lane come first now."""
        keys = self._lanes[lane]
        if (lane, site_key) in self._queues and keys[-1] != site_key:
            keys.remove(site_key)
            keys.append(site_key)

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
            kept = deque(job for job in self._queues[slot] if job.id not in gone)
            if kept:
                self._queues[slot] = kept
            else:
                del self._queues[slot]
                self._lanes[slot[0]].remove(slot[1])
        for job in taken:
            self._forget(job)
        return taken

    def _queue(self, job: Job) -> deque[Job]:
        slot = (job.lane, job.site_key)
        queue = self._queues.get(slot)
        if queue is None:
            queue = self._queues[slot] = deque()
            self._lanes[job.lane].append(job.site_key)
        self._count += 1
        self.size += len(job.envelope) + len(job.content)
        return queue

    def _forget(self, job: Job) -> None:
        self._count -= 1
        self.size -= len(job.envelope) + len(job.content)
