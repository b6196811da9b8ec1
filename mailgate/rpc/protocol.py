"""The protocols of the link between gateways and nodes that this release speaks. Pure.

A release speaks its own and the one before, so that a fleet can be brought to the next release a process after the other, gateways and
nodes in any order. What is added to messages needs no new number where whoever does not know it can do without.

1. The first.
2. `LoadReport.in_hand`, `NodeService.GetNode`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Protocols:
    """A range, both ends included."""

    oldest: int
    newest: int

    def __str__(self) -> str:
        return f"protocol {self.newest}" if self.oldest == self.newest else f"protocols {self.oldest} to {self.newest}"

    def __contains__(self, number: int) -> bool:
        return self.oldest <= number <= self.newest

    def common(self, other: Protocols) -> int | None:
        """The newest that both speak."""
        newest = min(self.newest, other.newest)
        return newest if newest in self and newest in other else None


OURS = Protocols(1, 2)
