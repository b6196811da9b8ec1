"""The policies by the name that a route gives. Pure."""

from __future__ import annotations

from collections.abc import Callable

from gateway.balancing.consistent_hash import ConsistentHash
from gateway.balancing.least_connections import LeastConnections
from gateway.balancing.picker import Picker, Random
from gateway.balancing.ring import Ring
from gateway.balancing.round_robin import RoundRobin
from gateway.balancing.slow_start import SlowStart

POLICIES: dict[str, Callable[[Random, Ring], Picker]] = {
    "consistent_hash": lambda _, ring: ConsistentHash(ring),
    "least_connections": lambda random, _: LeastConnections(random),
    "round_robin": lambda random, _: SlowStart(RoundRobin(), random),
}
"""Name in `[routes.NAME] policy` → maker. A new policy is a file beside `skeleton.py` and a line here; one that looks at neither `weight`
nor `ramp` is wrapped in SlowStart."""


def make_picker(policy: str, random: Random, ring: Ring | None = None) -> Picker:
    """A fresh picker; those of one gateway share a ring. Raises KeyError for an unknown name: settings have checked it against POLICIES."""
    return POLICIES[policy](random, ring if ring is not None else Ring())
