"""Curb: a number that was halved at a complaint, and is given back while there is none. Pure: time is given.

Additive increase, multiplicative decrease: those who share a site come to even shares by it (Chiu and Jain, Analysis of the Increase and
Decrease Algorithms for Congestion Avoidance in Computer Networks, 1989).
"""

from __future__ import annotations


class Curb:
    """`value` is in force until it comes to `release`, and grows by `step` each time `rest` seconds pass without complaint."""

    __slots__ = ("_at", "_rest", "release", "step", "value")

    def __init__(self, value: float, step: float, release: float) -> None:
        self.value, self.step, self.release = value, step, release
        self._rest, self._at = 0.0, 0.0

    def __repr__(self) -> str:
        return f"<Curb {self.value:g} of {self.release:g}>"

    def halve(self, least: float, rest: float, now: float) -> None:
        """A complaint."""
        self.value = max(self.value / 2, least)
        self._rest, self._at = rest, now + rest

    def grow(self, now: float) -> bool:
        """Give back what is due. True: the value has changed."""
        if now < self._at:
            return False
        steps = 1 + int((now - self._at) / self._rest)
        self.value += steps * self.step
        self._at += steps * self._rest
        return True

    @property
    def released(self) -> bool:
        """All is given back."""
        return self.value >= self.release

    def forgiven(self, now: float) -> bool:
        """All would be given back by now, had somebody asked."""
        return now >= self._at + self._rest * (self.release - self.value) / self.step
