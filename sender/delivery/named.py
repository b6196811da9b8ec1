"""Sites by name where names must be few: those with the most mail have one in metrics, the others are `other`. Pure.

What is counted for a site before it had a name, and after it lost it, is `other`'s: so no counter ever goes back, and each event is counted
once. A name is kept for as long as the site has mail now and then; only then may another have it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

MOST = 100
"""Names at once: with four outcomes some 400 series of a node."""
IDLE = 240
"""Foldings without a mail after which a site may lose its name: an hour, where metrics are read each 15 s."""
OTHER = "other"


class Counted(Protocol):
    """A site's counts since the start, and what of them was folded before."""

    site_key: str
    delivered: int
    deferred: int
    bounced: int
    in_doubt: int
    folded: tuple[int, int, int, int]


@dataclass(slots=True)
class Sums:
    """Recipients, while the site has had this name."""

    delivered: int = 0
    deferred: int = 0
    bounced: int = 0
    in_doubt: int = 0
    idle: int = 0
    """Foldings since its last mail."""

    def add(self, grown: tuple[int, int, int, int]) -> None:
        """More of each."""
        self.delivered += grown[0]
        self.deferred += grown[1]
        self.bounced += grown[2]
        self.in_doubt += grown[3]
        self.idle = 0


class Named:
    """See the module."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._named: dict[str, Sums] = {}
        self._other = Sums()

    def __repr__(self) -> str:
        return f"<Named {len(self._named)}>"

    def __iter__(self) -> Iterator[tuple[str, Sums]]:
        yield from self._named.items()
        yield OTHER, self._other

    def __contains__(self, site_key: object) -> bool:
        return site_key in self._named

    def fold(self, moved: Iterable[Counted]) -> None:
        """Another folding: take in the sites whose counts have grown since the last one."""
        for sums in self._named.values():
            sums.idle += 1
        self.take(moved)

    def take(self, moved: Iterable[Counted]) -> None:
        """Take in by how much the counts of these have grown since they were last taken in."""
        grown = [(site, _grown(site)) for site in moved]
        for site, more in sorted(grown, key=lambda each: -sum(each[1])):
            self._of(site.site_key).add(more)
            site.folded = (site.delivered, site.deferred, site.bounced, site.in_doubt)

    def _of(self, site_key: str) -> Sums:
        if (sums := self._named.get(site_key)) is not None:
            return sums
        if len(self._named) >= self._most:
            idle = max(self._named, key=lambda key: self._named[key].idle)
            if self._named[idle].idle < IDLE:
                return self._other
            del self._named[idle]
        sums = self._named[site_key] = Sums()
        return sums


def _grown(site: Counted) -> tuple[int, int, int, int]:
    delivered, deferred, bounced, in_doubt = site.folded
    return site.delivered - delivered, site.deferred - deferred, site.bounced - bounced, site.in_doubt - in_doubt
