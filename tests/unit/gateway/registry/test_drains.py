"""What operators said of nodes: kept apart from the nodes' entries."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest

from gateway.registry.etcd.drains import decode
from gateway.registry.memory import MemoryRegistry
from gateway.registry.port import Drain, NodeRecord
from tests.unit.virtual_time import quiet, simulate

A = NodeRecord("a", b"1" * 16, "h:1", "1")


def test_a_drain_outlives_the_entry_and_is_told_to_who_watches():
    """The node leaves, its lease ends, it comes back with another boot id: drained until resumed. The last word counts."""

    async def main() -> None:
        registry = MemoryRegistry()
        seen: list[dict[str, Drain]] = []

        async def watch() -> None:
            async for drains in registry.watch_drains():
                seen.append(dict(drains))

        task = asyncio.get_running_loop().create_task(watch())
        await quiet()
        record = await registry.register(A)
        await registry.drain("a", Drain("kernel", 1))
        await quiet()
        await registry.remove(record)
        await quiet()
        await registry.drain("a", Drain("disk", 2))
        await quiet()
        assert await registry.resume("a")
        await quiet()
        assert not await registry.resume("a")
        assert seen[0] == {}
        assert seen[-1] == {}
        assert {"a": Drain("kernel", 1)} in seen
        assert {"a": Drain("disk", 2)} in seen
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    simulate(main)


@pytest.mark.parametrize(
    "told",
    [
        [],
        {"reason": 5},
        {"reason": "\ud800"},
        {"reason": "a\nb"},
        {"reason": "x" * 301},
        {"since_ms": 10**30},
        {"since_ms": -1},
        {"since_ms": "1"},
    ],
)
def test_what_is_no_drain(told: object):
    """One that anybody may have put into etcd: it fails no table of nodes."""
    assert decode(json.dumps(told).encode()) is None


def test_a_drain_by_hand():
    """All of it may be missing."""
    assert decode(b"{}") == Drain()
