"""The registry of a single gateway: entries in this process, an entry outlives its stream by the lease."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from gateway.registry.port import ANY, Drain, NodeRecord, Over, check_over
from mailgate.telemetry.sample import Sample

LEASE = 5.0
"""Seconds. Long enough for a node to register again after its gateway's restart, and health does not depend on it (design, section 7)."""


class MemoryRegistry:
    """See the port. One event loop; a restart of the process forgets everything, and the nodes register again."""

    def __init__(self, lease: float = LEASE) -> None:
        self._lease = lease
        self._entries: dict[str, NodeRecord] = {}
        self._expiries: dict[str, asyncio.TimerHandle] = {}
        self._number = 0
        self._drains: dict[str, Drain] = {}
        self._watchers: set[asyncio.Event] = set()

    async def register(self, record: NodeRecord, over: Over = ANY) -> NodeRecord:
        """Store it under a new number; what it replaces is stale from here on."""
        check_over(record, self._entries.get(record.node_id), over)
        self._number += 1
        stored = replace(record, registration=self._number)
        self._cancel_expiry(record.node_id)
        self._entries[record.node_id] = stored
        self._tell()
        return stored

    async def find(self, node_id: str) -> NodeRecord | None:
        """The entry, or None."""
        return self._entries.get(node_id)

    async def release(self, record: NodeRecord) -> None:
        """Remove it when the lease is over, unless it registers again."""
        if self._entries.get(record.node_id) == record:
            self._cancel_expiry(record.node_id)
            loop = asyncio.get_running_loop()
            self._expiries[record.node_id] = loop.call_later(self._lease, self._drop, record)

    async def remove(self, record: NodeRecord) -> None:
        """Remove it now."""
        self._drop(record)

    async def replaced(self, record: NodeRecord) -> None:
        """Wait until another registration stands in its place."""
        with self._watching() as changed:
            while self._entries.get(record.node_id, record) == record:
                changed.clear()
                await changed.wait()

    async def watch(self) -> AsyncIterator[tuple[NodeRecord, ...]]:
        """All entries by id, now and after each change."""
        with self._watching() as changed:
            while True:
                changed.clear()
                yield tuple(self._entries[node_id] for node_id in sorted(self._entries))
                await changed.wait()

    async def drain(self, node_id: str, drain: Drain) -> None:
        """Kept for this process's life."""
        self._drains[node_id] = drain
        self._tell()

    async def resume(self, node_id: str) -> bool:
        """Forget it."""
        known = self._drains.pop(node_id, None) is not None
        self._tell()
        return known

    @property
    def drains(self) -> Mapping[str, Drain]:
        """See the port."""
        return dict(self._drains)

    async def watch_drains(self) -> AsyncIterator[Mapping[str, Drain]]:
        """All by node id, now and after each change."""
        with self._watching() as changed:
            while True:
                changed.clear()
                yield self.drains
                await changed.wait()

    @contextmanager
    def _watching(self) -> Iterator[asyncio.Event]:
        changed = asyncio.Event()
        self._watchers.add(changed)
        try:
            yield changed
        finally:
            self._watchers.discard(changed)

    async def run(self) -> None:
        """There is nothing to do."""
        await asyncio.Event().wait()

    def publish(self, address: str) -> None:
        """There is nobody to tell."""

    async def withdraw(self) -> None:
        """Nobody was told."""

    def stats(self) -> Iterable[Sample]:
        """Nothing that is not told elsewhere."""
        return ()

    def _drop(self, record: NodeRecord) -> None:
        if self._entries.get(record.node_id) == record:
            self._cancel_expiry(record.node_id)
            del self._entries[record.node_id]
            self._tell()

    def _cancel_expiry(self, node_id: str) -> None:
        if expiry := self._expiries.pop(node_id, None):
            expiry.cancel()

    def _tell(self) -> None:
        for changed in self._watchers:
            changed.set()
