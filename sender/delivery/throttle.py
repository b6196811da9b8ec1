"""Throttle: what one source may do at one site, by the site's shape and by what the site says. Pure: time is given.

A shape has limits (spacing.py) and rules (mailgate/shaping): a reply suspends the site (suspension.py), slows it, or takes connections
(curb.py); so does a class of refusal that is too much of all that is said (refusals.py). Complaints that follow each other at once answer
mails that were under way when the first came, and count as one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal, NamedTuple

from mailgate.shaping.shape import Rule, Shape
from mailgate.shaping.words import SUSPENDED
from mailgate.verdict import Outcome, Reply, Tried
from sender.delivery.curb import Curb
from sender.delivery.refusals import Refusals
from sender.delivery.spacing import Spacing
from sender.delivery.suspension import Suspension

SAME = 5.0
"""Seconds in which complaints are one and the same; less where a rule's time is shorter."""
SLOWEST = 1 / 60
"""Mails a second: who sends nothing never learns that the site is well."""
STEPS = 10
"""In so many a halved rate is given back."""
SHARE_FIRST, SHARE_LONGEST = 60.0, 3600.0
"""Seconds of a suspension for a share of refusals: as of a rule that says nothing else."""
TEXT = 160
"""Characters of a reply that are repeated."""
_ADDRESS = re.compile(r"<[^<>]{0,320}>|[^\s<>@]{1,64}@[^\s<>]{1,255}")
"""Left out: what is repeated is told to all whose mail waits, and to the log."""

Kind = Literal["suspended", "slowed", "fewer_connections", "resumed"]


class Change(NamedTuple):
    """What has changed, for the log and the metrics. `seconds` of a suspension, mails a second, connections: 0 where it is not of them."""

    kind: Kind
    why: str
    rule: str = ""
    """The key of the rule in the shaping file, or `refused_share`."""
    seconds: float = 0.0
    rate: float = 0.0
    connections: int = 0


