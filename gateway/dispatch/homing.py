"""Jobs that a server asked to come back, which wait a moment for a node that has the source they were sent from. Pure.

A greylisting server knows (address, sender, recipient): from another address the wait would begin anew (RFC 6647 2.1). So a retry goes to
a node that has the source; where such a node is up and full, the job waits for WAIT at the most, aside, so that the jobs behind it go on.
Where no such node is up it goes to any at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from gateway.dispatch.link import NodeSource
from gateway.dispatch.member import Member
from mailgate.job import Job
from mailgate.mail import Lane

WAIT = 3.0
"""Seconds. Greylisting costs minutes when it begins anew; a node that is full for longer has more than this job to send."""
MOST, MOST_OCTETS = 1000, 2**24
"""Jobs that wait, and their octets: they count in no window. What is beyond goes to any node."""

Key = tuple[str, Lane, str]
"""Source, lane and site key: the jobs of one key find a place together, or none does."""


def at_home(job: Job, members: Sequence[Member]) -> list[Member]:
    """Those that have the job's source, and can dial from it."""
    return [member for member in members if member.sends_from(job.source)]


def namesakes(member: Member, others: Iterable[Member]) -> list[str]:
    """What is to be said of the member's sources whose names other nodes have for other addresses: to retries they are one.

    `(any)` is what a node is without a source, and no name.
    """
    said = []
    for source in member.sources.values():
        if source.name.startswith("("):
            continue
        theirs = [other.node_id for other in others if other is not member and _differs(source, other.sources.get(source.name))]
        if theirs:
            said.append(f"source {source.name}: {theirs[0]} has the name for another address, and retries leave from either: rename one")
    return said


def _differs(source: NodeSource, other: NodeSource | None) -> bool:
    return other is not None and other.addresses != source.addresses


class Homing:
    """See the module. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._waiting: dict[Key, deque[tuple[Job, float]]] = {}
        self._count = self._octets = 0

    def __len__(self) -> int:
        return self._count

    def has_place(self, job: Job) -> bool:
        """It may wait here."""
        return self._count < MOST and self._octets + job.size <= MOST_OCTETS

    def put(self, job: Job, now: float) -> None:
        """It waits from now on."""
        self._waiting.setdefault((job.source, job.lane, job.site_key), deque()).append((job, now + WAIT))
        self._count += 1
        self._octets += job.size

    def feed(self, members: Sequence[Member], now: float, offer: Callable[[Sequence[Member], Job], None]) -> list[Job]:
        """Offer what finds a place among those of `members` that have its source; what has waited too long, or in vain, to go to any."""
        lost: list[Job] = []
        for key in list(self._waiting):
            line = self._waiting[key]
            homes = at_home(line[0][0], members)
            while line:
                job, until = line[0]
                free = [member for member in homes if member.hand.room(job.lane, job.site_key) > 0 and member.hand.admits(job)]
                if not free and homes and now < until:
                    break
                self._drop(*line.popleft())
                if free:
                    offer(free, job)
                else:
                    lost.append(job)
            if not line:
                del self._waiting[key]
        return lost

    def take(self, wanted: Callable[[Job], bool]) -> list[Job]:
        """Take these out."""
        taken: list[Job] = []
        for key, line in list(self._waiting.items()) if self._count else ():
            found = [each for each in line if wanted(each[0])]
            if not found:
                continue
            taken += [job for job, _ in found]
            self._waiting[key] = deque(each for each in line if not wanted(each[0]))
            if not self._waiting[key]:
                del self._waiting[key]
            for each in found:
                self._drop(*each)
        return taken

    def _drop(self, job: Job, _until: float) -> None:
        self._count -= 1
        self._octets -= job.size
