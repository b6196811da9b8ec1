"""The keys of a shaping file, as they are written. Pure.

A provider says what differs from `[default]`; a number that nobody sets is 0, which is no limit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from mailgate.classes import CLASSES
from mailgate.config.replies import mistakes as mistakes_of_reply
from mailgate.config.scalars import Bound
from mailgate.config.units import format_duration
from mailgate.errors import Mistake

REFUSED_CLASSES = ("blocked", "spam", "policy", "rate_limited")
"""Those that mean "we do not want this from you". An unknown user says that of an address, a full mailbox of its owner."""
REFUSED_SHARE = 0.05
REFUSED_LEAST = 100
"""Verdicts. Of a hundred, six refusals are over five per cent; of twenty, two would be, and two are chance."""

_NAME = re.compile(r"(?:\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*|[0-9a-f:.]{2,45}")
_PROVIDER = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_NAME_LONGEST = 253


@dataclass(frozen=True, slots=True)
class ReplyRule:
    """One `[[providers.NAME.replies]]`, `[[default.replies]]` or `[[relays.replies]]`. What it names must all be so.

    The first rule that fits a reply acts, and those of a provider come before those of `[default]`.
    """

    action: Literal["suspend", "slow", "fewer_connections", "none"]
    """`suspend`: nothing goes there for a time. `slow`: half the rate. `fewer_connections`: half of them. `none`: the reply is no reason
    for anything: the rules below are not asked, and it is not counted among the refusals."""
    code: str = ""
    """Of the reply: `421`, `42x`, `4xx`."""
    enhanced_code: str = ""
    """`4.7.28`, `4.7.*`."""
    text: str = ""
    """A regular expression, found anywhere in the server's words, whatever their case. The code is not among the words."""
    bounce_class: str = ""
    """The class that the node's table finds in the reply, of mailgate/classes.py."""
    lasts: timedelta = timedelta(minutes=1)
    """How long the first time. Each further suspension takes twice as long as the one before; of what is slowed, a tenth is given back each
    time so long has passed without complaint."""
    longest: timedelta = timedelta(hours=1)
    """No suspension takes longer: a site that is well again is found within this."""

    def mistakes(self, key: str) -> Iterator[Mistake]:
        """What is wrong with it, or with how its keys go together."""
        yield from mistakes_of_reply(self.code, self.enhanced_code, self.text, key)
        yield from _of_class(self.bounce_class, f"{key}.bounce_class")
        if not (self.code or self.enhanced_code or self.text or self.bounce_class):
            yield Mistake(key, "", "it would fit every refusal: name a code, enhanced_code, text or bounce_class")
        if self.lasts > self.longest:
            longest = format_duration(self.longest)
            yield Mistake(f"{key}.lasts", format_duration(self.lasts), f"it exceeds longest, which is {longest}: lower it, or raise that")


@dataclass(frozen=True, slots=True)
class SiteOptions:
    """`[default]`, and `[relays]`: the relays of routes that no provider's `mx` names. Each limit is for one source, over all nodes."""

    connections: int | None = None
    """At once, at most."""
    mails_per_second: float | None = None
    """At most; evenly spread, not all at the beginning of a second."""
    mails_per_hour: float | None = None
    """The same for an hour, which is as evenly spread: nobody knows when the site's hour begins."""
    mails_per_connection: int | None = None
    """A connection is closed after so many."""
    refused_share: float | None = None
    """The site rests when one of `refused_classes` is more than this share of its verdicts of ten minutes. 0: it never does. 0.05
    where nobody says, but for relays."""
    refused_least: int | None = None
    """Verdicts of ten minutes that a share must be of, before it is believed; 100 where nobody says."""
    refused_classes: tuple[str, ...] | None = None
    """`["blocked", "spam", "policy", "rate_limited"]` where nobody says; of mailgate/classes.py."""
    replies: tuple[ReplyRule, ...] = ()

    def mistakes(self, key: str) -> Iterator[Mistake]:
        """What is wrong with it."""
        for index, name in enumerate(self.refused_classes or ()):
            yield from _of_class(name, f"{key}.refused_classes[{index}]")


@dataclass(frozen=True, slots=True)
class ProviderOptions(SiteOptions):
    """`[providers.NAME]`. The name is the site's: in logs, in metrics, and in what GetMail says of mail that waits."""

    domains: tuple[str, ...] = ()
    """Domains of recipients: `gmail.com`, or `*.example.com` for whatever is below that."""
    mx: tuple[str, ...] = ()
    """Mail servers, in the same way. A domain of `domains` needs none; any other is the provider's when its best servers are."""

    def mistakes(self, key: str) -> Iterator[Mistake]:
        """What is wrong with it."""
        yield from super(ProviderOptions, self).mistakes(key)
        name = key.rpartition(".")[2]
        if not _PROVIDER.fullmatch(name):
            yield Mistake(key, "", "a provider's name is of a-z, 0-9 and -, and at most 32 of them")
        if not self.domains and not self.mx:
            yield Mistake(key, "", 'it is for nobody: name domains = ["example.com"] or mx = ["*.example.com"]')
        for kind, names in (("domains", self.domains), ("mx", self.mx)):
            for index, each in enumerate(names):
                if len(each) > _NAME_LONGEST or not _NAME.fullmatch(each.lower()):
                    cure = 'write "example.com", or "*.example.com" for whatever is below that'
                    yield Mistake(f"{key}.{kind}[{index}]", f'"{each[:80]}"', cure)


@dataclass(frozen=True, slots=True)
class ShapingOptions:
    """A whole file."""

    default: SiteOptions = field(default_factory=SiteOptions)
    """Every site that is no provider's."""
    relays: SiteOptions = field(default_factory=SiteOptions)
    """The relays of routes: nothing, unless something is set here. `[default]` is not for them."""
    providers: Mapping[str, ProviderOptions] = field(default_factory=dict)


_NUMBERS: Mapping[str, Bound] = {
    "connections": (0, 1000),
    "mails_per_second": (0.0, 100_000.0),
    "mails_per_hour": (0.0, 100_000_000.0),
    "mails_per_connection": (0, 1_000_000),
    "refused_share": (0.0, 1.0),
    "refused_least": (1, 1_000_000),
}

BOUNDS: Mapping[str, Bound] = {
    **{f"{cls}.{name}": bound for cls in ("SiteOptions", "ProviderOptions") for name, bound in _NUMBERS.items()},
    "ReplyRule.lasts": (timedelta(milliseconds=100), timedelta(days=1)),
    "ReplyRule.longest": (timedelta(milliseconds=100), timedelta(days=1)),
}
"""As the rules of a Reader have them."""


def _of_class(name: str, key: str) -> Iterator[Mistake]:
    if name and name not in CLASSES:
        yield Mistake(key, f'"{name[:80]}"', f"write one of {', '.join(CLASSES)}")
