"""The policies by the name that a route gives. Pure."""

from __future__ import annotations

from collections.abc import Callable

from gateway.balancing.least_connections import LeastConnections
from gateway.balancing.picker import Picker, Random
from gateway.balancing.round_robin import RoundRobin

POLICIES: dict[str, Callable[[Random], Picker]] = {
    "least_connections": LeastConnections,
    "round_robin": lambda _: RoundRobin(),
}
"""Name in `[routes.NAME] policy` → maker. A new policy is a file beside `skeleton.py` and a line here."""


def make_picker(policy: str, random: Random) -> Picker:
    """A fresh picker. Raises KeyError for an unknown name: settings have checked it against POLICIES."""
    return POLICIES[policy](random)
