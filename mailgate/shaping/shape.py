"""What holds for one site: its limits, what its replies mean, and when it is left alone. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Literal

from mailgate.config.replies import ReplyPattern
from mailgate.shaping.options import REFUSED_CLASSES, REFUSED_LEAST, REFUSED_SHARE, ReplyRule, SiteOptions
from mailgate.verdict import Reply

Action = Literal["suspend", "slow", "fewer_connections", "none"]

HOUR = 3600.0
NODE_RATE = 2000.0
"""Mails a second that one node may be trusted with; it does some times as many."""


class Rule:
    """A ReplyRule, compiled. Times in seconds."""

    __slots__ = ("_pattern", "action", "key", "lasts", "longest", "written")

    def __init__(self, rule: ReplyRule, key: str) -> None:
        self.written, self.key = rule, key
        self.action: Action = rule.action
        self.lasts, self.longest = rule.lasts.total_seconds(), rule.longest.total_seconds()
        self._pattern = ReplyPattern(code=rule.code, enhanced_code=rule.enhanced_code, text=rule.text)

    def __repr__(self) -> str:
        return f"<Rule {self.key}: {self.action}>"

    def fits(self, reply: Reply) -> bool:
        """All that it names is so."""
        return self.written.bounce_class in ("", reply.bounce_class) and self._pattern.fits(reply)


@dataclass(frozen=True, slots=True)
class Shape:
    """What holds for a site, with the defaults filled in. A number that is 0 is no limit."""

    name: str = ""
    """The provider; empty: none."""
    connections: int = 0
    interval: float = 0.0
    """Seconds from one mail to the next."""
    mails_per_connection: int = 0
    refused_share: float = 0.0
    """0: no share is too much."""
    refused_least: int = REFUSED_LEAST
    refused_classes: frozenset[str] = frozenset()
    rules: tuple[Rule, ...] = field(default=())
    barred: bool = False
    """Nothing may go there from here: other nodes have all of it."""

    @property
    def limited(self) -> bool:
        """Its mails or its connections are counted, over the whole fleet."""
        return bool(self.connections or self.interval)

    def nodes(self, connections: int) -> int:
        """How many nodes it takes to use its limits up, each with so many connections; 0: it has none."""
        if not self.limited:
            return 0
        return max(1, ceil(self.connections / connections), ceil(1 / self.interval / NODE_RATE) if self.interval else 1)

    def part(self, index: int, parts: int) -> Shape:
        """What the node `index`, from 0 on, of so many that share the limits may do: an even part, barred where none is left for it.

        Parts of connections are whole ones; all parts together are the limit. Nobody has less than no part (`parts` 0).
        """
        if parts == 1 or (parts and not self.limited):
            return self
        connections = (self.connections // parts + (index < self.connections % parts)) if parts else 0
        barred = not parts or (self.connections > 0 and connections == 0)
        return replace(self, connections=connections or self.connections, interval=self.interval * max(1, parts), barred=barred)

    def rule_for(self, reply: Reply) -> Rule | None:
        """The first rule that fits a refusal; its action may be `none`."""
        return next((rule for rule in self.rules if rule.fits(reply)), None)


def shape_of(name: str, key: str, own: SiteOptions, default: SiteOptions | None, rules: Sequence[Rule] = ()) -> Shape:
    """Of `own` and, where it says nothing, `default`; `rules` come after its own. `key` is that of its table, for what is told of rules.

    Without a `default` nothing is judged by its share of refusals unless `own` sets that share.
    """
    above = default or SiteOptions()
    per_second = _either(own.mails_per_second, above.mails_per_second, 0.0)
    per_hour = _either(own.mails_per_hour, above.mails_per_hour, 0.0)
    return Shape(
        name,
        int(_either(own.connections, above.connections, 0)),
        max(1 / per_second if per_second else 0.0, HOUR / per_hour if per_hour else 0.0),
        int(_either(own.mails_per_connection, above.mails_per_connection, 0)),
        _either(own.refused_share, above.refused_share, REFUSED_SHARE if default else 0.0),
        int(_either(own.refused_least, above.refused_least, REFUSED_LEAST)),
        frozenset(own.refused_classes if own.refused_classes is not None else above.refused_classes or REFUSED_CLASSES),
        (*rules_of(own, key), *rules),
    )


def rules_of(options: SiteOptions, key: str) -> tuple[Rule, ...]:
    """Compiled, each with its place."""
    return tuple([Rule(rule, f"{key}.replies[{index}]") for index, rule in enumerate(options.replies)])


def _either(own: float | None, default: float | None, last: float) -> float:
    return own if own is not None else default if default is not None else last
