"""Refusals: how much of what a site said of late was no, and of which class. Pure: time is given.

Two counts of ten minutes, this one and the one before, of which as much is counted as is less than ten minutes ago: a few numbers instead
of a ring, wrong only by what was uneven within the earlier one. How many a second is taken from counts of ten seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

WINDOW = 600.0
SHORT = 10.0
_NEVER = float("-inf")


class Share(NamedTuple):
    """A class that is too much of the whole."""

    name: str
    share: float
    of: int


class Refusals:
    """Of one site. The counts are of recipients."""

    __slots__ = ("_before", "_begun", "_earlier", "_kinds", "_kinds_before", "_recent", "_turn", "_whole")

    def __init__(self) -> None:
        self._turn = self._begun = _NEVER
        self._recent, self._earlier = 0, 0.0
        """Of the ten seconds that end at `_turn`, not yet in `_whole`; and how many a second it was in those before."""
        self._whole, self._before = 0, 0
        self._kinds: dict[str, int] | None = None
        self._kinds_before: dict[str, int] | None = None

    def said(self, recipients: int, now: float) -> None:
        """The site answered for so many, whatever it was. Must be cheap: it is asked for each mail."""
        if now >= self._turn:
            self._advance(now)
        self._recent += recipients

    def refused(self, name: str, recipients: int) -> None:
        """So many of what was said last were a no of this class."""
        kinds = self._kinds = self._kinds or {}
        kinds[name] = kinds.get(name, 0) + recipients

    def rate(self, now: float) -> float:
        """A second, of late; at least one in ten seconds."""
        lasted = min(max(1.0, now - (self._turn - SHORT)), SHORT)
        return max(self._recent / lasted, self._earlier, 1 / SHORT)

    def too_much(self, names: Iterable[str], share: float, least: int, now: float) -> Share | None:
        """The first of these classes that is more than the share, if the whole is `least` verdicts."""
        left = max(0.0, 1 - (now - self._begun) / WINDOW)
        whole = self._whole + self._recent + self._before * left
        if whole < least or self._kinds is None:
            return None
        for name in sorted(names):
            refused = self._kinds.get(name, 0) + (self._kinds_before or {}).get(name, 0) * left
            if refused > share * whole:
                return Share(name, refused / whole, int(whole))
        return None

    def idle(self, now: float) -> bool:
        """Nothing that it knows matters any more."""
        return now >= self._turn + WINDOW

    def _advance(self, now: float) -> None:
        """The ten seconds are over, and perhaps the ten minutes."""
        self._whole += self._recent
        self._earlier = self._recent / SHORT if now < self._turn + SHORT else 0.0
        self._recent, self._turn = 0, now + SHORT
        passed = now - self._begun
        if passed >= WINDOW:
            kept = passed < 2 * WINDOW
            self._before, self._kinds_before = (self._whole, self._kinds) if kept else (0, None)
            self._whole, self._kinds = 0, None
            self._begun = self._begun + WINDOW if kept else now