class Throttle:
    """See the module. The hot path asks `free` first, nothing has to be asked before a mail, and `deaf`: nothing is learned from one."""

    __slots__ = (
        "_fewer",
        "_judged_at",
        "_rate",
        "_said",
        "_spacing",
        "_suspension",
        "connections",
        "deaf",
        "free",
        "shape",
        "site",
        "why",
    )

    def __init__(self, site: str, shape: Shape) -> None:
        self.site = site
        self._said: Refusals | None = None
        self._suspension: Suspension | None = None
        self._rate: Curb | None = None
        self._fewer: Curb | None = None
        self._spacing: Spacing | None = None
        self._judged_at = float("-inf")
        self.why = ""
        """What the site said, that the last of what was learned is owed to."""
        self.reshape(shape)

    def __repr__(self) -> str:
        pieces = [f"<Throttle {self.site}"]
        if self._suspension is not None and self._suspension.holds:
            pieces.append(f"suspended_until={self._suspension.until:.1f}")
        if self._spacing is not None:
            pieces.append(f"rate={1 / self._spacing.interval:g}/s")
        if self.connections:
            pieces.append(f"connections={self.connections}")
        return " ".join(pieces) + ">"

    def reshape(self, shape: Shape, now: float = float("-inf")) -> None:
        """Other limits and rules from now on; what was learned stays, but where nothing is learned any more. So does what is expected."""
        self.shape = shape
        self.deaf: bool = not shape.rules and not shape.refused_share
        if self.deaf:
            self._said = self._suspension = self._rate = self._fewer = None
        self._apply(now)

    @property
    def mails_per_connection(self) -> int:
        """At most; 0: as the route says."""
        return self.shape.mails_per_connection

    @property
    def suspended_until(self) -> float:
        """Monotonic seconds; minus infinity: it is not."""
        return self._suspension.until if self._suspension is not None and self._suspension.holds else float("-inf")

    @property
    def rate(self) -> float:
        """Mails a second, at most; 0: no limit."""
        return 1 / self._spacing.interval if self._spacing is not None else 0.0

    @property
    def slowed(self) -> bool:
        """It goes slower than its shape says."""
        return self._rate is not None

    @property
    def curbed(self) -> bool:
        """The site complained, and not all is given back."""
        return bool(self._suspension or self._rate or self._fewer)

    def reason(self, now: float) -> str:
        """Why mail waits here, for people; without the site and without the time, which has its own field. Empty: it does not."""
        if self.suspended_until > now:
            return f"{SUSPENDED}: {self.why}"
        if self.shape.barred:
            return "other nodes send to it"
        if self._suspension is not None and self._suspension.holds:
            return f"one mail tries whether it is well again: {self.why}"
        if self._spacing is not None:
            rate = 1 / self._spacing.interval
            told = f"{rate:.3g} mails/s" if rate >= 1 else f"a mail each {self._spacing.interval:.3g} s"
            return f"{told}: {self.why}" if self._rate is not None else told
        return ""

    # ------------------------------------------------------------------ before a mail

    def wait(self, now: float) -> float:
        """0.0: a mail may go now. Else when to ask again, monotonic seconds; infinity: when it is told to."""
        if self.shape.barred:
            return float("inf")
        if self._suspension is not None and (at := self._suspension.wait(now)):
            return at
        if self._rate is not None and self._rate.grow(now):
            self._apply(now)
        if self._spacing is not None and now < (due := self._spacing.due()):
            return due
        return 0.0

    def spend(self, now: float) -> None:
        """As if a mail had just gone: another node may have sent it."""
        if self._spacing is not None:
            self._spacing.took(now)

    def started(self, now: float) -> None:
        """A mail goes."""
        if self._spacing is not None:
            self._spacing.took(now)
        if self._suspension is not None:
            self._suspension.started(now)

    # ------------------------------------------------------------------ after it

    def heard(self, tried: Tried, now: float, opened: Callable[[Throttle], int] = lambda _: 0) -> Change | None:
        """What the site said to a mail. What has changed by it, if anything. `opened`: how many connections there are to the site."""
        if self.deaf:
            return None
        said = self._said
        if said is None:
            said = self._said = Refusals()
        refused = word = False
        for each in tried.recipients:
            said.said(len(each.indexes), now)
            refused = refused or each.outcome is Outcome.DEFERRED or each.outcome is Outcome.BOUNCED
            word = word or each.reply.code > 0
        if refused and (change := self._refused(tried, said, now, opened)) is not None:
            return change
        return self._well(now) if word and self.curbed else None

    def turned_away(self, reply: Reply, now: float, opened: Callable[[Throttle], int] = lambda _: 0) -> Change | None:
        """The site refused a connection with these words. No mail was refused, and a site that says so is not well by saying something."""
        if self.deaf or not reply.code:
            return None
        rule = self.shape.rule_for(reply)
        if rule is None or rule.action == "none":
            return None
        self._said = self._said or Refusals()
        return self._obey(rule, reply, self._said, now, opened)

    def _refused(self, tried: Tried, said: Refusals, now: float, opened: Callable[[Throttle], int]) -> Change | None:
        shape = self.shape
        for each in tried.recipients:
            if each.outcome is not Outcome.DEFERRED and each.outcome is not Outcome.BOUNCED:
                continue
            rule = shape.rule_for(each.reply)
            if each.reply.bounce_class in shape.refused_classes and (rule is None or rule.action != "none"):
                said.refused(each.reply.bounce_class, len(each.indexes))
            if rule is not None and rule.action != "none":
                return self._obey(rule, each.reply, said, now, opened)
        if not shape.refused_share or now < self.suspended_until:
            return None
        share = said.too_much(shape.refused_classes, shape.refused_share, shape.refused_least, now)
        if share is None:
            return None
        why = f"{share.share:.0%} of {share.of} verdicts of 10 min are {share.name}"
        return self._suspend(SHARE_FIRST, SHARE_LONGEST, 0.0, why, "refused_share", now)

    def _obey(self, rule: Rule, reply: Reply, said: Refusals, now: float, opened: Callable[[Throttle], int]) -> Change | None:
        if now < self.suspended_until:
            return None
        if rule.action == "suspend":
            return self._suspend(rule.lasts, rule.longest, reply.retry_after, words_of(reply), rule.key, now)
        if now < self._judged_at + min(SAME, rule.lasts):
            return None
        self._judged_at = now
        if rule.action == "slow":
            return self._slow(rule, words_of(reply), said.rate(now), now)
        return self._take_connections(rule, words_of(reply), opened(self), now)

    def _suspend(self, first: float, longest: float, asked: float, why: str, rule: str, now: float) -> Change:
        self._suspension = self._suspension or Suspension()
        seconds = self._suspension.begin(first, longest, asked, now)
        self._said = None  # what was judged is not judged again
        self.why, self.free = why, False
        return Change("suspended", why, rule, seconds=seconds)

    def _slow(self, rule: Rule, why: str, measured: float, now: float) -> Change:
        limit = 1 / self.shape.interval if self.shape.interval else float("inf")
        if self._rate is None:
            base = min(measured, limit)
            self._rate = Curb(base, base / STEPS, min(limit, 2 * base))
        self._rate.value = min(self._rate.value, measured)
        self._rate.halve(SLOWEST, rule.lasts, now)
        self.why = why
        self._apply(now)
        return Change("slowed", why, rule.key, rate=self._rate.value)

    def _take_connections(self, rule: Rule, why: str, connections: int, now: float) -> Change | None:
        had = min(filter(None, (self.connections, connections)), default=1)
        if self._fewer is None:
            self._fewer = Curb(had, 1, self.shape.connections or max(2, had))
        self._fewer.value = min(int(self._fewer.value), had)
        self._fewer.halve(1, rule.lasts, now)
        before, self.why = self.connections, why
        self._apply(now)
        return None if before == self.connections else Change("fewer_connections", why, rule.key, connections=self.connections)

    def _well(self, now: float) -> Change | None:
        """A word that is no complaint: give back what is due."""
        resumed = self._suspension is not None and self._suspension.well(now)
        change = Change("resumed", self.why) if resumed else None
        if self._suspension is not None and self._suspension.over(now):
            self._suspension = None
        for curb in (self._rate, self._fewer):
            if curb is not None:
                curb.grow(now)
        self._apply(now)
        return change

    def _apply(self, now: float) -> None:
        """What is learned, over the limits of the shape."""
        if self._rate is not None and self._rate.released:
            self._rate = None
        if self._fewer is not None and self._fewer.released:
            self._fewer = None
        interval = max(self.shape.interval, 1 / self._rate.value if self._rate is not None else 0.0)
        if not interval:
            self._spacing = None
        elif self._spacing is None:
            self._spacing = Spacing(interval)
        elif interval != self._spacing.interval:
            self._spacing.set(interval, now)
        fewer = int(self._fewer.value) if self._fewer is not None else 0
        self.connections = min(filter(None, (fewer, self.shape.connections)), default=0)
        self.free = self._spacing is None and not self.shape.barred and not (self._suspension is not None and self._suspension.holds)

    # ------------------------------------------------------------------ looks

    def is_default(self, now: float) -> bool:
        """It is as a new one would be."""
        return (
            (self._said is None or self._said.idle(now))
            and (self._spacing is None or now >= self._spacing.due() + self._spacing.interval)
            and (self._suspension is None or self._suspension.forgiven(now))
            and (self._rate is None or self._rate.forgiven(now))
            and (self._fewer is None or self._fewer.forgiven(now))
        )


def words_of(reply: Reply) -> str:
    """Code, enhanced code and words without addresses, in one line that is not long."""
    words = _ADDRESS.sub("…", reply.text)
    text = " ".join(filter(None, (str(reply.code) if reply.code else "", reply.enhanced_code, words)))
    return text if len(text) <= TEXT else text[: TEXT - 1] + "…"
