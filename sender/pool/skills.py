"""What may be tried on a connection of a route: what the route allows, less what its relay has broken of late (shortcomings.py). Pure."""

from __future__ import annotations

from mailgate.route import Route
from sender.pool.plan import Slot
from sender.pool.shortcomings import Shortcomings, Skill
from sender.smtp.events import Stumble

_FOLLOWING, _PIPELINING, _CHUNKING = Skill.FOLLOWING, Skill.PIPELINING, Skill.CHUNKING
"""For the hot path: a member of an enum costs 60 ns each time it is looked up by its class."""


class Skills:
    """`route` may be exchanged for one with the same relays. Times are monotonic seconds."""

    def __init__(self, route: Route, shortcomings: Shortcomings) -> None:
        self.route = route
        self._shortcomings = shortcomings

    def pipelining(self, slot: Slot, now: float) -> bool:
        """Groups of commands."""
        return self.route.pipelining and not self._lacks(slot, _PIPELINING, now)

    def chunking(self, slot: Slot, now: float) -> bool:
        """BDAT."""
        return self.route.chunking and not self._lacks(slot, _CHUNKING, now)

    def following(self, slot: Slot, now: float) -> bool:
        """A mail behind the body of another."""
        return not self._lacks(slot, _FOLLOWING, now)

    def stumbled(self, slot: Slot, stumble: Stumble, now: float) -> bool:
        """What its connection broke over. Groups and chunks count against its relay only if no mail was ever answered on it.

        True: `pipelining` or `chunking` of its relay say no from now on.
        """
        counts = not slot.mails or stumble in (Stumble.FOLLOWING, Stumble.NO_BDAT)
        return counts and self._shortcomings.stumbled(self.route.relays[slot.relay], stumble, now)

    def proved(self, slot: Slot) -> None:
        """Its connection is well, and may have had mails answered."""
        if slot.mails and self._shortcomings.any:
            for skill, allowed in ((_CHUNKING, self.route.chunking), (_PIPELINING, self.route.pipelining), (_FOLLOWING, slot.followers)):
                if allowed:
                    self._shortcomings.proved(self.route.relays[slot.relay], skill, slot.dialled_at)

    def _lacks(self, slot: Slot, skill: Skill, now: float) -> bool:
        return self._shortcomings.any and self._shortcomings.lacks(self.route.relays[slot.relay], skill, now)
