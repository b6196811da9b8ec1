"""What `mailgate up` does for a child, with children that do nothing else."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

from mailgate.cli.supervise import Child

CHATTER = """
import sys, time
number = 0
while True:
    number += 1
    print(number, "x" * 1000, flush=True)
    time.sleep(0.001)
"""


async def test_the_log_of_a_running_child_is_bounded(tmp_path: Path) -> None:
    """What was written becomes NAME.1, the child goes on at the beginning of the same file, and an older NAME.1 is gone."""
    log, older = tmp_path / "chatter.log", tmp_path / "chatter.log.1"
    child = Child("chatter", [sys.executable, "-c", CHATTER], {}, log, lambda *_: None)
    await child.start()
    try:
        last = 0
        for _ in range(2):
            await until(lambda: log.stat().st_size >= 50_000)
            child.bound_log(10**9)
            assert log.stat().st_size >= 50_000, "it was not long yet"
            child.bound_log(49_000)
            kept = numbers(older)
            assert kept[0] > last, "what was kept before is gone"
            last = kept[-1]
            await until(lambda: bool(numbers(log)))
            assert b"\0" not in log.read_bytes()
            assert numbers(log)[0] > last
    finally:
        child.kill()
        await child.ended()


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not what():  # noqa: ASYNC110 - nobody would tell us
            await asyncio.sleep(0.01)


def numbers(log: Path) -> list[int]:
    """Of its lines; the last may be under way."""
    return [int(line.split()[0]) for line in log.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


async def test_a_killed_child_is_waited_for(tmp_path: Path) -> None:
    """Only then nothing of it is left to complain; one that never ran need not be waited for."""
    child = Child("sleeper", [sys.executable, "-c", "import time; time.sleep(60)"], {}, tmp_path / "sleeper.log", lambda *_: None)
    await child.gone()
    await child.start()
    assert child.pid is not None
    child.kill()
    await child.gone()
    assert child.pid is None


def test_a_child_that_never_wrote_has_nothing_to_bound(tmp_path: Path) -> None:
    """It has not been started yet."""
    Child("mute", [], {}, tmp_path / "mute.log", lambda *_: None).bound_log()
    assert list(tmp_path.iterdir()) == []
