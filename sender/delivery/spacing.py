"""Spacing: so many mails in a time and no more, evenly spread. Pure: time is given.

The generic cell rate algorithm as virtual scheduling (ATM Forum, Traffic Management Specification 4.0, af-tm-0056.000, 4.4.2; ITU-T I.371):
each mail has a time at which it is expected, and may go that time less a tolerance. One number of state, and no timer refills anything.
"""

from __future__ import annotations

TOLERANCE = 0.05
"""Seconds that a mail may be early. A wake-up that comes late by less costs nothing of the rate, and no burst is longer than this: in any
time of w seconds at most (w + 0.05) / interval + 1 mails go."""
NEVER = float("-inf")


class Spacing:
    """One mail every `interval` seconds, more than 0."""

    __slots__ = ("_expected", "interval")

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self._expected = NEVER

    def __repr__(self) -> str:
        return f"<Spacing {1 / self.interval:g}/s>"

    def due(self) -> float:
        """When the next may go."""
        return self._expected - TOLERANCE

    def took(self, now: float) -> None:
        """One goes."""
        self._expected = (now if now > self._expected else self._expected) + self.interval

    def set(self, interval: float, now: float) -> None:
        """Another rate from now on: what is expected already is not put off by an old, slower one."""
        self._expected = min(self._expected, now + interval)
        self.interval = interval
