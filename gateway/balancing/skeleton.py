"""A policy to start from: copy this file, rename the class, and add a line to policies.py, which is where settings find it.

One that looks at neither `weight` nor `ramp`, as this one, is wrapped in SlowStart there. Nodes that are ejected are not among the
candidates: no policy need know of them.

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

    def pick(self, candidates: Sequence[C], key: str = "") -> C:
        """Must be cheap: no I/O, no allocation to speak of; called once a job."""
        return candidates[int(self._random() * len(candidates))]
