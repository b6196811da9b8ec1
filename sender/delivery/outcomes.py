"""What the mails of each site came to on this node, since it started. Pure.

Counting costs a mail some 0.4 µs. Who tells of it (seen.py, and metrics by few names) asks for what has grown since.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass

from mailgate.verdict import Outcome, Tried
from sender.delivery.allowance import site_key_of
from sender.delivery.named import Named
from sender.pool.path import Path

MOST = 20_000
"""Sites that are known; the one that had no mail for the longest goes first, and begins anew. About 1 KB each."""

_DELIVERED, _DEFERRED, _BOUNCED = Outcome.DELIVERED, Outcome.DEFERRED, Outcome.BOUNCED


@dataclass(slots=True, eq=False)
class Counts:
    """Of a site. `mails`: transactions that ended; the others: recipients."""

    site_key: str
    mails: int = 0
    delivered: int = 0
    deferred: int = 0
    bounced: int = 0
    in_doubt: int = 0
    touched: bool = False
    """Since somebody asked."""
    folded: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Of these, what metrics have had."""


class Outcomes:
    """See the module. `opened`: the paths that are open, by their keys."""

    def __init__(self, opened: Mapping[str, Path], most: int = MOST) -> None:
        self._opened, self._most = opened, most
        self._counts: dict[str, Counts] = {}
        """Those with mail of late last."""
        self._by_path: dict[str, Counts] = {}
        self._touched: list[Counts] = []
        self._untold: set[str] = set()
        self._unfolded: dict[str, Counts] = {}
        self.named = Named()
        """What metrics are told, as of the last folding."""

    def __repr__(self) -> str:
        return f"<Outcomes sites={len(self._counts)}>"

    def __iter__(self) -> Iterator[Counts]:
        return iter(self._counts.values())

    def tried(self, path: str, tried: Tried) -> None:
        """A mail of this path came to that. Must be cheap."""
        counts = self._by_path.get(path) or self._of(path)
        counts.mails += 1
        if not counts.touched:
            counts.touched = True
            self._touched.append(counts)
        for verdict in tried.recipients:
            outcome, number = verdict.outcome, len(verdict.indexes)
            if outcome is _DELIVERED:
                counts.delivered += number
            elif outcome is _DEFERRED:
                counts.deferred += number
            elif outcome is _BOUNCED:
                counts.bounced += number
            else:
                counts.in_doubt += number

    def get(self, site_key: str) -> Counts:
        """Of this site; zeroes where it had no mail."""
        return self._counts.get(site_key) or Counts(site_key)

    def news(self) -> set[str]:
        """Keys of the sites with mail since this was last asked."""
        self._settle()
        untold, self._untold = self._untold, set()
        return untold

    def fold(self) -> Named:
        """The counts of those that have names in metrics, as of now."""
        self._settle()
        self.named.fold(self._unfolded.values())
        self._unfolded = {}
        return self.named

    def forget(self, needed: Container[str]) -> None:
        """Of the sites that are too many, and not `needed`, those that had no mail for the longest; and which path is of which site."""
        self._by_path.clear()
        gone = [key for key in self._counts if key not in needed][: max(0, len(self._counts) - self._most)]
        self.named.take([self._unfolded.pop(key) for key in gone if key in self._unfolded])  # metrics may never be read
        for key in gone:
            del self._counts[key]

    def _settle(self) -> None:
        touched, self._touched = self._touched, []
        for counts in touched:
            counts.touched = False
            self._counts[counts.site_key] = self._counts.pop(counts.site_key, counts)
            self._unfolded[counts.site_key] = counts
            self._untold.add(counts.site_key)

    def _of(self, path: str) -> Counts:
        opened = self._opened.get(path)
        key = site_key_of(opened) if opened is not None else path.partition("@")[0]
        counts = self._counts.get(key)
        if counts is None:
            counts = self._counts[key] = Counts(key)
        self._by_path[path] = counts
        return counts
