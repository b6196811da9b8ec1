"""When the next frame may go. Time stands still: a wait ends by what is said, not by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from mailgate.rpc.pace import CROWD, CROWDED, ENOUGH, PACE, THRONG, THRONGED, Pace


class StillLoop:
    """A loop's clock and timers; `waits` are the seconds of those that were set."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def time(self) -> float:
        return 100.0

    def call_later(self, seconds: float, _call: Callable[[], None]) -> asyncio.Handle:
        self.waits.append(seconds)
        return asyncio.Handle(lambda: None, (), asyncio.get_event_loop())


@pytest.fixture
def still(monkeypatch):
    loop = StillLoop()
    monkeypatch.setattr("mailgate.rpc.pace.asyncio.get_running_loop", lambda: loop)
    return loop


async def test_the_first_frame_goes_at_once(still):
    """Nothing was said of late."""
    pace = Pace()
    pace.now()
    await pace.turn()
    assert still.waits == []


@pytest.mark.parametrize(("words", "wait"), [(1, PACE), (CROWD - 1, PACE), (CROWD, CROWDED), (THRONG - 1, CROWDED), (THRONG, THRONGED)])
async def test_the_next_waits_by_what_the_one_before_had(still, words, wait):
    """Who is alone waits less, and ENOUGH words end any wait."""
    pace = Pace()
    pace.now(words)
    await pace.turn()
    pace.now()
    turn = asyncio.ensure_future(pace.turn())
    await asyncio.sleep(0)
    assert still.waits == [pytest.approx(wait)]
    pace.now(ENOUGH - 2)
    await asyncio.sleep(0)
    assert not turn.done()
    pace.now()
    await turn


async def test_what_waits_for_nothing(still):
    """Ends a wait, or has none."""
    pace = Pace()
    pace.now(THRONG)
    await pace.turn()
    turn = asyncio.ensure_future(pace.turn())
    pace.now()
    await asyncio.sleep(0)
    assert not turn.done()
    pace.at_once()
    await turn


async def test_how_much_is_enough_is_for_the_writer_to_say(still):
    """A node with many connections waits for a fuller frame."""
    pace = Pace()
    pace.now()
    await pace.turn()
    turn = asyncio.ensure_future(pace.turn(3 * ENOUGH))
    await asyncio.sleep(0)
    pace.now(2 * ENOUGH)
    await asyncio.sleep(0)
    pace.now(ENOUGH - 1)
    await asyncio.sleep(0)
    assert not turn.done()
    pace.now()
    await turn
