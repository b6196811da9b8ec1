"""What a balancing policy is: one `pick` among the nodes that may have the job. Pure; policies are one file each.

What a policy is told beside the nodes' loads comes to it from outside: how far a node has started (slow_start.py) is in its `ramp`, and who
fails by himself (ejection.py) is not among the candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

Random = Callable[[], float]
"""Uniform in [0, 1)."""


class Candidate(Protocol):
    """A node as a policy sees it."""

    @property
    def node_id(self) -> str:
        """For its life."""
        ...

    @property
    def in_flight(self) -> int:
        """Jobs that this gateway has in hand there, now."""
        ...

    @property
    def weight(self) -> float:
        """Its share against others, > 0: connections that it has or could open, times `ramp`."""
        ...

    @property
    def ramp(self) -> float:
        """How much of its part a node takes that has just come, in (0, 1]; 1.0 from the end of its slow start on."""
        ...


C = TypeVar("C", bound=Candidate)


class Picker(Protocol):
    """A policy of one route. It keeps what it must between picks, and answers at 16 nodes in ≤ 2 µs, or ≤ 5 µs with a key."""

    def pick(self, candidates: Sequence[C], key: str = "") -> C:
        """One of them; `candidates` is not empty, in the order of node ids, and only has nodes that have credit for the job.

        `key`: what a job has in common with those that had better go the same way; policies that do not hash get none.
        """
        ...
