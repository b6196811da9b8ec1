"""After an unclean stop of this gateway: which ready jobs must wait for the nodes' inventories, and which turn out to be taken. Pure.

A COMMIT may have left before its row was on disk, so a job that looks ready may be under way at a node, or done. Recovered jobs, but no new
mail, wait until the nodes had time to say so. What a node claims and nobody has in memory yet is dropped when the queue brings it.
"""

from __future__ import annotations

from collections.abc import Sequence

from mailgate.job import Fence, Job


class Recovery:
    """`until` in monotonic seconds, None when the last stop was clean; `started_ms`: what was accepted before is recovered."""

    def __init__(self, until: float | None, started_ms: int) -> None:
        self._until, self._started_ms = until, started_ms
        self._held: dict[bytes, Job] = {}
        self._claimed: set[Fence] = set()

    def __len__(self) -> int:
        return len(self._held)

    def sift(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """Of the jobs that the queue has brought, those that may go now; the others are held, or dropped as claimed."""
        if self._claimed:
            dropped = [job.fence for job in jobs if job.fence in self._claimed]
            jobs = [job for job in jobs if job.fence not in self._claimed]
            self._claimed.difference_update(dropped)
        if self._until is None:
            return jobs
        self._held |= {job.id: job for job in jobs if job.accept_ms < self._started_ms}
        return [job for job in jobs if job.accept_ms >= self._started_ms]

    def claim(self, job: Job) -> None:
        """A node has it, and it is not in the window: take it out of what is held, or drop it when it comes."""
        if self._held.pop(job.id, None) is None:
            self._claimed.add(job.fence)

    def over(self, now: float) -> Sequence[Job]:
        """The held jobs, once, when their wait is over."""
        if self._until is None or now < self._until:
            return ()
        self._until = None
        held, self._held = list(self._held.values()), {}
        return held
