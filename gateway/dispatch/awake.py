"""Which keys are worth a look, so that thousands that wait for their servers cost nothing. Pure: time is given.

A key without jobs or room has none until a job of it comes, or leaves a hand, or it gets more credit: those are told here as they happen.
For all else (nodes that come, octets that become free) every key is looked at, and in any case after a while. Where keys are few, always.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from gateway.dispatch.member import Member
from gateway.dispatch.window import Window

FEW = 100
"""Keys that are all looked at each time."""
WALK = 30e-6
"""Seconds for each key until all are looked at again, which is some 1 µs each: what nothing has told comes to light."""


class Awake:
    """See the module. Times are monotonic seconds."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._stay: set[str] = set()
        self._able: list[Member] = []
        self._walk_at = float("-inf")

    def __repr__(self) -> str:
        return f"<Awake {len(self._stay)} stay>"

    def stays(self, site_key: str) -> None:
        """It has jobs and room, and something else holds it up: it is worth a look the next time."""
        self._stay.add(site_key)

    def look(self, members: Sequence[Member], able: list[Member], now: float) -> Collection[str] | None:
        """Those that are to be looked at now. None: all of them. `able`: the members that may get jobs."""
        woken, self._stay = self._stay | self._window.take_fresh(), set()
        freed = [member.hand.take_freed() for member in members]
        if (keys := self._window.slots) > FEW and None not in freed and able == self._able and now < self._walk_at:
            return woken.union(*[each for each in freed if each is not None])
        self._able, self._walk_at = able, now + keys * WALK
        return None
