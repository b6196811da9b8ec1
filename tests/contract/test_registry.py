"""The contract of gateway/registry/port.py, over the memory registry and over real etcd of two releases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from benchmarks.peers.etcd import Cluster
from gateway.registry.port import Drain, NodeRecord, Overtaken, Registry
from tests.contract.registries import SOON, TTL, Watched, etcd, etcd_registry, ids, memory_registry, node

BACKENDS = {
    "memory": (memory_registry, ""),
    "etcd-3.5": (etcd_registry, "3.5"),
    "etcd-3.4": (etcd_registry, "3.4"),
}
PARAMETERS = [pytest.param(name, marks=[pytest.mark.servers] if release else []) for name, (_, release) in BACKENDS.items()]


@pytest.fixture(scope="module", params=PARAMETERS)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Cluster | None]]:
    """Where the registry keeps its entries."""
    release = BACKENDS[request.param][1]
    if not release:
        yield request.param, None
        return
    with etcd(tmp_path_factory.mktemp("etcd"), release) as found:
        yield request.param, found


@pytest.fixture
async def registry(place: tuple[str, Cluster | None]) -> AsyncIterator[Registry]:
    """An empty one."""
    name, found = place
    async with BACKENDS[name][0](found) as registry:
        yield registry


async def test_entries_are_numbered_and_found(registry: Registry):
    """The number rises with each Register, also when the entry was gone in between."""
    first = await registry.register(node("a"))
    second = await registry.register(node("a"))
    await registry.remove(second)
    third = await registry.register(node("a"))
    assert first.registration < second.registration < third.registration
    assert await registry.find("a") == third
    assert await registry.find("b") is None


async def test_every_field_comes_back(registry: Registry):
    """Whatever a node may be called."""
    odd = NodeRecord("näme/with spaces:1", bytes(range(16)), "[::1]:8700", "0.2+x")
    stored = await registry.register(odd)
    found = await registry.find(odd.node_id)
    assert found == stored
    async with Watched(registry) as watched:
        await watched.until(lambda records: records == (stored,))


async def test_a_take_over_has_no_gap(registry: Registry):
    """The same boot registers again and again: whoever watches never sees it gone."""
    await registry.register(node("a"))
    async with Watched(registry) as watched:
        await watched.until(lambda records: ids(records) == ["a"])
        before = len(watched.lists)
        last = None
        for _ in range(20):
            last = await registry.register(node("a"))
        await watched.until(lambda records: records == (last,))
        assert all(ids(records) == ["a"] for records in watched.lists[before - 1 :])


async def test_another_boot_replaces_what_its_caller_has_found(registry: Registry):
    """And nothing else; the same boot takes over in any case."""
    first = await registry.register(node("a", 1), None)
    with pytest.raises(Overtaken):
        await registry.register(node("a", 2), None)
    second = await registry.register(node("a", 2), first)
    with pytest.raises(Overtaken):
        await registry.register(node("a", 3), first)
    assert await registry.find("a") == second
    again = await registry.register(node("a", 2), first)
    assert await registry.find("a") == again
    third = await registry.register(node("a", 3))
    assert await registry.find("a") == third


async def test_of_two_that_register_at_once_one_is_told_to_look_again(registry: Registry):
    """Both have found nothing."""
    outcomes = await asyncio.gather(*[registry.register(node("a", boot), None) for boot in (1, 2)], return_exceptions=True)
    (winner,) = [outcome for outcome in outcomes if isinstance(outcome, NodeRecord)]
    assert [type(outcome) for outcome in outcomes if outcome is not winner] == [Overtaken]
    assert await registry.find("a") == winner


async def test_many_at_once(registry: Registry):
    """Each has its entry."""
    stored = await asyncio.gather(*[registry.register(node(f"n{number:03}")) for number in range(100)])
    async with Watched(registry) as watched:
        await watched.until(lambda records: len(records) == 100)
        assert watched.now == tuple(stored)


async def test_released_it_goes_when_the_lease_is_over(registry: Registry):
    """Not before; registered again, it stays; and a stale record changes nothing: who was hung can't undo what another took over."""
    a, b = await registry.register(node("a")), await registry.register(node("b"))
    stale = await registry.register(node("c"))
    current = await registry.register(node("c"))
    await registry.remove(stale)
    for record in (a, b, stale):
        await registry.release(record)
    again = await registry.register(node("b"))
    assert await registry.find("a") == a
    async with Watched(registry) as watched:
        await watched.until(lambda records: ids(records) == ["b", "c"], TTL + SOON)
    await asyncio.sleep(0.3)
    assert await registry.find("a") is None
    assert await registry.find("b") == again
    assert await registry.find("c") == current
    await registry.remove(current)
    assert await registry.find("c") is None
    await registry.remove(current)


async def test_watchers_are_told_all_at_once_and_after_each_change(registry: Registry):
    """By id; whoever comes late sees the same."""
    await registry.register(node("b"))
    async with Watched(registry) as watched:
        await watched.until(lambda records: ids(records) == ["b"])
        a = await registry.register(node("a"))
        await watched.until(lambda records: ids(records) == ["a", "b"])
        async with Watched(registry) as late:
            await late.until(lambda records: ids(records) == ["a", "b"])
        await registry.remove(a)
        await watched.until(lambda records: ids(records) == ["b"])


async def test_who_is_replaced_is_told(registry: Registry):
    """By another registration, whoever's; not because the entry is gone."""
    first = await registry.register(node("a"))
    waiting = asyncio.ensure_future(registry.replaced(first))
    gone = await registry.register(node("b"))
    never = asyncio.ensure_future(registry.replaced(gone))
    await registry.remove(gone)
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await registry.register(node("a", 2))
    await asyncio.wait_for(waiting, SOON)
    await asyncio.wait_for(registry.replaced(first), SOON)
    never.cancel()
    await asyncio.gather(never, return_exceptions=True)


async def test_drains_are_kept_apart_from_entries(registry: Registry):
    """The last word counts, until the node is resumed; entries come and go meanwhile."""
    drains = registry.watch_drains()
    assert await asyncio.wait_for(anext(drains), SOON) == {}
    await registry.drain("a", Drain("kernel", 1))
    await registry.drain("a", Drain("disk", 2))
    record = await registry.register(node("a"))
    await registry.remove(record)
    async with asyncio.timeout(SOON):
        async for told in drains:
            if told == {"a": Drain("disk", 2)}:
                break
    assert await registry.resume("a")
    assert not await registry.resume("a")
    async with asyncio.timeout(SOON):
        async for told in drains:
            if told == {}:
                break
    await drains.aclose()  # type: ignore[attr-defined]


async def test_a_drain_is_known_where_it_was_said(registry: Registry):
    """As soon as that is answered, whatever the registry tells, and when."""
    for number in range(5):
        await registry.drain("a", Drain("kernel", number))
        assert registry.drains == {"a": Drain("kernel", number)}
        await registry.drain("b", Drain("disk", number))
        assert registry.drains == {"a": Drain("kernel", number), "b": Drain("disk", number)}
        assert await registry.resume("a")
        assert registry.drains == {"b": Drain("disk", number)}
        assert await registry.resume("b")
        assert registry.drains == {}
