"""The registries that the suite runs over, each behind one face."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.peers.etcd import Cluster, cluster, why_not
from gateway.registry.etcd.options import RegistryOptions
from gateway.registry.etcd.registry import EtcdRegistry, open_registry
from gateway.registry.memory import MemoryRegistry
from gateway.registry.port import NodeRecord, Registry

SOON = 10.0
"""Seconds within which something that must come comes, on any machine."""
TTL = 2
"""Seconds of the shortest lease that etcd has, for tests that wait for its end."""
LONG = 10
"""Of one that does not end by itself: a busy machine may stop a test for longer than TTL."""
_numbers = itertools.count()


def demand_etcd(release: str) -> None:
    """Fail or skip where it cannot run."""
    if missing := why_not(release):
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)


@contextmanager
def etcd(folder: Path, release: str = "3.5", members: int = 1) -> Iterator[Cluster]:
    """One that runs."""
    demand_etcd(release)
    with cluster(folder, members, release) as made:
        yield made


def options(endpoints: Sequence[str], prefix: str = "/mailgate", lease: int = LONG, **more: object) -> RegistryOptions:
    """Of a gateway with such a lease."""
    return RegistryOptions(endpoints=tuple(endpoints), prefix=prefix, ttl=timedelta(seconds=lease), **more)  # type: ignore[arg-type]


@asynccontextmanager
async def running(options: RegistryOptions, gateway_id: str = "g1") -> AsyncIterator[EtcdRegistry]:
    """A gateway's registry that runs. Left: as if the gateway were killed, its entries stay for their lease."""
    async with open_registry(options, gateway_id) as registry:
        task = asyncio.get_running_loop().create_task(registry.run())
        try:
            yield registry
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def memory_registry(_cluster: Cluster | None) -> AsyncIterator[Registry]:
    """The reference."""
    yield MemoryRegistry(lease=0.5)


@asynccontextmanager
async def etcd_registry(found: Cluster | None) -> AsyncIterator[Registry]:
    """Below a prefix of its own."""
    assert found is not None
    async with running(options(found.endpoints, f"/test{next(_numbers)}", TTL)) as registry:
        yield registry


async def until(true: Callable[[], object], within: float = 10.0) -> None:
    """Look until it is so."""
    async with asyncio.timeout(within):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def node(node_id: str, boot: int = 1, address: str = "h:1") -> NodeRecord:
    """As it registers itself."""
    return NodeRecord(node_id, bytes([boot]) * 16, address, "1")


class Watched:
    """What a watcher is told: every list, in order."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.lists: list[tuple[NodeRecord, ...]] = []
        self._bell = asyncio.Event()

    async def __aenter__(self) -> Watched:
        self._task = asyncio.get_running_loop().create_task(self._watch())
        await self.until(lambda _: True)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    @property
    def now(self) -> tuple[NodeRecord, ...]:
        """The last list."""
        return self.lists[-1]

    async def until(self, true: Callable[[tuple[NodeRecord, ...]], object], within: float = SOON) -> None:
        """Wait for a list of which this is true."""
        async with asyncio.timeout(within):
            while not self.lists or not true(self.now):
                self._bell.clear()
                await self._bell.wait()

    async def _watch(self) -> None:
        async for records in self._registry.watch():
            self.lists.append(records)
            self._bell.set()


def ids(records: Sequence[NodeRecord]) -> list[str]:
    """Their node ids."""
    return [record.node_id for record in records]
