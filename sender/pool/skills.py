"""What may be tried on a connection of a route: what the route allows, less what its relay has broken of late (shortcomings.py). Pure."""

from __future__ import annotations

from mailgate.route import Route
from mailgate.verdict import Reply
from sender.pool.plan import Slot
from sender.pool.shortcomings import REMEMBERED, Shortcomings, Skill
from sender.smtp.classes import CLOSING
from sender.smtp.events import Stumble

_FOR_NOW = 4
"""RFC 5321 4.2.1: the first digit of a reply that says "not now"."""
_FOLLOWING, _PIPELINING, _CHUNKING = Skill.FOLLOWING, Skill.PIPELINING, Skill.CHUNKING
"""For the hot path: a member of an enum costs 60 ns each time it is looked up by its class."""


class Skills:
    """`route` may be exchanged for one with the same relays. Times are monotonic seconds."""

    def __init__(self, route: Route, shortcomings: Shortcomings) -> None:
        self._shortcomings = shortcomings
        self._ends: tuple[str, int] = ("", 0)
        """The host that last refused MAIL on a connection that had carried mails, and how many."""
        self._known: tuple[int, float] | None = None
        """As many, and until when that is believed."""
        self.route = route

    @property
    def route(self) -> Route:
        """As it is now."""
        return self._route

    @route.setter
    def route(self, route: Route) -> None:
        self._route = route
        self.mails = route.max_mails_per_connection if self._known is None else min(self._known[0], route.max_mails_per_connection)
        """That a connection may carry: as the route says, or fewer, as servers have shown."""

    def refused(self, slot: Slot, reply: Reply, now: float, *, answered: bool) -> None:
        """MAIL was, of a mail that is judged: a connection that has carried some and takes no more is closed when it is freed.

        Its server may go on so for ever (OpenSMTPD: 452 after 100), or end it by 421 (Exim: after 1,000).
        Two such ends of a host one after the other, after as many mails, are its limit: one that shuts down, or limits a rate, does not
        come to the same number twice. Each end defers a mail, and so it is believed for an hour; of several hosts the least counts for all.
        """
        mails = slot.mails - answered
        if mails <= 0 or reply.code // 100 != _FOR_NOW or (reply.code != CLOSING and reply.bounce_class != "rate_limited"):
            return
        slot.dialled_at = float("-inf")
        end = (self.route.relays[slot.relay].host, mails)
        if end == self._ends:
            self._known = (min(mails, self.mails), now + REMEMBERED)
            self.route = self._route
        self._ends = end

    def look(self, now: float) -> None:
        """Forget what is too old. Now and then; cheap."""
        if self._known is not None and now >= self._known[1]:
            self._known, self._ends = None, ("", 0)
            self.route = self._route

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
