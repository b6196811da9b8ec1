"""`[[verdicts]]` of the settings: an operator's word on what a server's refusal means, over the nodes' table. Pure.

Rules apply where a verdict comes in from a node, once, before anything is concluded of it. They never speak of what was taken, nor of a
doubt: no rule can make either untrue.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from mailgate.classes import CLASSES
from mailgate.config.replies import ReplyPattern
from mailgate.config.replies import mistakes as mistakes_of_reply
from mailgate.config.units import format_duration
from mailgate.errors import Mistake
from mailgate.verdict import Outcome, Phase, RecipientVerdict, Reply, Tried

MOST = 500
"""Rules."""

_REFUSED = frozenset({Outcome.DEFERRED, Outcome.BOUNCED})


@dataclass(frozen=True, slots=True)
class VerdictRule:
    """One `[[verdicts]]`. What it names must all be so; the first rule that fits rules."""

    route: str = ""
    """The name of a route; empty: any. A route may be had for some domains alone, so that a rule is for these."""
    phase: Phase | None = None
    """Where in the conversation, such as `rcpt` or `body`."""
    code: str = ""
    """Of the reply: `550`, `55x`, `5xx`; `0`: no reply came."""
    enhanced_code: str = ""
    """`5.7.1`, `5.7.*`, `5.*.*`."""
    text: str = ""
    """A regular expression, found anywhere in the server's words, in upper or lower case; mailgate/config/patterns.py says what it may
    hold."""
    outcome: Literal["deferred", "bounced"] | None = None
    """What becomes of the recipient instead."""
    bounce_class: str = ""
    """The class instead, of mailgate/classes.py."""
    retry_after: timedelta | None = None
    """A deferred one is not tried again sooner than this; within its ttl."""

    def mistakes(self, key: str) -> Iterator[Mistake]:
        """What is wrong with it, or with how its keys go together."""
        yield from mistakes_of_reply(self.code, self.enhanced_code, self.text, key)
        if self.bounce_class and self.bounce_class not in CLASSES:
            yield Mistake(f"{key}.bounce_class", f'"{self.bounce_class}"', f"write one of {', '.join(CLASSES)}")
        if self.phase is None and not (self.code or self.enhanced_code or self.text):
            yield Mistake(key, "", "it would fit every refusal: name a code, enhanced_code, phase or text")
        if self.outcome is None and not self.bounce_class and self.retry_after is None:
            yield Mistake(key, "", "it changes nothing: set outcome, bounce_class or retry_after")
        if self.outcome == "bounced" and self.retry_after is not None:
            yield Mistake(
                f"{key}.retry_after", format_duration(self.retry_after), "what is bounced is not tried again: leave it out, or outcome"
            )


class _Ready:
    """A rule, compiled."""

    __slots__ = ("_pattern", "_route", "_rule")

    def __init__(self, rule: VerdictRule) -> None:
        self._rule, self._route = rule, rule.route
        self._pattern = ReplyPattern(phase=rule.phase, code=rule.code, enhanced_code=rule.enhanced_code, text=rule.text)

    def fits(self, route: str, reply: Reply) -> bool:
        """All that it names is so."""
        return (not self._route or self._route == route) and self._pattern.fits(reply)

    def applied(self, verdict: RecipientVerdict) -> RecipientVerdict:
        """The verdict as it says."""
        rule, reply = self._rule, verdict.reply
        outcome = Outcome[rule.outcome.upper()] if rule.outcome else verdict.outcome
        seconds = reply.retry_after if rule.retry_after is None else int(rule.retry_after.total_seconds())
        reply = reply._replace(
            bounce_class=rule.bounce_class or reply.bounce_class, retry_after=seconds if outcome is Outcome.DEFERRED else 0
        )
        return RecipientVerdict(verdict.indexes, outcome, reply)


class Rules:
    """Those of the settings, in their order."""

    def __init__(self, rules: Sequence[VerdictRule] = ()) -> None:
        self._rules = [_Ready(rule) for rule in rules]

    def over(self, route: str, tried: Tried) -> Tried:
        """The verdict of a job of this route, as the rules have it."""
        if not self._rules or all(each.outcome not in _REFUSED for each in tried.recipients):
            return tried
        return tried._replace(recipients=tuple([self._one(route, each) for each in tried.recipients]))

    def _one(self, route: str, verdict: RecipientVerdict) -> RecipientVerdict:
        if verdict.outcome not in _REFUSED:
            return verdict
        found = next((rule for rule in self._rules if rule.fits(route, verdict.reply)), None)
        return verdict if found is None else found.applied(verdict)


NO_RULES = Rules()
