"""The idle connections of a route: those that were used a moment ago, and those that may have died without a word since. Pure."""

from __future__ import annotations

from sender.pool.plan import Slot

STALE = 15.0
"""Seconds of idleness after which a connection is asked first whether it lives: a firewall may have forgotten it, a server be gone."""


class Idle:
    """`fresh` and `stale`: the longest idle first; taken from the end, so that what is too much stays idle."""

    def __init__(self) -> None:
        self.fresh: list[Slot] = []
        """Whoever takes or adds one does it right here: it is the hot path."""
        self.stale: list[Slot] = []
        self.asked = 0
        """Mails that would have taken a stale one."""

    def __len__(self) -> int:
        return len(self.fresh) + len(self.stale)

    def remove(self, slot: Slot) -> None:
        """It is idle no more."""
        (self.stale if slot in self.stale else self.fresh).remove(slot)

    def all(self) -> list[Slot]:
        """The longest idle first."""
        return self.stale + self.fresh

    def overdue(self, limit: float, room: int) -> tuple[Slot, ...]:
        """Those idle since `limit` or before, and the longest idle of the others that there is no room for."""
        idle = self.all()
        overdue = tuple(slot for slot in idle if slot.since <= limit)
        rest = [slot for slot in idle if slot not in overdue]
        return overdue + tuple(rest[: max(len(rest) - max(room, 0), 0)])

    def to_probe(self, now: float) -> list[Slot]:
        """Take out as many stale ones as were asked for."""
        while self.fresh and now - self.fresh[0].since >= STALE:
            self.stale.append(self.fresh.pop(0))
        asked, self.asked = self.asked, 0
        return [self.stale.pop() for _ in range(min(asked, len(self.stale)))]
