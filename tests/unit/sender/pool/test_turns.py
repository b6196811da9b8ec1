"""Dials take turns: thousands at a stroke would all run into their time limits."""

from __future__ import annotations

import asyncio

from sender.pool.turns import Turns
from tests.unit.virtual_time import simulate


class Dials:
    """Begins some, and keeps the times at which each had its turn."""

    def __init__(self, turns: Turns) -> None:
        self.turns, self.began, self.under_way, self.most = turns, dict[str, float](), 0, 0
        self.start = asyncio.get_running_loop().time()

    def dial(self, name: str, seconds: float) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(self._dial(name, seconds))

    async def _dial(self, name: str, seconds: float) -> None:
        async with self.turns.one():
            self.began[name] = round(asyncio.get_running_loop().time() - self.start, 3)
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            try:
                await asyncio.sleep(seconds)
            finally:
                self.under_way -= 1


def test_so_many_at_once_and_in_order():
    """A thousand quick ones: three at a time, and each has its turn."""

    async def main() -> None:
        dials = Dials(Turns(3, 0.5))
        await asyncio.gather(*[dials.dial(str(number), 0.1) for number in range(1000)])
        assert dials.most == 3
        assert list(dials.began) == [str(number) for number in range(1000)]
        assert max(dials.began.values()) < 1000 / 3 * 0.1 + 0.01

    simulate(main)


def test_a_silent_host_holds_up_nobody_for_long():
    """Its place is another's after the patience, and when it ends at last that frees no second one."""

    async def main() -> None:
        dials = Dials(Turns(2, 0.5))
        silent = [dials.dial(f"silent{number}", 5.0) for number in range(2)]
        quick = [dials.dial(f"quick{number}", 0.4) for number in range(30)]
        await asyncio.gather(*quick, *silent)
        assert dials.began["silent0"] == dials.began["silent1"] == 0.0
        assert dials.began["quick0"] == dials.began["quick1"] == 0.5
        assert dials.began["quick29"] == 6.1, "two at a time"
        assert dials.most == 4

    simulate(main)


def test_one_that_is_given_up_frees_its_place_or_its_turn():
    """Cancelled while it waits, and while it has its place."""

    async def main() -> None:
        dials = Dials(Turns(1, 60.0))
        first, second, third = dials.dial("first", 30.0), dials.dial("second", 1.0), dials.dial("third", 1.0)
        await asyncio.sleep(1.0)
        second.cancel()
        first.cancel()
        await third
        assert dials.began == {"first": 0.0, "third": 1.0}

    simulate(main)
