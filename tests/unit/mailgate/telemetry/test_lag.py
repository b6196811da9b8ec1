"""The loop's lag: seen, kept for a window, and forgotten."""

import asyncio
import time

from mailgate.telemetry import names
from mailgate.telemetry.lag import WINDOW, LoopLag
from mailgate.telemetry.sample import check


def test_the_worst_is_of_this_window_and_the_one_before():
    """It is still told half a minute after, and no longer told two windows after."""
    lag = LoopLag()
    lag.observe(0.3, now=1000.0)
    lag.observe(0.1, now=1001.0)
    assert lag.worst(1000.0 + WINDOW - 1) == 0.3
    lag.observe(0.2, now=1000.0 + WINDOW + 1)
    assert lag.worst(1000.0 + WINDOW + 2) == 0.3
    assert lag.worst(1000.0 + 2 * WINDOW + 2) == 0.2
    assert lag.worst(1000.0 + 9 * WINDOW) == 0.0


async def test_a_held_loop_is_seen():
    """Who holds the loop for 120 ms is told at half of it or more."""
    async with LoopLag(period=0.01) as lag:
        await asyncio.sleep(0)
        time.sleep(0.12)  # noqa: ASYNC251 - this is the rule under test
        await asyncio.sleep(0.02)
        samples = {sample.metric: sample for sample in lag.stats()}
    for sample in samples.values():
        check(sample)
    assert samples[names.LOOP_LAG_MAX].value >= 0.06
    assert samples[names.LOOP_LAG].value.count >= 1


async def test_its_task_ends_with_it():
    """Leaving the context leaves no task behind."""
    before = asyncio.all_tasks()
    async with LoopLag():
        assert len(asyncio.all_tasks()) == len(before) + 1
    assert asyncio.all_tasks() == before
