"""The node-loss counter of promise 6: a poison mail does not walk through the fleet. Pure.

Each loss of a node with a job uncommitted is counted for the job. After `alone` losses it may only run on a node that has nothing else
in hand, so that its next victim is known; after `dead` it is given up. If the lost node turns out to live (the same boot says hello again:
only the link had broken), its losses are forgiven.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from mailgate.job import Job

REMEMBERED = 64
"""Lost (node, boot) pairs that can still be forgiven; a node that comes back after so many others were lost is a new one."""


@dataclass(frozen=True, slots=True)
class Counted:
    """The jobs of a loss, with their new counts, by what they may do next."""

    free: tuple[Job, ...]
    alone: tuple[Job, ...]
    dead: tuple[Job, ...]

    @property
    def all(self) -> tuple[Job, ...]:
        """Every job of the loss."""
        return self.free + self.alone + self.dead


class Losses:
    """See the module."""

    def __init__(self, alone: int, dead: int) -> None:
        self._alone, self._dead = alone, dead
        self._lost: dict[tuple[str, bytes], set[bytes]] = {}

    def count(self, node_id: str, boot_id: bytes, jobs: Iterable[Job]) -> Counted:
        """This node was lost with these uncommitted."""
        counted = [replace(job, losses=job.losses + 1) for job in jobs]
        if counted:
            self._lost.pop((node_id, boot_id), None)
            self._lost[node_id, boot_id] = {job.id for job in counted}
            while len(self._lost) > REMEMBERED:
                del self._lost[next(iter(self._lost))]
        return Counted(
            tuple(job for job in counted if job.losses < self._alone),
            tuple(job for job in counted if self._alone <= job.losses < self._dead),
            tuple(job for job in counted if job.losses >= self._dead),
        )

    def suspect(self, node_id: str, boot_id: bytes, job_id: bytes) -> None:
        """The job was counted elsewhere, for having been committed at this node when it was lost: to be forgiven with the others."""
        self._lost.setdefault((node_id, boot_id), set()).add(job_id)
        while len(self._lost) > REMEMBERED:
            del self._lost[next(iter(self._lost))]

    def forgive(self, node_id: str, boot_id: bytes) -> frozenset[bytes]:
        """The node lives: ids of the jobs whose last loss did not happen."""
        return frozenset(self._lost.pop((node_id, boot_id), ()))

    def less(self, job: Job) -> Job:
        """The job with one loss less."""
        return replace(job, losses=max(0, job.losses - 1))

    def must_be_alone(self, job: Job) -> bool:
        """Only on a node that has nothing else."""
        return self.enough_to_be_alone(job.losses)

    def enough_to_be_alone(self, losses: int) -> bool:
        """The same of a job with so many."""
        return losses >= self._alone
