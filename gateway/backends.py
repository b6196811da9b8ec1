"""Which adapters stand behind the ports: one journal for ledger and queue; a registry in memory, or in etcd where it has endpoints."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.journal.journal import Journal
from gateway.ledger.files import Files
from gateway.ledger.port import Ledger
from gateway.queue.port import Queue
from gateway.registry.etcd.registry import open_registry
from gateway.registry.memory import MemoryRegistry
from gateway.registry.port import Registry
from gateway.settings import GatewaySettings
from mailgate.telemetry.sample import HistogramSample, Sample


@dataclass(frozen=True, slots=True)
class Backends:
    """What the rooms above are wired to."""

    ledger: Ledger
    queue: Queue
    files: Files
    registry: Registry
    gateway_id: str
    epoch: int
    early: bool
    """The ledger is this process's alone: dispatch/committer.py says what that allows."""
    recovering: bool
    """The last stop was not clean: what looks ready may be under way."""
    recovered: Callable[[], None]
    """To be called when nobody waits for the nodes' inventories any more; a stop before that is not clean either."""
    recorded_ms: int
    """The latest time that an earlier life has recorded; 0: none has."""
    broken: asyncio.Future[None]
    """Ends with StorageBroken when the process must stop."""
    stats: Callable[[], Iterable[Sample | HistogramSample]]


@asynccontextmanager
async def open_backends(settings: GatewaySettings, now_ms: Callable[[], int]) -> AsyncIterator[Backends]:
    """Open them, and close them in the end: what was handed over is durable then.

    Raises:
        SettingsInvalid: the data directory is another gateway's, or cannot be used; or etcd does not let this gateway in.
    """
    data = Path(settings.gateway.data)
    async with AsyncExitStack() as opened:
        journal = await opened.enter_async_context(Journal(data, settings.journal, now_ms))
        gateway_id = settings.gateway.id or journal.gateway_id
        registry: Registry = MemoryRegistry()
        if settings.etcd.endpoints:
            registry = await opened.enter_async_context(open_registry(settings.etcd, gateway_id))
        yield Backends(
            journal.ledger,
            journal.queue,
            journal.files,
            registry,
            gateway_id,
            journal.epoch,
            early=True,
            recovering=journal.recovering,
            recovered=journal.recovered,
            recorded_ms=journal.recorded_ms,
            broken=journal.broken,
            stats=journal.stats,
        )
