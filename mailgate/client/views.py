"""What streams take and tell, and what gateways tell of mails, nodes, the queue, doubts: plain values. Times: milliseconds (since 1970)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeAlias

from mailgate.errors import MailgateError
from mailgate.mail import BatchEntry, BatchReceipt, Lane, Mail, OnDoubt, Receipt, Recipient, RecipientState


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
class Batch:
    """Many mails with one content, as a stream takes them. An empty key: the client makes one."""

    shared: Mail
    entries: Sequence[BatchEntry]
    idempotency_key: str = ""


Item: TypeAlias = Mail | tuple[Mail, str] | Batch
"""What a stream takes: a mail, a mail with its idempotency key, a batch."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an item of a stream: its receipt, or why there is none.

    An `Unanswered` says that nobody knows whether it was stored; with any other error nothing of it was.
    """

    number: int
    """The item's place in the stream, from 0."""
    item: Mail | Batch
    idempotency_key: str
    result: Receipt | BatchReceipt | MailgateError


@dataclass(frozen=True, slots=True)
class Gap:
    """Told among events: the watch of this gateway began (again). What happened there before, since the last event, was not told."""

    gateway: str


@dataclass(frozen=True, slots=True)
class Stored:
    """How much of a content a gateway has, and until when it keeps it; `expire_ms` 0: it did not say."""

    octets: int
    expire_ms: int


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
class Drain:
    """An operator's word that a node gets no new jobs: why, and since when."""

    reason: str
    since_ms: int


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
    warnings: tuple[str, ...] = ()
    """What an operator should look at though the node gets jobs."""
    settings_version: str = ""
    """Of the gateway's settings, as the node has them; empty: it has told none yet."""
    in_hand: int = 0
    """Jobs that it has, of all gateways, as it said last."""
    drain: Drain | None = None
    protocol: int = 0
    """That its stream speaks; 0: it has none."""
    weight: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    """From COMMIT to answer, of the last ten seconds."""
    picks_per_second: float = 0.0
    ejections: int = 0


@dataclass(frozen=True, slots=True)
class Settings:
    """What a gateway runs by. `loaded_ms`: when it was read, or last found to be as before."""

    version: str
    loaded_ms: int
    refusal: str = ""
    """The mistakes of the last reading, a line each, of which nothing is in force; empty when it was good."""
    restart_keys: tuple[str, ...] = ()
    """Keys that have another value in the file, which counts from the gateway's next start on."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """The nodes, and the settings that they should have."""

    nodes: tuple[Node, ...]
    settings: Settings


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
    """What waits, and where the rest is. `in_flight`: nodes have them, or had, or their outcome is known and not recorded yet."""

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
