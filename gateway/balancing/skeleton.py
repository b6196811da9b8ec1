"""A policy to start from: copy this file, rename the class, add a line to policies.py and the name to the tests' list.

tests/unit/gateway/balancing/test_policies.py runs every policy over its invariants: it picks one of the candidates, keeps no reference to
them, and never fails for weights and loads that a fleet can have.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.balancing.picker import C, Random


class Skeleton:
    """Any of them, with the same chance. Say here what the policy is good for, and cite where it comes from."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def pick(self, candidates: Sequence[C]) -> C:
        """Must be cheap: no I/O, no allocation to speak of; called once a job."""
        return candidates[int(self._random() * len(candidates))]
