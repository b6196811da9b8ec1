"""What a gateway tells of mails, nodes, the queue and doubts: plain values. Times: milliseconds since the epoch, or for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from mailgate.mail import Lane, OnDoubt, Recipient, RecipientState


class NodeState(IntEnum):
    """Whether a node gets jobs; numbers are those of the proto."""

    CONNECTING = 1
    READY = 2
    SUSPECT = 3
    OUT = 4
    DRAINING = 5


class Resolution(IntEnum):
    """How a doubt is decided; numbers are those of the proto."""

    RESEND = 1
    DELIVERED = 2
    BOUNCED = 3


@dataclass(frozen=True, slots=True)
class MailStatus:
    """A mail as GetMail tells it: all recipients counted, the first 100 listed."""

    mail_id: bytes
    batch_id: bytes | None
    accept_ms: int
    expire_ms: int
    lane: Lane
    on_doubt: OnDoubt
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[RecipientState, int] = field(default_factory=dict)
    recipients: tuple[Recipient, ...] = ()

    @property
    def total(self) -> int:
        """How many recipients it has."""
        return sum(self.counts.values())

    @property
    def over(self) -> bool:
        """Nothing more will happen by itself."""
        return all(state.final for state in self.counts)


@dataclass(frozen=True, slots=True)
class Node:
    """A sender as this gateway sees it."""

    node_id: str
    address: str
    state: NodeState
    reason: str
    version: str
    in_flight: int
    committed: int
    warm: int
    offered: int
    delivered: int
    service_ms: float
    heard_ago_ms: float
    registered: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """Jobs of one lane and route that wait. `oldest_ms`: since when the oldest ready one could go; None: none is ready."""

    lane: Lane
    route: str
    ready: int
    deferred: int
    oldest_ms: int | None


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits, and where the rest is."""

    waiting: tuple[Waiting, ...]
    in_flight: int
    in_doubt: int
    dead: int

    @property
    def ready(self) -> int:
        """Over all lanes and routes."""
        return sum(each.ready for each in self.waiting)

    @property
    def deferred(self) -> int:
        """Over all lanes and routes."""
        return sum(each.deferred for each in self.waiting)


@dataclass(frozen=True, slots=True)
class Doubt:
    """A job of which nobody can know whether it was sent."""

    doubt_id: str
    mail_id: bytes
    tenant: str
    emails: tuple[str, ...]
    attempt: int
    node_id: str
    start_ms: int
    reason: str
