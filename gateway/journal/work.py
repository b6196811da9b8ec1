"""What is handed to the writer: pieces of work, and how a group of them is cut into stages. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import apsw

from gateway.ledger.port import Accepted, Begin, Conclusion, Earlier
from mailgate.job import Fence


class Rank(IntEnum):
    """The order in which the kinds of work are done within a stage."""

    ACCEPT = 0
    BEGIN = 1
    RETRACT = 2
    RECORD = 3
    LOSSES = 4
    ERRAND = 5


@dataclass(frozen=True, slots=True, eq=False)
class AcceptWork:
    """`positions[i]` are the positions (`job.due`) of the jobs of `accepted[i]`. Its result: `refused`, which the writer fills."""

    accepted: Sequence[Accepted]
    positions: Sequence[Sequence[int]]
    refused: dict[bytes, Earlier] = field(default_factory=dict)
    rank = Rank.ACCEPT

    @property
    def jobs(self) -> Iterable[bytes]:
        """Ids of the jobs that it touches."""
        return [job.id for each in self.accepted for job in each.jobs]

    @property
    def octets(self) -> int:
        """What it weighs; a content counts once for a run of jobs that share it."""
        total, last = 0, b""
        for each in self.accepted:
            for job in each.jobs:
                total += len(job.envelope)
                if job.content_id != last:
                    total, last = total + len(job.content), job.content_id
        return total


@dataclass(frozen=True, slots=True, eq=False)
class BeginWork:
    """Its result: the fences that it won."""

    begins: Sequence[Begin]
    rank = Rank.BEGIN
    octets = 0

    @property
    def jobs(self) -> Iterable[bytes]:
        """Ids of the jobs that it touches."""
        return [begin.job.id for begin in self.begins]


@dataclass(frozen=True, slots=True, eq=False)
class RetractWork:
    """Open attempts to remove."""

    fences: Sequence[Fence]
    rank = Rank.RETRACT
    octets = 0

    @property
    def jobs(self) -> Iterable[bytes]:
        """Ids of the jobs that it touches."""
        return [fence.job_id for fence in self.fences]


@dataclass(frozen=True, slots=True, eq=False)
class RecordWork:
    """`positions[i]` is the new position of the job of `conclusions[i]`; None: nothing brings it."""

    conclusions: Sequence[Conclusion]
    positions: Sequence[int | None]
    rank = Rank.RECORD
    octets = 0

    @property
    def jobs(self) -> Iterable[bytes]:
        """Ids of the jobs that it touches."""
        return [conclusion.fence.job_id for conclusion in self.conclusions]


@dataclass(frozen=True, slots=True, eq=False)
class LossesWork:
    """Counts of lost nodes, by job."""

    losses: Mapping[bytes, int]
    rank = Rank.LOSSES
    octets = 0

    @property
    def jobs(self) -> Iterable[bytes]:
        """Ids of the jobs that it touches."""
        return self.losses


@dataclass(frozen=True, slots=True, eq=False)
class ErrandWork:
    """Something rare that touches no job: `run` on the writer's connection, inside its transaction. Its result is that of `run`."""

    run: Callable[[apsw.Connection], object]
    octets: int = 0
    rank = Rank.ERRAND

    @property
    def jobs(self) -> Iterable[bytes]:
        """None."""
        return ()


Work = AcceptWork | BeginWork | RetractWork | RecordWork | LossesWork | ErrandWork


def stages(group: Iterable[tuple[int, Work, Sequence[bytes]]]) -> list[dict[Rank, list[int]]]:
    """Cut a group (number, work, ids of its jobs) into stages; a stage does all its work of one rank at once, in the order of the ranks.

    Doing a stage gives what doing its works one after the other gives: a work opens a new stage when it touches a job that a work of its
    own or a later rank has touched in this one. One conclusion of a job and one begin of a job at most meet in a stage.
    """
    cut: list[dict[Rank, list[int]]] = [{}]
    touched: dict[bytes, Rank] = {}
    for number, work, jobs in group:
        rank = work.rank
        if touched and any(touched.get(job, -1) >= rank for job in jobs):
            cut.append({})
            touched = {}
        touched.update(dict.fromkeys(jobs, rank))
        cut[-1].setdefault(rank, []).append(number)
    return cut
