"""What a hand-off came to: per recipient, and for the whole job. Pure values, spoken by nodes and understood by gateways."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple


class Phase(IntEnum):
    """Where in the conversation something was decided."""

    UNKNOWN = 0
    CONNECT = 1
    EHLO = 2
    TLS = 3
    AUTH = 4
    MAIL = 5
    RCPT = 6
    DATA = 7
    BODY = 8
    COMPOSE = 9


class Outcome(IntEnum):
    """What a recipient's attempt came to."""

    DELIVERED = 1
    DEFERRED = 2
    BOUNCED = 3
    IN_DOUBT = 4
    """The connection was lost after the final dot and before its answer: nobody can know (RFC 1047)."""


class Reply(NamedTuple):
    """A server's reply, or what stands for one (code 0). `text` at most 512 octets; `bounce_class` of classes.py, empty when delivered."""

    phase: Phase
    code: int = 0
    enhanced_code: str = ""
    text: str = ""
    bounce_class: str = ""
    retry_after: int = 0
    """Seconds after which the server wants to be asked again; 0: it did not say."""


class RecipientVerdict(NamedTuple):
    """The outcome that these recipients (by index) share."""

    indexes: tuple[int, ...]
    outcome: Outcome
    reply: Reply


class Tried(NamedTuple):
    """The node tried: each remaining recipient has an outcome, once."""

    recipients: tuple[RecipientVerdict, ...]
    remote_host: str = ""
    remote_address: str = ""
    tls: str = ""
    duration_us: int = 0
    source: str = ""
    """The node's name of the identity that it was sent from; empty: the system chose."""


@dataclass(frozen=True, slots=True)
class NotTried:
    """The node did not try; no attempt is counted. `hopeless`: no node ever can; `of_node`: another one could, as this one should."""

    reason: str
    hopeless: bool = False
    of_node: bool = False


@dataclass(frozen=True, slots=True)
class Expired:
    """The COMMIT came too late: certainly unsent, no attempt is counted."""


JobVerdict = Tried | NotTried | Expired
