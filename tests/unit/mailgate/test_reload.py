"""Settings that are read again: all at once or not at all, and never too often."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from mailgate.errors import Mistake, SettingsInvalid
from mailgate.reload import Reload


@dataclass(frozen=True)
class Settings:
    """`live` counts at once, `fixed` from the next start on."""

    live: int = 0
    fixed: int = 0


class World:
    """A file that a test writes, and what is in force."""

    def __init__(self) -> None:
        self.file: Settings | Exception = Settings()
        self.readings = 0
        self.used: list[Settings] = []
        self.unfit: Exception | None = None
        self.go_on = threading.Event()
        self.go_on.set()
        self.asked = asyncio.Event()
        self.now_ms = 1000
        self.reload = Reload(Settings(), self.read, ["live"], self.prepare, lambda: self.now_ms)

    def read(self) -> Settings:
        self.readings += 1
        found = self.file
        self.go_on.wait(5)
        if isinstance(found, Exception):
            raise found
        return found

    def prepare(self, settings: Settings) -> Callable[[], None]:
        if self.unfit is not None:
            raise self.unfit
        return lambda: self.used.append(settings)

    async def ask(self) -> None:
        """Ask, and wait until it has been answered."""
        before = self.sample("reloads") + self.sample("refused")
        self.asked.set()
        while self.sample("reloads") + self.sample("refused") == before:  # noqa: ASYNC110
            await asyncio.sleep(0)

    def sample(self, what: str) -> float:
        return next(sample.value for sample in self.reload.stats() if what in sample.metric.name)


@asynccontextmanager
async def running() -> AsyncIterator[World]:
    world = World()
    task = asyncio.get_running_loop().create_task(world.reload.run(world.asked))
    try:
        yield world
        assert not task.done()
    finally:
        world.go_on.set()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_counts_at_once_is_in_force_and_what_does_not_is_named():
    """Until the file has the old value again: then nothing is left to be said."""
    async with running() as world:
        world.file, world.now_ms = Settings(live=1, fixed=1), 2000
        await world.ask()
        assert world.used == [Settings(live=1)]
        assert (world.reload.settings, world.reload.restart, world.reload.loaded_ms) == (Settings(live=1), ("fixed",), 2000)
        world.file = Settings(live=2)
        await world.ask()
        assert (world.reload.settings, world.reload.restart) == (Settings(live=2), ())


async def test_mistakes_change_nothing_and_are_shown_until_a_good_reading():
    """All of them, as they stand in the error."""
    async with running() as world:
        world.file = SettingsInvalid([Mistake("a", "1", "cure it"), Mistake("b", "2", "and this")])
        await world.ask()
        await world.ask()
        assert world.reload.refusal == "a = 1: cure it\nb = 2: and this"
        assert (world.used, world.reload.loaded_ms, world.sample("refused"), world.sample("sound")) == ([], 1000, 2, 0)
        world.file = Settings(live=3)
        await world.ask()
        assert (world.reload.refusal, world.sample("sound"), world.used) == ("", 1, [Settings(live=3)])


async def test_what_cannot_be_prepared_changes_nothing():
    """Though the file itself reads well."""
    async with running() as world:
        world.file, world.unfit = Settings(live=1), SettingsInvalid([Mistake("tenants", "x", "y")])
        await world.ask()
        assert (world.used, world.reload.settings, world.reload.refusal) == ([], Settings(), "tenants = x: y")


async def test_a_fault_of_ours_ends_no_process():
    """It is told as one; the next reading may be good."""
    async with running() as world:
        world.file = ZeroDivisionError("oh")
        await world.ask()
        assert world.reload.refusal == "a fault of this release: ZeroDivisionError('oh')"
        world.file = Settings(live=1)
        await world.ask()
        assert world.used == [Settings(live=1)]


async def test_many_who_ask_while_it_reads_are_one_further_reading():
    """And that one sees what the file has when it begins."""
    async with running() as world:
        world.go_on.clear()
        world.asked.set()
        while not world.readings:  # noqa: ASYNC110
            await asyncio.sleep(0)
        world.file = Settings(live=9)
        for _ in range(10):
            world.asked.set()
            await asyncio.sleep(0)
        assert world.readings == 1
        world.go_on.set()
        while world.sample("reloads") < 2:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert (world.readings, world.used) == (2, [Settings(), Settings(live=9)])
