"""The dialogues that gateways want to see, as lines that wait to be told: bounded, so that mail never waits for who watches. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import NamedTuple

from sender.delivery.allowance import site_key_of, source_of
from sender.pool.path import Path
from sender.pool.tap import Tap
from sender.pool.taps import Taps
from sender.smtp.dialogue import Said

WAITING = 1000
"""Lines that wait for one gateway; what comes on top is lost to it."""
FRAME, FRAME_OCTETS = 500, 64 * 1024
"""Lines in one frame, and about so many octets: commits must not wait behind them."""
EVERY = 0.1
"""Seconds between two frames with lines: 5,000 lines a second at the most, of which a node's time is some 3 %."""
MOST = 100
"""Sites that a gateway may watch at once."""


class Direction(IntEnum):
    """Who said a line; numbers are those of the proto."""

    SENT = 1
    RECEIVED = 2
    NOTE = 3


class Line(NamedTuple):
    """A line to be told; `connection` 0: of none. `lost`: so many of this site before it are missing."""

    time_us: int
    site_key: str
    connection: int
    source: str
    remote: str
    direction: Direction
    text: str
    lost: int = 0


class Tape:
    """The lines for one gateway."""

    def __init__(self, site_keys: frozenset[str]) -> None:
        self.site_keys = site_keys
        self._lines: deque[Line] = deque()
        self._lost: dict[str, int] = {}
        self._next = float("-inf")

    @property
    def full(self) -> bool:
        """A line more would be lost."""
        return len(self._lines) >= WAITING

    def add(self, line: Line) -> None:
        """It waits, or is lost."""
        if self.full:
            self.lose(line.site_key)
            return
        lost = self._lost.pop(line.site_key, 0) if self._lost else 0
        self._lines.append(line._replace(lost=lost) if lost else line)

    def lose(self, site_key: str) -> None:
        """A line of this site was not even made."""
        self._lost[site_key] = self._lost.get(site_key, 0) + 1

    def take(self, now: float) -> list[Line]:
        """What may be told now, for one frame; `now` in monotonic seconds."""
        if now < self._next or not self._lines:
            return []
        self._next = now + EVERY
        taken: list[Line] = []
        octets = 0
        while self._lines and len(taken) < FRAME and octets < FRAME_OCTETS:
            taken.append(line := self._lines.popleft())
            octets += len(line.text) + 64
        if not self._lines and self._lost:
            taken += [Line(taken[-1].time_us, key, 0, "", "", Direction.NOTE, "", lost) for key, lost in self._lost.items()]
            self._lost = {}
        return taken


class Tracing:
    """One a node: what its gateways want to see. It is the watcher of the pool's `taps` while somebody wants anything."""

    def __init__(self, taps: Callable[[], Taps]) -> None:
        self._taps = taps
        self._tapes: dict[str, Tape] = {}

    def __repr__(self) -> str:
        return f"<Tracing for {len(self._tapes)}>"

    def want(self, gateway_id: str, site_keys: Iterable[str]) -> None:
        """These and no others, from now on."""
        keys = frozenset(list(dict.fromkeys(site_keys))[:MOST])
        before = self._tapes.pop(gateway_id, None)
        if keys:
            tape = self._tapes[gateway_id] = before or Tape(keys)
            tape.site_keys = keys
        self._taps().watch(self if self._tapes else None)

    def forget(self, gateway_id: str) -> None:
        """Its stream is over."""
        if self._tapes.pop(gateway_id, None) is not None:
            self._taps().watch(self if self._tapes else None)

    def lines(self, gateway_id: str, now: float) -> list[Line]:
        """What is to be told to it now; mostly nothing."""
        tape = self._tapes.get(gateway_id)
        return tape.take(now) if tape is not None else []

    # ---- what the pool tells

    def wants(self, path: Path) -> bool:
        """Somebody watches its site."""
        key = site_key_of(path)
        return any(key in tape.site_keys for tape in self._tapes.values())

    def said(self, tap: Tap, said: Said, now_ns: int) -> None:
        """A line of a dialogue."""
        if said.text:
            path = tap.connection.slots.path
            remote = tap.connection.remote.address
            self._add(path, tap.number, remote, Direction.SENT if said.ours else Direction.RECEIVED, said.text, now_ns)

    def closed(self, tap: Tap, why: str, now_ns: int) -> None:
        """A connection ends."""
        remote = tap.connection.remote.address
        self._add(tap.connection.slots.path, tap.number, remote, Direction.NOTE, f"the connection ends: {why}", now_ns)

    def noted(self, path: Path, remote: str, text: str, now_ns: int) -> None:
        """Something about its dials."""
        self._add(path, 0, remote, Direction.NOTE, text, now_ns)

    def _add(self, path: Path, connection: int, remote: str, direction: Direction, text: str, now_ns: int) -> None:
        key, line = site_key_of(path), None
        for tape in self._tapes.values():
            if key not in tape.site_keys:
                continue
            if tape.full:
                tape.lose(key)
            else:
                line = line or Line(now_ns // 1000, key, connection, source_of(path), remote, direction, text)
                tape.add(line)
