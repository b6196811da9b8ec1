"""A node as dispatch sees it: its record, its health by its own stream, its hand, its counts. Pure.

Health (design, section 7): a tick each 250 ms without a frame since the last is a miss. Two misses in a row: SUSPECT, no new jobs; three:
the link ends itself (the stream is OUT). Two ticks with frames: READY again. Ticks are counted, not clocks compared, so that a pause of the
gateway's own loop costs one miss, not the node. A node that stops, or that an operator drains, is DRAINING: it ends what it has.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from gateway.balancing.slow_start import LEAST, ramp
from gateway.dispatch.hand import Hand
from gateway.dispatch.lately import Lately
from gateway.dispatch.link import Load, NodeLink, NodeSource
from gateway.dispatch.seen import NodeSites
from gateway.registry.port import Drain, NodeRecord

SUSPECT_AFTER = 2
GOOD_AFTER = 2
JOBS_EACH = 2
"""Jobs of a node's credit for each connection (sender/delivery/credit.py)."""


class NodeState(IntEnum):
    """Whether a node gets jobs; numbers are those of the proto."""

    CONNECTING = 1
    READY = 2
    SUSPECT = 3
    OUT = 4
    DRAINING = 5


class Member:
    """See the module. It is a balancing Candidate."""

    def __init__(self, record: NodeRecord, octets: int) -> None:
        self.record = record
        self.node_id = record.node_id
        """For its life."""
        self.ramp = 1.0
        """How much of its part it takes; see balancing/slow_start.py."""
        self.since: float | None = None
        """When its slow start began, monotonic seconds; None: with the next look at it."""
        self.boot_id = record.boot_id
        self.version = record.version
        self.protocol = 0
        """That its stream speaks."""
        self.registered = True
        self.hand = Hand(octets)
        self.link: NodeLink | None = None
        self.state = NodeState.CONNECTING
        self.reason = ""
        self.load = Load(False, 0, 0)
        self.sources: dict[str, NodeSource] = {}
        """What it sends from, by name."""
        self.sites = NodeSites()
        """How its sites do, as it says."""
        self.shares: dict[str, tuple[int, int]] = {}
        """What it was told of its parts of sites' limits: by site key, or by `@` and the source, its place and how many share."""
        self.drain: Drain | None = None
        """What an operator said of it."""
        self.quiet = False
        """Gets no new jobs for a few seconds: one that must be alone is to come, or runs."""
        self.offered = 0
        self.delivered = 0
        self.lately = Lately()
        self._size = 1.0
        self.heard_at: float | None = None
        """When its last frame came, monotonic seconds."""
        self._frames_in = 0
        """On streams that are over; see `frames`."""
        self._frames_out = 0
        self._missed = 0
        self._good = 0

    def __repr__(self) -> str:
        return f"<Member {self.node_id} {self.state.name} {self.hand!r}>"

    @property
    def in_flight(self) -> int:
        """Jobs in hand."""
        return self.hand.jobs

    @property
    def weight(self) -> float:
        """Connections that it has or would open for its largest site, at least one, times its slow start.

        Not those that are warm alone: they follow demand, and who has none would never get the first job.
        """
        return self._size * self.ramp

    def starts(self, now: float, back: float) -> None:
        """How far it has started by now; `back`: when its last ejection ended or will end. Must be cheap: asked with every look."""
        if self.since is None or self.since < back <= now:
            self.since, self.ramp = now if self.since is None else back, LEAST
        if self.ramp < 1.0:
            self.ramp = ramp(now - self.since)

    @property
    def takes_jobs(self) -> bool:
        """New jobs may go to it, credit permitting."""
        return self.state is NodeState.READY and not self.quiet

    @property
    def is_up(self) -> bool:
        """It has a stream and means to stay."""
        return self.state is NodeState.READY or self.state is NodeState.SUSPECT

    def sends_from(self, source: str) -> bool:
        """It has this source, and can dial from it."""
        found = self.sources.get(source)
        return found is not None and not found.trouble

    def has_sources(self, sources: Iterable[NodeSource]) -> None:
        """It says what it sends from: these and no others."""
        self.sources = {source.name: source for source in sources}

    @property
    def frames(self) -> tuple[int, int]:
        """Frames that came, and that were written, over all streams."""
        now_in, now_out = self.link.frames if self.link is not None else (0, 0)
        return self._frames_in + now_in, self._frames_out + now_out

    def connecting(self, link: NodeLink) -> None:
        """A new life of its stream begins."""
        self.link = link
        self.state, self._missed, self._good = NodeState.CONNECTING, 0, 0

    def joined(self, boot_id: bytes, version: str, protocol: int = 0) -> None:
        """It said hello. Another process starts slowly; the one of before, whose link had broken, has its connections still."""
        if boot_id != self.boot_id:
            self.since = None
        self.boot_id, self.version, self.protocol, self.load = boot_id, version, protocol, Load(False, 0, 0)
        self.shares.clear()
        self._size = 1.0
        self.state = NodeState.READY
        self._judge()

    def left(self, reason: str) -> None:
        """Its stream ended."""
        self._frames_in, self._frames_out = self.frames
        self.link, self.protocol = None, 0
        self.quiet = False
        self.sites.clear()
        self.lately.clear()
        self.state, self.reason = NodeState.OUT, reason

    def report(self, load: Load) -> None:
        """A load report came."""
        self.load = load
        self._size = max(1.0, load.warm, max(load.credit.values(), default=0) / JOBS_EACH)
        self.lately.look(self.heard_at or 0.0, self.offered)
        self.hand.grant(load.credit)
        self.sites.hear(load.sites, self.heard_at or 0.0)
        self._judge()

    def drained(self, drain: Drain | None) -> None:
        """An operator wants it to get no new jobs; None: it may again."""
        self.drain = drain
        self._judge()

    def tick(self, heard: bool) -> None:
        """250 ms have passed, in which a frame came or not."""
        self._missed, self._good = (0, self._good + 1) if heard else (self._missed + 1, 0)
        self._judge()

    def _judge(self) -> None:
        """What its state is while its stream is up. Its own word is final for the stream; a suspect is one until enough frames came."""
        if self.state in (NodeState.CONNECTING, NodeState.OUT):
            return
        suspect = self._missed >= SUSPECT_AFTER or (self.state is NodeState.SUSPECT and self._good < GOOD_AFTER)
        if self.load.draining:
            self.state, self.reason = NodeState.DRAINING, "it is stopping"
        elif self.drain is not None:
            self.state, self.reason = NodeState.DRAINING, f"drained: {self.drain.reason or 'by an operator'}"
        elif not suspect:
            self.state, self.reason = NodeState.READY, ""
        elif self._missed:
            self.state, self.reason = NodeState.SUSPECT, f"{self._missed} load reports are missing"
