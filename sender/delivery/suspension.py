"""Suspension: a site that is left alone, longer each time, and then tried by one mail. Pure: time is given.

The times double (binary exponential backoff, as RFC 6298 5.5 has it), and halve again while the site stays well: after each of as long as
it was suspended, the next one is half as long.
"""

from __future__ import annotations

TRIAL = 10.0
"""Seconds that the mail which tries the site has, before another may: it may be withheld, or never end."""
_NEVER = float("-inf")


class Suspension:
    """Of one site, from its first on. All times in monotonic seconds."""

    __slots__ = ("_calm_at", "_first", "_span", "_strikes", "_trial", "until")

    def __init__(self) -> None:
        self.until = _NEVER
        """Nothing goes before."""
        self._strikes, self._first, self._span = 0, 0.0, 0.0
        self._calm_at = _NEVER
        self._trial: float | None = None
        """None: the site is well, for all that is known; else no mail may try it before."""

    @property
    def holds(self) -> bool:
        """The site is left alone, or on trial."""
        return self._trial is not None

    def begin(self, first: float, longest: float, asked: float, now: float) -> float:
        """Another one; how many seconds. `first` if there was none, `asked` by the server, `longest` at most."""
        seconds = min(longest, max(first * 2.0 ** min(self._strikes, 30), asked))
        self._strikes += 1
        self._first, self._span = first, seconds
        self.until, self._trial = now + seconds, now + seconds
        self._calm_at = self.until + seconds
        return seconds

    def wait(self, now: float) -> float:
        """0.0: a mail may go. Else when to ask again."""
        return self._trial if self._trial is not None and now < self._trial else 0.0

    def started(self, now: float) -> None:
        """A mail goes; if it tries the site, no other does."""
        if self._trial is not None:
            self._trial = now + TRIAL

    def well(self, now: float) -> bool:
        """The site took something, or refused it for reasons of its own. True: the suspension is over by that."""
        while self._strikes and now >= self._calm_at:
            self._strikes -= 1
            self._span = max(self._span / 2, self._first)
            self._calm_at += self._span
        if self._trial is None or now < self.until:
            return False
        self._trial = None
        return True

    def over(self, now: float) -> bool:
        """It is as if there had never been one."""
        return not self.holds and self.forgiven(now)

    def forgiven(self, now: float) -> bool:
        """Nobody has asked for so long that what was learned is worth nothing."""
        return now >= self._calm_at + 2 * self._span
