"""One job on this node, and the line that jobs wait in for a connection. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from mailgate.job import Fence
from mailgate.mail import Lane
from mailgate.verdict import JobVerdict
from sender.delivery.keep import Kept
from sender.pool.handoff import Handoff


class Stream(Protocol):
    """A gateway's stream, as delivery speaks to it: everything is synchronous and only queues."""

    @property
    def gateway_id(self) -> str:
        """For the gateway's life."""
        ...

    def ready(self, fence: Fence) -> None:
        """The server has answered 354."""
        ...

    def verdict(self, fence: Fence, verdict: JobVerdict) -> None:
        """The attempt ended."""
        ...

    def withdrawn(self, fence: Fence) -> None:
        """Dropped as asked."""
        ...

    def found(self, fence: Fence, kept: Kept | None) -> None:
        """The answer to a lookup; None: unknown."""
        ...

    def news(self) -> None:
        """Credit has changed so that the gateway should hear of it now, and not with the next beat."""
        ...

    def site(self, domain: str, site: str) -> None:
        """The gateway counts jobs of this domain by something else."""
        ...


@dataclass(frozen=True, slots=True)
class Offer:
    """A job as it came in a frame. `remaining` empty: all recipients of the body. `content` empty: it is in `job`, after the envelope."""

    fence: Fence
    route: str
    lane: Lane
    remaining: frozenset[int]
    job: bytes
    content: bytes = b""
    """Jobs that share it share the object."""
    files: Mapping[bytes, bytes] = field(default_factory=dict)
    """What its attachments name, by SHA-256."""
    source: str = ""
    """What its last attempt was sent from; empty: there was none."""
    site_key: str = ""
    """What its gateway counts it by; empty: the route."""

    @property
    def octets(self) -> int:
        """Of all that the mail will be made of."""
        octets = len(self.job) + len(self.content)
        return octets + sum([len(data) for data in self.files.values()]) if self.files else octets


@dataclass(slots=True, eq=False)
class Work:
    """An offer in progress. Times in seconds: `arrived` monotonic, `ready_at` on the clock that also runs while the machine sleeps."""

    offer: Offer
    stream: Stream
    arrived: float
    handoff: Handoff | None = None
    """None while it is being composed."""
    under_way: bool = False
    """It has a connection."""
    ready_at: float | None = None
    committed: bool = False
    dropped: bool = False
    tries: int = 0


class Line:
    """The jobs of a route that wait for a connection; transactional ones first. Dropped ones fall out when their turn comes."""

    def __init__(self) -> None:
        self._lanes: dict[Lane, deque[Work]] = {lane: deque() for lane in Lane}

    def __len__(self) -> int:
        return sum(len(lane) for lane in self._lanes.values())

    def append(self, work: Work) -> None:
        """At the end of its lane."""
        self._lanes[work.offer.lane].append(work)

    def push_back(self, work: Work) -> None:
        """At the front of its lane: it had its turn and could not use it."""
        self._lanes[work.offer.lane].appendleft(work)

    def pop(self) -> Work | None:
        """The next, or None."""
        for lane in self._lanes.values():
            while lane:
                work = lane.popleft()
                if not work.dropped:
                    return work
        return None

    def overdue(self, before: float) -> list[Work]:
        """Take out those that arrived before."""
        late = []
        for name, lane in self._lanes.items():
            if any(work.arrived < before for work in lane):
                late += [work for work in lane if work.arrived < before and not work.dropped]
                self._lanes[name] = deque(work for work in lane if work.arrived >= before and not work.dropped)
        return late
