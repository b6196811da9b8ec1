"""The registry of a single gateway: leases, take-over, and stale records that change nothing."""

from __future__ import annotations

import asyncio
import contextlib

from gateway.registry.memory import MemoryRegistry
from gateway.registry.port import NodeRecord
from tests.unit.virtual_time import quiet, simulate

A, B = NodeRecord("a", b"1" * 16, "h:1", "1"), NodeRecord("b", b"2" * 16, "h:2", "1")


def test_entries_are_numbered_and_found():
    """The number rises with each Register."""

    async def main() -> None:
        registry = MemoryRegistry()
        first, second = await registry.register(A), await registry.register(A)
        assert second.registration > first.registration
        assert await registry.find("a") == second
        assert await registry.find("b") is None

    simulate(main)


def test_an_entry_outlives_its_stream_by_the_lease():
    """Released, it goes when the lease is over; registered again, it stays."""

    async def main() -> None:
        registry = MemoryRegistry(lease=5.0)
        a, b = await registry.register(A), await registry.register(B)
        await registry.release(a)
        await registry.release(b)
        await asyncio.sleep(4.9)
        assert await registry.find("a") == a
        again = await registry.register(B)
        await asyncio.sleep(0.2)
        assert await registry.find("a") is None
        assert await registry.find("b") == again
        await asyncio.sleep(60)
        assert await registry.find("b") == again

    simulate(main)


def test_a_stale_record_changes_nothing():
    """A gateway's stream that was hung can't undo what another took over."""

    async def main() -> None:
        registry = MemoryRegistry(lease=1.0)
        stale = await registry.register(A)
        current = await registry.register(A)
        await registry.remove(stale)
        await registry.release(stale)
        await asyncio.sleep(5)
        assert await registry.find("a") == current
        await registry.remove(current)
        assert await registry.find("a") is None
        await registry.remove(current)

    simulate(main)


def test_released_twice_the_last_counts():
    """The lease begins anew, and one expiry only is waited for."""

    async def main() -> None:
        registry = MemoryRegistry(lease=1.0)
        a = await registry.register(A)
        await registry.release(a)
        await asyncio.sleep(0.9)
        await registry.release(a)
        await asyncio.sleep(0.9)
        assert await registry.find("a") == a
        await asyncio.sleep(0.2)
        assert await registry.find("a") is None

    simulate(main)


def test_watchers_see_all_at_once_and_after_each_change():
    """By id; changes that come together may be told together; a watcher that goes is forgotten."""

    async def main() -> None:
        registry = MemoryRegistry()
        await registry.register(B)
        seen: list[list[str]] = []

        async def watch() -> None:
            async for records in registry.watch():
                seen.append([record.node_id for record in records])

        task = asyncio.get_running_loop().create_task(watch())
        await quiet()
        a = await registry.register(A)
        await quiet()
        await registry.remove(a)
        await quiet()
        assert seen == [["b"], ["a", "b"], ["b"]]
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert not registry._watchers

    simulate(main)
