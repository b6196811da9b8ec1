"""The nouns that callers speak: Mail, Address, Content, Recipient, Event. Pure values; numbers are those of the protos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from mailgate.classes import explain
from mailgate.errors import MailgateError


class Lane(IntEnum):
    """A priority class."""

    TRANSACTIONAL = 1
    BULK = 2


class OnDoubt(IntEnum):
    """What to do when nobody can know whether a mail was sent (RFC 1047)."""

    RESEND = 1
    HOLD = 2


class RecipientState(IntEnum):
    """Where a recipient stands; exactly one at every moment."""

    QUEUED = 2
    SENDING = 3
    DEFERRED = 4
    IN_DOUBT = 5
    DELIVERED = 6
    BOUNCED = 7
    EXPIRED = 8
    DEAD = 11

    @property
    def final(self) -> bool:
        """Nothing more will be tried by itself."""
        return self in FINAL


FINAL = frozenset({RecipientState.DELIVERED, RecipientState.BOUNCED, RecipientState.EXPIRED, RecipientState.DEAD})


class EventType(IntEnum):
    """The kind of an event."""

    ACCEPTED = 1
    DELIVERED = 2
    DEFERRED = 3
    BOUNCED = 4
    EXPIRED = 5
    IN_DOUBT = 6
    DEAD = 7
    RESENT = 8


class Address(NamedTuple):
    """A mailbox, with the name to show beside it (may be empty)."""

    email: str
    display_name: str = ""

    @property
    def domain(self) -> str:
        """What follows the last @."""
        return self.email.rpartition("@")[2]


@dataclass(frozen=True, slots=True)
class Header:
    """A header field, unfolded."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file; inline when `content_id` is set. With `digest` (`sha256:` and 64 hexadecimal digits) `data` is empty."""

    data: bytes
    filename: str = ""
    content_type: str = ""
    content_id: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Parts:
    """Subject, plain text and HTML, to be composed."""

    subject: str = ""
    text: str = ""
    html: str = ""


@dataclass(frozen=True, slots=True)
class Raw:
    """A whole message (RFC 5322), as the caller gave it."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Mail:
    """One message as a caller hands it in: all its recipients get the same bytes and one Message-ID."""

    from_address: Address
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    content: Parts | Raw | None = None
    attachments: tuple[Attachment, ...] = ()
    headers: tuple[Header, ...] = ()
    return_path: str | None = None
    """None: the address of `from_address`; empty: the null sender."""
    lane: Lane | None = None
    """None: transactional alone, bulk in a batch."""
    route: str = ""
    """Empty: the route that takes the recipient's domain."""
    hash_key: str = ""
    """For a route that hashes by it; empty: by the site."""
    on_doubt: OnDoubt = OnDoubt.RESEND
    ttl_ms: int | None = None
    """None: the gateway's default."""
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    variables: bytes = b""
    """One JSON object; set: subject, text and html are templates."""


@dataclass(frozen=True, slots=True)
class BatchEntry:
    """What an entry of a batch has of its own."""

    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    headers: tuple[Header, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    variables: bytes = b""
    """One JSON object, over the batch's."""
    idempotency_key: str = ""


class AttemptRecord(NamedTuple):
    """One concluded or running try, as the ledger keeps it and callers see it. Times in milliseconds since the epoch, or for."""

    number: int
    start_ms: int = 0
    duration_ms: float = 0.0
    node_id: str = ""
    site: str = ""
    remote_host: str = ""
    remote_address: str = ""
    phase: int = 0
    """A `verdict.Phase`."""
    code: int = 0
    enhanced_code: str = ""
    text: str = ""
    bounce_class: str = ""
    tls: str = ""
    source: str = ""
    """The node's name of the identity that it was sent from; empty: it has none."""

    @property
    def explanation(self) -> str:
        """What `bounce_class` means, in one sentence for people; empty when delivered."""
        return explain(self.bounce_class)


@dataclass(frozen=True, slots=True)
class Recipient:
    """One address of an accepted mail, and what became of it."""

    index: int
    email: str
    state: RecipientState
    attempts: int = 0
    update_ms: int = 0
    next_attempt_ms: int | None = None
    last_attempt: AttemptRecord | None = None
    wait_reason: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """An immutable fact about a recipient. `sequence` counts the recipient's events from 1."""

    tenant: str
    mail_id: bytes
    batch_id: bytes | None
    recipient_index: int
    sequence: int
    email: str
    type: EventType
    state: RecipientState
    time_ms: int
    attempt: AttemptRecord | None = None
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the gateway vouches for: the mail is durable. `mail_id` is empty when it was only validated; `replayed`: the first call's."""

    mail_id: bytes
    accept_ms: int
    wait_elapsed: bool = False
    recipients: tuple[Recipient, ...] = ()
    replayed: bool = False


class BatchReceipt(NamedTuple):
    """`results[i]` is of entry i: its receipt, or why it was refused."""

    batch_id: bytes
    results: list[Receipt | MailgateError]
