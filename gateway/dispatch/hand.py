"""What one node has in hand from this gateway. Pure.

A job is OFFERED (sent, or about to be), BEGUN (the server answered 354, the ledger is being asked), COMMITTED (COMMIT has left, or may
have), and then gone by its verdict. A loss of the node tells them apart: only COMMITTED is in doubt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mailgate.job import Fence, Job
from mailgate.mail import Lane

Credit = Mapping[tuple[Lane, str], int]


@dataclass(frozen=True, slots=True)
class Loss:
    """What a lost node had. `unsent` may go elsewhere at once, `begun` once its rows are retracted; `doubtful` must be asked for."""

    unsent: tuple[Job, ...]
    begun: tuple[Job, ...]
    doubtful: tuple[Job, ...]

    @property
    def uncommitted(self) -> tuple[Job, ...]:
        """Nobody has sent these."""
        return self.unsent + self.begun


class Hand:
    """Counts against credit, and the compare-and-set of this process: a fence is begun, committed and settled once.

    `credit` is absolute. Room for a lane is its credit less the jobs of the site key in both lanes, so that the part of the credit which
    only the transactional lane has stays free for it. A site key has at most half of the octets, so that one with large mails and a slow
    server leaves room for the others; one that has nothing may have one job though they are at their bound (up to twice that).
    """

    def __init__(self, octets: int) -> None:
        self._octets = octets
        self._credit: Credit = {}
        self._offered: dict[bytes, Job] = {}
        self._begun: dict[bytes, Job] = {}
        self._committed: dict[bytes, Job] = {}
        self._by_key: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        self._freed: set[str] = set()
        self._freed_all = False
        self.size = 0
        self.jobs = 0
        """All of them; kept, since policies ask for each pick."""

    def __repr__(self) -> str:
        return f"<Hand offered={len(self._offered)} begun={len(self._begun)} committed={len(self._committed)} octets={self.size}>"

    def __len__(self) -> int:
        return self.jobs

    @property
    def ids(self) -> list[bytes]:
        """Of its jobs: a walk, not for the hot path."""
        return [*self._offered, *self._begun, *self._committed]

    def of_site(self, site_key: str) -> int:
        """How many it has of this key."""
        return self._by_key.get(site_key, 0)

    @property
    def committed(self) -> int:
        """How many are under way."""
        return len(self._committed)

    def grant(self, credit: Credit) -> None:
        """Replace the credit; less than what is in hand means no room, not a recall."""
        before, self._credit = self._credit, credit
        more = [slot[1] for slot, jobs in credit.items() if jobs > before.get(slot, 0)]
        more += [slot[1] for slot in before.keys() - credit.keys()]  # it may have what each unlisted one has
        self._freed.update(more)
        self._freed_all = self._freed_all or any([key.endswith("/") for key in more])

    def take_freed(self) -> set[str] | None:
        """Site keys that may have more room since this was last asked: a job of theirs has left, or credit has come. None: all may."""
        freed, self._freed = self._freed, set()
        all_may, self._freed_all = self._freed_all, False
        return None if all_may else freed

    def room(self, lane: Lane, site_key: str) -> int:
        """How many jobs more the node would take; never negative, and 0 when the octets in hand are at their bound."""
        jobs = self._by_key.get(site_key, 0)
        credit = self._credit.get((lane, site_key))
        room = (self._unlisted(lane, site_key) if credit is None else credit) - jobs
        if room <= 0:
            return 0
        if self.size >= self._octets or self._sizes.get(site_key, 0) >= self._octets // 2:
            return min(room, 1) if not jobs and self.size < 2 * self._octets else 0
        return room

    @property
    def is_credited(self) -> bool:
        """The node takes jobs, of whatever key."""
        return bool(self._credit)

    def has_credit(self, lane: Lane, site_key: str) -> bool:
        """The node takes jobs of this key at all."""
        credit = self._credit.get((lane, site_key))
        return (self._unlisted(lane, site_key) if credit is None else credit) > 0

    def _unlisted(self, lane: Lane, site_key: str) -> int:
        """A key by MX that the node has not listed has what it gives each such key of the route."""
        route, slash, _ = site_key.partition("/")
        return self._credit.get((lane, f"{route}/"), 0) if slash else 0

    def admits(self, job: Job) -> bool:
        """The job fits the octets in hand; the first of its site key fits beyond, and one that is larger than the bound travels alone."""
        if self.size + job.size <= self._octets:
            return True
        return self.size == 0 or (job.site_key not in self._by_key and self.size + job.size <= 2 * self._octets)

    def offer(self, job: Job) -> None:
        """The job is the node's to make ready."""
        self._offered[job.id] = job
        self._count(job)

    def adopt(self, job: Job) -> None:
        """The node says, on a new stream, that it has this one committed."""
        self._committed[job.id] = job
        self._count(job)

    def amend(self, job_id: bytes, change: Callable[[Job], Job]) -> Job | None:
        """Replace a job that is only OFFERED by what `change` makes of it, under the same fence. None: it is not here."""
        job = self._offered.get(job_id)
        if job is None:
            return None
        self._offered[job_id] = changed = change(job)
        return changed

    def begin(self, fence: Fence) -> Job | None:
        """READY came. None: not ours any more, the node must drop it."""
        return move(fence, self._offered, self._begun)

    def commit(self, fence: Fence) -> Job | None:
        """COMMIT is about to leave. None: lost or taken back meanwhile, it must not."""
        return move(fence, self._begun, self._committed)

    def is_begun(self, fence: Fence) -> bool:
        """The ledger may still be asked for it."""
        job = self._begun.get(fence.job_id)
        return job is not None and job.attempt == fence.attempt

    def has_committed(self, fence: Fence) -> bool:
        """COMMIT has left for it and no verdict has come."""
        job = self._committed.get(fence.job_id)
        return job is not None and job.attempt == fence.attempt

    def take_back(self, fence: Fence) -> Job | None:
        """Not to be sent by this node after all. None: not in hand here, or committed already."""
        return None if fence.job_id in self._committed else self.settle(fence)

    def settle(self, fence: Fence) -> Job | None:
        """A verdict came, whatever the state. None: not in hand here."""
        for states in (self._committed, self._offered, self._begun):
            job = states.get(fence.job_id)
            if job is not None and job.attempt == fence.attempt:
                del states[fence.job_id]
                self._uncount(job)
                return job
        return None

    def lose(self) -> Loss:
        """The node is gone: everything leaves the hand, and the credit with it."""
        loss = Loss(tuple(self._offered.values()), tuple(self._begun.values()), tuple(self._committed.values()))
        for states in (self._offered, self._begun, self._committed):
            states.clear()
        self._by_key.clear()
        self._sizes.clear()
        self._credit = {}
        self.size = self.jobs = 0
        return loss

    def _count(self, job: Job) -> None:
        octets = len(job.envelope) + len(job.content)
        self._by_key[job.site_key] = self._by_key.get(job.site_key, 0) + 1
        self._sizes[job.site_key] = self._sizes.get(job.site_key, 0) + octets
        self.size += octets
        self.jobs += 1

    def _uncount(self, job: Job) -> None:
        octets = len(job.envelope) + len(job.content)
        left = self._by_key[job.site_key] - 1
        if left:
            self._by_key[job.site_key] = left
            self._sizes[job.site_key] -= octets
        else:
            del self._by_key[job.site_key], self._sizes[job.site_key]
        self._freed.add(job.site_key)
        self._freed_all = self._freed_all or self.size >= self._octets
        self.size -= octets
        self.jobs -= 1


def move(fence: Fence, source: dict[bytes, Job], target: dict[bytes, Job]) -> Job | None:
    """Move the fence's job from one state to the next, if it is there with this attempt."""
    job = source.get(fence.job_id)
    if job is None or job.attempt != fence.attempt:
        return None
    del source[fence.job_id]
    target[fence.job_id] = job
    return job
