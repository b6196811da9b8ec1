"""The one with the least in flight for its weight: all are looked at while they are few, else two drawn at random.

Two choices suffice for a maximum load of O(log log n) (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001).
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.balancing.picker import C, Random

FULL_SCAN = 4
"""Up to so many candidates a scan costs no more than two draws."""


class LeastConnections:
    """Compares (in flight + 1) / weight: the one more is the job to be placed, so that an empty heavy node beats an empty light one.

    The slow start of a node that has just come does not count for its first job: where little is to be sent it would wait for one.
    """

    def __init__(self, random: Random) -> None:
        self._random = random

    def pick(self, candidates: Sequence[C], key: str = "") -> C:
        """The better of two drawn, or the best of all when they are few; a tie goes to the earlier id, or to the first drawn."""
        count = len(candidates)
        if count <= FULL_SCAN:
            best, least = candidates[0], load(candidates[0])
            for candidate in candidates[1:]:
                if (its := load(candidate)) < least:
                    best, least = candidate, its
            return best
        first = int(self._random() * count)
        second = int(self._random() * (count - 1))
        one, other = candidates[first], candidates[second + (second >= first)]
        return other if load(other) < load(one) else one


def load(candidate: C) -> float:
    """What the candidate would carry with one job more, for its weight."""
    jobs = candidate.in_flight
    return (jobs + 1) / candidate.weight if jobs else candidate.ramp / candidate.weight
