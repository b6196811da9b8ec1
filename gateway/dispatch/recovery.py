"""After an unclean stop of this gateway: which ready jobs must wait for the nodes' inventories, and which turn out to be taken. Pure.

A COMMIT may have left before its row was on disk, so a job that looks ready may be under way at a node, or done. Recovered jobs, but no new
mail, wait until the nodes had time to say so. What a node claims and nobody has in memory yet is dropped when the queue brings it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from mailgate.job import Fence, Job
from mailgate.mail import Lane


class Recovery:
    """`until` in monotonic seconds, None when the last stop was clean; `started_ms`: what was accepted before is recovered."""

    def __init__(self, until: float | None, started_ms: int) -> None:
        self._until, self._started_ms = until, started_ms
        self._held: dict[bytes, Job] = {}
        self._jobs: Counter[tuple[Lane, str]] = Counter()
        self._octets: Counter[tuple[Lane, str]] = Counter()
        self._claimed: set[Fence] = set()

    def __len__(self) -> int:
        return len(self._held)

    def of(self, lane: Lane, site_key: str) -> tuple[int, int]:
        """How many jobs of this key are held, and their octets."""
        slot = (lane, site_key)
        return self._jobs[slot], self._octets[slot]

    def sift(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """Of the jobs that the queue has brought, those that may go now; the others are held, or dropped as claimed."""
        if self._claimed:
            dropped = [job.fence for job in jobs if job.fence in self._claimed]
            jobs = [job for job in jobs if job.fence not in self._claimed]
            self._claimed.difference_update(dropped)
        if self._until is None:
            return jobs
        for job in jobs:
            if job.accept_ms < self._started_ms:
                self._held[job.id] = job
                self._count(job, 1)
        return [job for job in jobs if job.accept_ms >= self._started_ms]

    def claim(self, job: Job) -> None:
        """A node has it, and it is not in the window: take it out of what is held, or drop it when it comes."""
        held = self._held.pop(job.id, None)
        if held is None:
            self._claimed.add(job.fence)
        else:
            self._count(held, -1)

    def over(self, now: float) -> Sequence[Job]:
        """The held jobs, once, when their wait is over."""
        if self._until is None or now < self._until:
            return ()
        self._until = None
        held, self._held = list(self._held.values()), {}
        self._jobs.clear()
        self._octets.clear()
        return held

    def _count(self, job: Job, sign: int) -> None:
        self._jobs[job.lane, job.site_key] += sign
        self._octets[job.lane, job.site_key] += sign * job.size
