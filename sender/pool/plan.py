"""A slot for one connection and where it stands; what is to be done with slots, and their counts. Pure values; the rules are slots.py's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import NamedTuple

from mailgate.route import Relay


class State(IntEnum):
    """Where a slot stands."""

    EMPTY = 0
    DIALING = 1
    IDLE = 2
    RESERVED = 3
    BUSY = 4
    RESETTING = 5
    CLOSING = 6


IN_USE = (State.RESERVED, State.BUSY, State.RESETTING)
USABLE = (State.IDLE, *IN_USE)
"""Open, and not about to end."""
_NAMES = tuple(state.name for state in State)


@dataclass(slots=True, eq=False)
class Slot:
    """Room for one connection. The pool's shell reads it; only Slots writes it."""

    state: State = State.EMPTY
    relay: int = 0
    """Place of its relay in the route."""
    since: float = 0.0
    """When the dial began; when it became idle; when its mail began."""
    dialled_at: float = 0.0
    mails: int = 0
    """That the server answered."""
    followed: bool = False
    """A second mail has followed the body of the one under way."""
    follows: bool = False
    """The one under way has followed a body itself."""
    followers: bool = False
    """The server has answered one that did."""
    rested: bool = False
    """Idle for RESTED at least when it began to close."""


@dataclass(frozen=True, slots=True)
class Dial:
    """Dial this relay for this slot."""

    slot: Slot
    relay: Relay
    place: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What the shell must now do. The slots of `close` are CLOSING already, those of `probe` RESETTING: no mail can take them."""

    dial: tuple[Dial, ...] = ()
    close: tuple[Slot, ...] = ()
    probe: tuple[Slot, ...] = ()


@dataclass(slots=True)
class Counts:
    """Since the start. `dialled` is always `closed` plus the connections that are open."""

    begun: int = 0
    """Dials, but for those that were given up."""
    dialled: int = 0
    closed: int = 0
    failed: int = 0
    mails: int = 0
    refused: int = 0
    """Of `failed`: credentials refused, or not to be had."""
    resting: int = 0
    """Relays that are not dialled now."""
    slots: dict[str, int] = field(default_factory=dict)
    """Slots by the name of their state."""

    @property
    def dialing(self) -> int:
        """Dials under way."""
        return self.begun - self.dialled - self.failed

    def with_slots(self, slots: Iterable[Slot], resting: int) -> Counts:
        """A copy, with where these stand, and the mails of their connections."""
        mails, states = self.mails, dict.fromkeys(_NAMES, 0)
        for slot in slots:
            states[_NAMES[slot.state]] += 1
            mails += slot.mails
        return replace(self, mails=mails, resting=resting, slots=states)

    def add(self, other: Counts) -> None:
        """Have these be of both."""
        self.begun += other.begun
        self.dialled += other.dialled
        self.closed += other.closed
        self.failed += other.failed
        self.mails += other.mails
        self.refused += other.refused
        self.resting += other.resting
        for state, count in other.slots.items():
            self.slots[state] = self.slots.get(state, 0) + count

    def count(self, *states: State) -> int:
        """Slots in any of these states."""
        return sum(self.slots.get(state.name, 0) for state in states)


class Standing(NamedTuple):
    """Connections of a path as they are now: `warm` with those that are `busy`; `wanted` as demand goes, of `most`."""

    warm: int = 0
    busy: int = 0
    dialing: int = 0
    wanted: int = 0
    most: int = 0


NOWHERE = Standing()
"""Of a path that is not there."""
