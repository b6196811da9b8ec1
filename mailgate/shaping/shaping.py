"""Shaping: whose a domain or a relay is, and what holds there. From TOML text, all mistakes at once. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

from mailgate.config.load import from_tree
from mailgate.config.reader import Reader, Rules
from mailgate.config.sources import parse_toml
from mailgate.errors import Mistake, SettingsInvalid
from mailgate.shaping.options import BOUNDS, ProviderOptions, ShapingOptions, SiteOptions
from mailgate.shaping.shape import Shape, rules_of, shape_of

MAX_OCTETS = 131_072
"""Of a text: eight times the file that ships. A node takes it from a gateway, between two mails: whatever it is, it is read or refused in
some tenths of a second."""
MAX_PROVIDERS = 500
MAX_RULES = 500
"""In all; each that is a site's is tried on what the site refuses."""
MAX_DOTS = 1000
"""In a line: TOML's dotted keys are read in quadratic time."""

VERSION_DIGITS = 12


class Found(NamedTuple):
    """What holds, and why: the pattern of a provider, and the domain or server that it fits. Both empty: it is nobody's."""

    shape: Shape
    pattern: str = ""
    name: str = ""


class Shaping:
    """See the module. `version` is of the text alone: the same text has the same everywhere."""

    def __init__(self, options: ShapingOptions, text: str = "") -> None:
        self.text, self.version = text, version_of(text)
        ruled = rules_of(options.default, "default")
        self.default = shape_of("", "default", replace(options.default, replies=()), SiteOptions(), ruled)
        self.relays = shape_of("", "relays", options.relays, None)
        self.providers: Mapping[str, Shape] = {
            name: shape_of(name, f"providers.{name}", provider, options.default, ruled) for name, provider in options.providers.items()
        }
        self._domains, self._mx = _patterns(options.providers, "domains"), _patterns(options.providers, "mx")

    def __repr__(self) -> str:
        return f"<Shaping {self.version} providers={len(self.providers)}>"

    def find(self, domain: str = "", hosts: Sequence[str] = ()) -> Found:
        """For recipients of a domain, whose best mail servers these are; without them the domain alone may tell. Cheap: some look-ups."""
        if domain and (found := self._named(self._domains, domain)):
            return found
        return next(filter(None, (self._named(self._mx, host) for host in hosts)), Found(self.default))

    def of_relays(self, hosts: Sequence[str]) -> Found:
        """For a route that hands everything to these."""
        return next(filter(None, (self._named(self._mx, host) for host in hosts)), Found(self.relays))

    def _named(self, patterns: Mapping[str, str], name: str) -> Found | None:
        """The most particular pattern that fits."""
        clean = name.lower().rstrip(".")
        if (provider := patterns.get(clean)) is not None:
            return Found(self.providers[provider], clean, clean)
        rest = clean
        while rest:
            rest = rest.partition(".")[2]
            if (provider := patterns.get(f"*.{rest}")) is not None:
                return Found(self.providers[provider], f"*.{rest}", clean)
        return None


def parse(text: str, where: str = "shaping") -> Shaping:
    """The shaping that a text says. Takes milliseconds.

    Args:
        text: TOML; empty: nothing is limited.
        where: What the text is, such as its path, for the mistakes.

    Raises:
        SettingsInvalid: with every mistake found; `file` is `where`, or `key` is where the text as a whole is wrong.
    """
    if not text:
        return NO_SHAPING
    octets = len(text.encode())
    if octets > MAX_OCTETS:
        raise SettingsInvalid([Mistake(where, "", f"it has {octets} octets, and {MAX_OCTETS} are the most")])
    return _parsed(text, where)


@lru_cache(maxsize=2)
def _parsed(text: str, where: str) -> Shaping:
    """Kept, since a file is read again much more often than it changes."""
    if max(line.count(".") for line in text.split("\n")) > MAX_DOTS:
        raise SettingsInvalid([Mistake(where, "", f"a line has more than {MAX_DOTS} dots: write a list in several lines")])
    mistakes: list[Mistake] = []
    tree = parse_toml(text.encode(), where, mistakes)
    mistakes += _too_many(tree, where)
    if mistakes:
        raise SettingsInvalid(mistakes)
    try:
        options = from_tree(ShapingOptions, tree, {}, rules=Rules(bounds=BOUNDS), check=_check)
    except SettingsInvalid as error:
        raise SettingsInvalid([replace(each, file=where) for each in error.mistakes]) from None
    return Shaping(options, text)


def version_of(text: str) -> str:
    """Twelve digits of the text's SHA-256; empty for an empty text."""
    return hashlib.sha256(text.encode()).hexdigest()[:VERSION_DIGITS] if text else ""


def _too_many(tree: Mapping[str, Any], where: str) -> Iterator[Mistake]:
    """Counted before anything is looked at: there is no point in telling each mistake of thousands."""
    providers = tree.get("providers")
    sites = [tree.get("default"), tree.get("relays")]
    if isinstance(providers, Mapping):
        sites += providers.values()
        if len(providers) > MAX_PROVIDERS:
            yield Mistake("providers", f"({len(providers)})", f"{MAX_PROVIDERS} are the most", where)
    rules = sum(len(found) for site in sites if isinstance(site, Mapping) and isinstance(found := site.get("replies"), list))
    if rules > MAX_RULES:
        yield Mistake("replies", f"({rules})", f"{MAX_RULES} in all are the most", where)


def _check(options: ShapingOptions, reader: Reader) -> None:
    for kind in ("domains", "mx"):
        taken: dict[str, str] = {}
        for name, provider in options.providers.items():
            for index, pattern in enumerate(getattr(provider, kind)):
                first = taken.setdefault(pattern.lower(), name)
                if first != name:
                    key = f"providers.{name}.{kind}[{index}]"
                    reader.note(key, f'"{pattern[:80]}"', f"providers.{first} has it already: keep it in one of the two")


def _patterns(providers: Mapping[str, ProviderOptions], kind: str) -> dict[str, str]:
    return {pattern.lower(): name for name, provider in providers.items() for pattern in getattr(provider, kind)}


NO_SHAPING = Shaping(ShapingOptions(default=SiteOptions(refused_share=0.0)))
"""Nothing is limited, nothing learned."""
