"""What a conversation tells its caller. Pure values."""

from __future__ import annotations

from dataclasses import dataclass

from mailgate.verdict import RecipientVerdict


@dataclass(frozen=True, slots=True)
class Send:
    """Write this."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Ready:
    """354 is here and at least one recipient was accepted: `finish` or `withdraw` is awaited."""


@dataclass(frozen=True, slots=True)
class Done:
    """Every recipient has its outcome. Not told of a withdrawn transaction."""

    recipients: tuple[RecipientVerdict, ...]
    answered: bool = True
    """The server's replies decided; False: its silence, or its nonsense."""


@dataclass(frozen=True, slots=True)
class Idle:
    """The next `start` may come."""


@dataclass(frozen=True, slots=True)
class Close:
    """The connection is of no more use. `reset`: nothing that was written may leave any more, so it must be torn down, not closed."""

    why: str
    reset: bool = False
    stumbled: bool = False
    """It broke while it owed replies to a group of commands: some servers offer PIPELINING and can't do it."""


Event = Send | Ready | Done | Idle | Close

READY = Ready()
IDLE = Idle()
