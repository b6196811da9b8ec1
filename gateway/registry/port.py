"""The port of the registry: which nodes there are. `memory.py` is the reference; health is not told here but seen on the streams."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal, Protocol

from mailgate.telemetry.sample import Sample

MAX_ID = 128


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


def is_node_id(text: str) -> bool:
    """1 to 128 printable characters: it is told in tables, logs and messages."""
    return 0 < len(text) <= MAX_ID and text.isprintable()


class _Any(Enum):
    ANY = "whatever stands there"


ANY: Final = _Any.ANY
"""For `Registry.register`: whatever stands there may be replaced."""

Over = NodeRecord | Literal[_Any.ANY] | None


class Overtaken(Exception):
    """Another boot of the node has registered since `find`."""


def check_over(record: NodeRecord, there: NodeRecord | None, over: Over) -> None:
    """Whether `record` may replace what stands there, as `Registry.register` has it. Raises Overtaken."""
    if over is ANY or there is None or there.boot_id == record.boot_id:
        return
    if over is None or over.boot_id != there.boot_id:
        raise Overtaken(f"the node at {there.address} has registered as {there.node_id} meanwhile")


class Registry(Protocol):
    """See the module. Every change is a compare-and-set on (boot id, registration): who was hung cannot undo what another took over.

    Several gateways may share what a registry holds. Where it is not in this process it may be away: then `register` and `find` raise
    Unavailable, what is known stays known, and what was to be taken away goes when it is back. Traffic does not depend on it.
    """

    async def register(self, record: NodeRecord, over: Over = ANY) -> NodeRecord:
        """Store it and give it its number: the registry holds it when this returns, and no gap was seen of an entry that was taken over.

        The same boot id takes over its own entry. Whether another boot id may replace a living one is the caller's to find out first;
        `over` is what it found: where yet another boot stands there by now, the caller must look again.

        Raises:
            Unavailable: the registry is away.
            Overtaken: `over` does not stand there any more.
        """
        ...

    async def find(self, node_id: str) -> NodeRecord | None:
        """The entry, or None. Raises Unavailable."""
        ...

    async def release(self, record: NodeRecord) -> None:
        """Its stream broke: the entry is removed when the lease is over, unless it registers again. A stale record changes nothing."""
        ...

    async def remove(self, record: NodeRecord) -> None:
        """It leaves: remove the entry now. A stale record changes nothing."""
        ...

    async def replaced(self, record: NodeRecord) -> None:
        """Wait until another registration stands in its place.

        That an entry is gone, as when the registry lost all, is no replacement: it is put again.
        """
        ...

    def watch(self) -> AsyncIterator[tuple[NodeRecord, ...]]:
        """All entries by id: once at once, and again after each change (several changes may come as one).

        At once: as soon as the registry has said anything. A list that takes most of the nodes away is not believed for a while.
        """
        ...

    async def run(self) -> None:
        """What it has to do in the background, until cancelled."""
        ...

    def publish(self, address: str) -> None:
        """Callers find this gateway at `host:port` from now on, where the registry tells them."""
        ...

    async def withdraw(self) -> None:
        """They find it no more. What it registered stays for the lease's time, in which the nodes register with others."""
        ...

    def stats(self) -> Iterable[Sample]:
        """For telemetry."""
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

    @property
    def drains(self) -> Mapping[str, Drain]:
        """All that are drained, by node id, as far as is known: with what was put here, as soon as `drain` or `resume` returns."""
        ...

    def watch_drains(self) -> AsyncIterator[Mapping[str, Drain]]:
        """`drains`: once at once, and again after each change (several changes may come as one)."""
        ...
