"""Stop: the first request is graceful, the second means now; signals and the end of the parent are requests."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from mailgate.errors import Mistake, SettingsInvalid
from mailgate.lifecycle import LIFELINE, Stop, mistakes_text, until_stopped

CHILD = """
import asyncio
from mailgate.lifecycle import until_stopped
async def run(stop):
    print("up", flush=True)
    await stop.graceful.wait()
    print("graceful", flush=True)
asyncio.run(until_stopped(run, lambda what: print(what, flush=True)))
"""


async def test_the_first_request_is_graceful_and_the_second_means_now() -> None:
    """A third changes nothing; each of the two is told once."""
    told: list[str] = []
    stop = Stop(told.append)
    assert repr(stop) == "<Stop not asked>"
    stop.request("a")
    assert stop.graceful.is_set()
    assert not stop.now.is_set()
    stop.request("b")
    stop.request("c")
    assert stop.now.is_set()
    assert told == ["stopping: a", "stopping at once: b"]


async def test_both_signals_are_requests_while_it_listens() -> None:
    """And the handlers are gone afterwards."""
    before = signal.getsignal(signal.SIGTERM)

    async def run(stop: Stop) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(stop.graceful.wait(), 5)
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.wait_for(stop.now.wait(), 5)

    await until_stopped(run)
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_process_ends_when_its_parent_lets_go_of_the_lifeline() -> None:
    """The pipe's end comes whatever killed the parent."""
    environment = {**os.environ, LIFELINE: "stdin"}
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == "up\n"
        child.stdin.close()
        assert child.wait(10) == 0
        assert "graceful" in child.stdout.read()
    finally:
        child.kill()
        child.stdout.close()
        child.wait()


def test_mistakes_are_a_list_for_a_terminal() -> None:
    """A head that counts, a line each."""
    error = SettingsInvalid([Mistake("a", "1", "x"), Mistake("b", "2", "y")])
    assert mistakes_text(error) == "2 mistakes in the settings:\n  a = 1: x\n  b = 2: y\n"


@pytest.mark.parametrize("role", ["gateway", "sender"])
def test_grpc_is_loaded_when_it_was_told_to_be_quiet(role):
    """It looks at its verbosity once, when it is loaded: `serve` sets it, so what the process's main imports must not load it."""
    code = f"import sys, {role}.__main__; sys.exit('grpc' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode == 0
