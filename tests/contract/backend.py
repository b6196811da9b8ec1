"""The backends that the suites run over, each behind one face."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import TracebackType
from typing import Protocol

from gateway.journal.journal import Journal
from gateway.journal.options import JournalOptions
from gateway.ledger.files import Files
from gateway.ledger.memory import MemoryLedger
from gateway.ledger.port import Accepted, Ledger
from gateway.queue.memory import MemoryQueue
from gateway.queue.port import Queue
from mailgate.job import Job
from tests.contract.builders import Clock, Room, jobs_of, plenty

SOON = 5.0
"""Seconds within which something that must come comes, on any machine."""
MOMENT = 0.03
"""Seconds in which something that must not come is waited for."""


class Backend(Protocol):
    """A ledger and a queue that belong together, and their clock."""

    ledger: Ledger
    queue: Queue
    files: Files
    clock: Clock


async def take(backend: Backend, count: int, room: Room = plenty) -> list[Job]:
    """Take until there are `count`; the queue must have them."""
    taken: list[Job] = []
    while len(taken) < count:
        taken += await asyncio.wait_for(backend.queue.take(_at_most(count - len(taken), room)), SOON)
    return taken


def _at_most(left: int, room: Room) -> Room:
    return lambda lane, key: min(left, room(lane, key))


async def nothing_to_take(backend: Backend, room: Room = plenty) -> None:
    """The queue has nothing for this room."""
    try:
        taken = await asyncio.wait_for(backend.queue.take(room), MOMENT)
    except TimeoutError:
        return
    raise AssertionError(f"the queue gave {taken}")


async def accept(backend: Backend, mails: list[Accepted]) -> list[Job]:
    """Accept mails and put their jobs, as admission does."""
    await backend.ledger.accept(mails)
    jobs = jobs_of(mails)
    await backend.queue.put(jobs)
    return jobs


async def move_due(backend: Backend) -> None:
    """What the dispatcher does from time to time: bring what is due from the ledger to the queue."""
    if due := await backend.ledger.due(backend.clock.now_ms, 1000):
        await backend.queue.put(due)
    backend.queue.nudge()


class MemoryBackend:
    """The references."""

    def __init__(self, _directory: Path, clock: Clock) -> None:
        self.ledger, self.queue, self.clock = MemoryLedger(), MemoryQueue(), clock
        self.files = self.ledger.files

    async def __aenter__(self) -> MemoryBackend:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None


class JournalBackend:
    """The journal, in a directory of its own; options that bring all its ways into play with few jobs."""

    options = JournalOptions(reserve_bytes=0, window_jobs=8, window_share=0.5, refill_jobs=3, take_jobs=300)

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._directory, self.clock = directory, clock

    async def __aenter__(self) -> JournalBackend:
        self.journal = Journal(self._directory, self.options, self.clock)
        await self.journal.__aenter__()
        self.ledger, self.queue, self.files = self.journal.ledger, self.journal.queue, self.journal.files
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.journal.__aexit__(kind, error, trace)


BACKENDS = {"memory": MemoryBackend, "journal": JournalBackend}
