"""Job, Fence and JobBody: the unit of work, its name at one moment, and what is inside its bytes. Pure values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from mailgate.mail import Address, Attachment, Header, Lane, OnDoubt, Parts, Raw


@dataclass(frozen=True, slots=True, weakref_slot=True)
class File:
    """Uploaded octets and their SHA-256. Jobs that attach the same file share the object."""

    digest: bytes
    data: bytes


class Fence(NamedTuple):
    """One attempt of one job. Whoever acts for another fence acts for nothing."""

    job_id: bytes
    attempt: int


@dataclass(frozen=True, slots=True)
class Job:
    """The recipients of one mail that share a route and a site: one SMTP transaction. It keeps its id for life.

    `envelope` and `content`, one after the other, are the job's bytes; the content may be shared by many jobs. `remaining` names the
    recipients still to be sent by their index, None means all of the envelope's. `attempt` is the number of the attempt to come or under
    way; `losses` counts nodes lost with the job uncommitted. Times are milliseconds since the epoch.
    """

    id: bytes
    tenant: str
    lane: Lane
    route: str
    site_key: str
    on_doubt: OnDoubt
    envelope: bytes
    content_id: bytes
    content: bytes
    recipients: tuple[int, ...]
    """Indexes still to be sent, rising."""
    accept_ms: int
    expire_ms: int
    partial: bool = False
    """Some of the envelope's recipients are settled; `recipients` are those that are not."""
    attempt: int = 1
    losses: int = 0
    files: tuple[File, ...] = ()
    """What its content attaches by digest."""
    events: int = 1
    """Events that each remaining recipient has had; they are the same for all, since whatever happens to one that remains happens to all
    that remain. The first is ACCEPTED."""
    source: str = ""
    """What the last attempt was sent from: a server that asked to come back knows it by that address. Empty: any will do."""

    @property
    def fence(self) -> Fence:
        """The attempt to come or under way."""
        return Fence(self.id, self.attempt)

    @property
    def size(self) -> int:
        """Octets of the job's bytes, and of its files."""
        octets = len(self.envelope) + len(self.content)
        return octets + sum([len(file.data) for file in self.files]) if self.files else octets


@dataclass(frozen=True, slots=True)
class JobRecipient:
    """A recipient inside a job's bytes: its index in the mail, and the address for RCPT TO."""

    index: int
    email: str


class Envelope(NamedTuple):
    """What a job has of its own: who it is from and to, and the headers that differ within a batch."""

    mail_id: bytes
    return_path: str
    recipients: tuple[JobRecipient, ...]
    smtputf8: bool = False
    message_id: str = ""
    date_ms: int = 0
    traceparent: str = ""
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    headers: tuple[Header, ...] = ()
    """After those of the content."""
    variables: bytes = b""
    """A JSON object, over the content's."""
    hash_key: str = ""
    """The mail's."""


@dataclass(frozen=True, slots=True)
class Content:
    """What the jobs of a mail, or of a whole batch, share."""

    from_address: Address
    reply_to: tuple[Address, ...] = ()
    headers: tuple[Header, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    body: Parts | Raw = field(default_factory=Parts)
    template: bool = False
    """Subject, text and html are templates."""
    variables: bytes = b""
    """A JSON object, or empty."""


@dataclass(frozen=True, slots=True)
class JobBody:
    """A job's bytes, decoded: what the node composes and sends."""

    envelope: Envelope
    content: Content
