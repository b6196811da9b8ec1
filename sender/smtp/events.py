"""What a conversation is given, and what it tells. Pure values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, Protocol

from mailgate.job import JobRecipient
from mailgate.verdict import RecipientVerdict


class Transaction(Protocol):
    """What is to be sent: a `sender.pool.handoff.Handoff` is one."""

    @property
    def return_path(self) -> str:
        """The address for MAIL FROM; empty: the null sender."""
        ...

    @property
    def recipients(self) -> tuple[JobRecipient, ...]:
        """At least one."""
        ...

    @property
    def message(self) -> bytes:
        """The whole mail, its dots not doubled."""
        ...

    @property
    def clean(self) -> bool:
        """The message was found to be what `sender.smtp.body.is_clean` says; False: it is yet to be looked at."""
        ...

    @property
    def smtputf8(self) -> bool:
        """Addresses or headers are beyond ASCII."""
        ...

    @property
    def envelope_id(self) -> str:
        """What reports of servers shall call it; only asked for where reports are."""
        ...


class Dsn(NamedTuple):
    """What a route wants to be reported (RFC 3461), as commands have it; dsn.py makes it."""

    mail: str = ""
    """Parameters of MAIL, but ENVID."""
    rcpt: str = ""
    """Parameters of RCPT, but ORCPT."""
    named: bool = True
    """With ENVID and ORCPT: something may be reported."""


@dataclass(frozen=True, slots=True)
class Send:
    """Write this."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Flow:
    """A long message may leave, before it is Ready: `more` has the chunks."""


@dataclass(frozen=True, slots=True)
class Ready:
    """At least one recipient was accepted, and 354 is here, or all chunks are there: `finish` or `withdraw` is awaited."""


class Done(NamedTuple):
    """Every recipient has its outcome. Not told of a withdrawn transaction."""

    transaction: Transaction
    recipients: tuple[RecipientVerdict, ...]
    answered: bool = True
    """The server's replies decided; False: its silence, or its nonsense."""


@dataclass(frozen=True, slots=True)
class Idle:
    """The next `start` may come."""


class Stumble(IntEnum):
    """What a connection broke over, so that it need not be tried again with this server: some offer what they can't do."""

    NO = 0
    GROUP = 1
    """It owed replies to a group of commands."""
    FOLLOWING = 2
    """It never answered the group that had followed a body, or took it for a part of the mail before."""
    CHUNK = 3
    """It owed replies to chunks."""
    NO_BDAT = 4
    """It said that it does not know BDAT."""


@dataclass(frozen=True, slots=True)
class Close:
    """The connection is of no more use. `reset`: nothing that was written may leave any more, so it must be torn down, not closed."""

    why: str
    reset: bool = False
    stumbled: Stumble = Stumble.NO
    ours: bool = False
    """The server did nothing for which it should be spared: it was we who had to end it."""


Event = Send | Flow | Ready | Done | Idle | Close

FLOW = Flow()
READY = Ready()
IDLE = Idle()
