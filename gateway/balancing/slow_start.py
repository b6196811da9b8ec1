"""A node that has just come gets a part of its share that grows: its connections are cold, and so are its caches. Pure: time is given.

Policies that compare weights or bounds have the node's `ramp` in them. For all others there is the wrapper.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from gateway.balancing.picker import C, Picker, Random

WINDOW, LEAST = 10.0, 0.1
"""Seconds until a node has its whole share, and the part that it begins with (Envoy's slow start begins with the same tenth)."""

_RAMP = attrgetter("ramp")


def ramp(age: float) -> float:
    """The part of its share that a node gets so many seconds after it came; from then on a straight line."""
    return 1.0 if age >= WINDOW else LEAST + (1 - LEAST) * max(0.0, age) / WINDOW


class SlowStart:
    """Around a policy that looks at neither `weight` nor `ramp`: of its picks of a new node only a part holds, the others are picked anew.

    Nodes that came together, as after a restart of the gateway, are new to nobody: who has started the furthest gets all its picks.
    """

    def __init__(self, picker: Picker, random: Random) -> None:
        self._picker, self._random = picker, random

    def pick(self, candidates: Sequence[C], key: str = "") -> C:
        """As the policy; among the others, where that was a node that is to be spared."""
        picked = self._picker.pick(candidates, key)
        if picked.ramp >= 1.0 or len(candidates) == 1:
            return picked
        if self._random() * max(map(_RAMP, candidates)) < picked.ramp:
            return picked
        return self._picker.pick([candidate for candidate in candidates if candidate is not picked], key)
