"""The port of the registry: which nodes there are. `memory.py` is the reference; health is not told here but seen on the streams."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """A node as it registered itself. `registration` rises with each Register and is given by the registry."""

    node_id: str
    boot_id: bytes
    address: str
    version: str
    registration: int = 0


@dataclass(frozen=True, slots=True)
class Drain:
    """An operator's word that a node is to get no new jobs. `since_ms`: since 1970, by the clock of the gateway that was asked."""

    reason: str = ""
    since_ms: int = 0


class Registry(Protocol):
    """See the module. Every change is a compare-and-set on (boot id, registration): who was hung cannot undo what another took over."""

    async def register(self, record: NodeRecord) -> NodeRecord:
        """Store it and give it its number: the registry holds it when this returns.

        The same boot id takes over its own entry. Whether another boot id may replace a living one is the caller's to find out first.
        """
        ...

    async def find(self, node_id: str) -> NodeRecord | None:
        """The entry, or None."""
        ...

    async def release(self, record: NodeRecord) -> None:
        """Its stream broke: the entry is removed when the lease is over, unless it registers again. A stale record changes nothing."""
        ...

    async def remove(self, record: NodeRecord) -> None:
        """It leaves: remove the entry now. A stale record changes nothing."""
        ...

    def watch(self) -> AsyncIterator[tuple[NodeRecord, ...]]:
        """All entries by id: once at once, and again after each change (several changes may come as one)."""
        ...

    async def drain(self, node_id: str, drain: Drain) -> None:
        """No gateway gives the node new jobs from now on: the registry holds it when this returns, in place of an earlier one.

        It is kept apart from the node's entry and from every lease: the node may restart, leave and come back, and is drained until it is
        resumed.
        """
        ...

    async def resume(self, node_id: str) -> bool:
        """The node may get jobs again. False: it was not drained."""
        ...

    def watch_drains(self) -> AsyncIterator[Mapping[str, Drain]]:
        """All that are drained, by node id: once at once, and again after each change (several changes may come as one)."""
        ...
