"""The port NodeLink: one life of one stream to a node, as dispatch drives it. The adapter is gateway/rpc/node_link.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple, Protocol

from mailgate.job import Fence, Job
from mailgate.mail import Lane
from mailgate.verdict import JobVerdict


class Known(IntEnum):
    """What a node knows of an attempt; numbers are those of the proto."""

    HELD = 1
    """It was uncommitted in hand, and is revoked by the question."""
    COMMITTED = 2
    """Under way: the verdict will come."""
    DONE = 3
    UNKNOWN = 4
    """Never seen by this process, or forgotten."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A node's word on one attempt; `verdict` with DONE, None where this release cannot read it."""

    fence: Fence
    known: Known
    verdict: JobVerdict | None = None


@dataclass(frozen=True, slots=True)
class NodeSource:
    """An identity that a node sends from. `trouble`: why it can't be dialled from; `warnings`: what receivers may hold against it."""

    name: str
    pool: str
    trouble: str = ""
    warnings: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()

    def told(self) -> tuple[str, ...]:
        """All that an operator should know, each with its name."""
        return tuple([f"source {self.name}: {words}" for words in (self.trouble, *self.warnings) if words])


@dataclass(frozen=True, slots=True)
class Hello:
    """A node's first frame. `inventory`: every attempt of this gateway that is committed, or whose verdict is not settled."""

    node_id: str
    boot_id: bytes
    version: str
    inventory: tuple[Answer, ...]
    sources: tuple[NodeSource, ...] = ()
    protocol: int = 0


@dataclass(frozen=True, slots=True)
class SiteReport:
    """How a site does on a node; see the proto. Counts since the node's start."""

    site_key: str
    warm: int = 0
    busy: int = 0
    dialing: int = 0
    wanted: int = 0
    limit: int = 0
    waiting: int = 0
    mails: int = 0
    delivered: int = 0
    deferred: int = 0
    bounced: int = 0
    in_doubt: int = 0
    trouble: str = ""
    reason: str = ""
    wait_ms: int = 0
    rate: float = 0.0


class Direction(IntEnum):
    """Who said a line; numbers are those of the protos."""

    SENT = 1
    RECEIVED = 2
    NOTE = 3


@dataclass(frozen=True, slots=True)
class TraceLine:
    """A line of a dialogue between a node and a site's server; see the proto."""

    site_key: str
    time_us: int
    connection: int
    source: str
    remote: str
    direction: Direction
    text: str
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Load:
    """A load report. `credit` is absolute: jobs in hand at most, by lane and site key; a key that is not there has none."""

    draining: bool
    warm: int
    service_time_us: int
    credit: dict[tuple[Lane, str], int] = field(default_factory=dict)
    settings_version: str = ""
    """Of the settings that this gateway sent it last."""
    sites: tuple[SiteReport, ...] = ()
    """Those that have changed; all of them in the first reports of a stream."""
    in_hand: int = 0
    """Jobs that the node has, of all gateways."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What one frame of a node said, in the order in which it must be acted on."""

    hello: Hello | None = None
    load: Load | None = None
    verdicts: tuple[tuple[Fence, JobVerdict], ...] = ()
    unreadable: tuple[Fence, ...] = ()
    """Attempts that have a verdict which this release cannot read."""
    withdrawn: tuple[Fence, ...] = ()
    found: tuple[Answer, ...] = ()
    ready: tuple[Fence, ...] = ()
    sites: tuple[tuple[str, str], ...] = ()
    """Domains and their sites. Before the verdicts."""
    sources: tuple[NodeSource, ...] | None = None
    """All that the node has; None: as it said before."""
    traces: tuple[TraceLine, ...] = ()


class Share(NamedTuple):
    """How much of what sites allow is a node's; see the proto. `parts` 0: nothing."""

    source: str
    site_key: str
    part: int
    parts: int
    spent: bool = False


class Listener(Protocol):
    """Who hears a link. Synchronous: called by the link's reader between two reads."""

    def heard(self, frame: Heard) -> None:
        """Act on a frame."""
        ...


class NodeLink(Protocol):
    """Everything is synchronous and only queues: the link's writer takes what has gathered. Commits go first in a frame."""

    def offer(self, job: Job) -> None:
        """Have the node make it ready."""
        ...

    def commit(self, fences: Sequence[Fence]) -> None:
        """Their bodies may end."""
        ...

    def withdraw(self, fences: Sequence[Fence]) -> None:
        """Drop these; an offer not yet written is not sent."""
        ...

    def settled(self, fences: Sequence[Fence]) -> None:
        """Their verdicts are recorded."""
        ...

    def lookup(self, fences: Sequence[Fence]) -> None:
        """Ask what the node knows."""
        ...

    def routes_changed(self) -> None:
        """Tell what is new, changed and gone, before any job that is offered from now on."""
        ...

    def share(self, share: Share) -> None:
        """Tell it, before any job that is offered from now on."""
        ...

    def trace(self, site_keys: Sequence[str]) -> None:
        """Have it tell the dialogues of these sites from now on, and of no others."""
        ...

    @property
    def frames(self) -> tuple[int, int]:
        """Frames that came, and that were written."""
        ...

    async def run(self, listener: Listener) -> str:
        """Live: read, write and watch until one of them ends; why it ended. Cancelling it closes the stream."""
        ...
