"""Stop: the first request is graceful, the second means now; signals and the end of the parent are requests."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import subprocess
import sys

import pytest

from mailgate.errors import Mistake, SettingsInvalid
from mailgate.lifecycle import EXIT_SETTINGS, HELD_BACK, LIFELINE, Hangups, Stop, mistakes_text, until_stopped

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


async def test_hangups_ask_for_other_settings_and_end_nothing():
    """Before the loop listens, while it does, and when it does no more."""
    before = signal.getsignal(signal.SIGHUP)
    try:
        hangups = Hangups()
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0)
        assert hangups.asked.is_set()
        async with Stop().listening(hangups) as stop:
            assert hangups.asked.is_set()
            hangups.asked.clear()
            os.kill(os.getpid(), signal.SIGHUP)
            await asyncio.wait_for(hangups.asked.wait(), 5)
            assert not stop.graceful.is_set()
        os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


EARLY = """
import asyncio, sys
sys.stdin.readline()
from mailgate.lifecycle import Hangups, Stop
hangups = Hangups()
async def life():
    async with Stop().listening(hangups) as stop:
        print("asked" if hangups.asked.is_set() else "not asked", flush=True)
        await stop.graceful.wait()
asyncio.run(life())
"""


def test_a_hangup_that_is_held_back_reaches_a_process_that_was_still_starting():
    """It would have died of it. Those who hold back may be nested."""
    with HELD_BACK, HELD_BACK:
        child = subprocess.Popen([sys.executable, "-c", EARLY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert signal.SIGHUP not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert child.stdin is not None
    assert child.stdout is not None
    with child:
        try:
            child.send_signal(signal.SIGHUP)
            child.stdin.write("go on\n")
            child.stdin.flush()
            assert child.stdout.readline() == "asked\n"
            child.send_signal(signal.SIGTERM)
            assert child.wait(10) == 0
        finally:
            child.kill()


LOADING = """
import os, runpy, signal, sys
class Hangup:
    def find_spec(self, name, path=None, target=None):
        if name == "mailgate.lifecycle":
            os.kill(os.getpid(), signal.SIGHUP)
sys.meta_path.insert(0, Hangup())
role = sys.argv.pop(1)
runpy.run_module(role, run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("role", ["gateway", "sender"])
def test_a_hangup_does_not_end_a_process_that_still_loads(role, tmp_path):
    """Nobody keeps it back for one that is started by itself; it goes on as far as its settings, which are wrong here."""
    command = [sys.executable, "-c", LOADING, role, "--config", str(tmp_path / "missing.toml")]
    ended = subprocess.run(command, check=False, timeout=30, capture_output=True, text=True)
    assert (ended.returncode, "can't be read" in ended.stderr) == (EXIT_SETTINGS, True)


TERMINAL = """
import asyncio, fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
out = int(sys.argv[1])
from mailgate.lifecycle import Hangups, Stop
hangups = Hangups()
async def life():
    async with Stop(lambda what: os.write(out, what.encode())).listening(hangups) as stop:
        os.write(out, b"up ")
        asked, gone = asyncio.ensure_future(hangups.asked.wait()), asyncio.ensure_future(stop.graceful.wait())
        await asked
        os.write(out, b"asked ")
        await gone
        print("to nobody", flush=True)
asyncio.run(life())
"""


def test_with_its_terminal_a_process_ends():
    """Somebody closed the window: the kernel hangs up. While the terminal is there, the same signal asks for other settings."""
    said, say = os.pipe()
    terminal, its_end = pty.openpty()
    command = [sys.executable, "-c", TERMINAL, str(say)]
    child = subprocess.Popen(command, stdin=its_end, stdout=its_end, stderr=its_end, pass_fds=[say], start_new_session=True)
    os.close(say)
    os.close(its_end)
    with os.fdopen(said, "rb", buffering=0) as hears, child:
        try:
            heard = hears.read(3)
            child.send_signal(signal.SIGHUP)
            while not heard.endswith(b"asked "):
                heard += hears.read(100)
            os.close(terminal)
            while more := hears.read(100):
                heard += more
            assert child.wait(10) == 0
        finally:
            child.kill()
    assert heard == b"up asked stopping: the terminal is gone"


BACKGROUND = """
import asyncio, fcntl, os, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
out = int(sys.argv[1])
from mailgate.lifecycle import Hangups, Stop
if os.fork():
    os.wait()
    sys.exit()
os.setpgid(0, 0)
hangups = Hangups()
async def life():
    async with Stop(lambda what: os.write(out, what.encode())).listening(hangups):
        os.write(out, b"%d " % os.getpid())
        await hangups.asked.wait()
        os.write(out, b"asked")
asyncio.run(life())
"""


def test_in_the_background_a_process_outlives_its_terminal():
    """Whoever is asked for other settings long after the log-in has ended gives them, and does not stop."""
    said, say = os.pipe()
    terminal, its_end = pty.openpty()
    command = [sys.executable, "-c", BACKGROUND, str(say)]
    leader = subprocess.Popen(command, stdin=its_end, stdout=its_end, stderr=its_end, pass_fds=[say], start_new_session=True)
    os.close(say)
    os.close(its_end)
    with os.fdopen(said, "rb", buffering=0) as hears, leader:
        try:
            heard = b""
            while not heard.endswith(b" "):
                heard += hears.read(20)
            os.close(terminal)
            os.kill(int(heard), signal.SIGHUP)
            assert hears.read(100) == b"asked"
            assert leader.wait(10) == 0
        finally:
            leader.kill()


def test_mistakes_are_a_list_for_a_terminal() -> None:
    """A head that counts, a line each."""
    error = SettingsInvalid([Mistake("a", "1", "x"), Mistake("b", "2", "y")])
    assert mistakes_text(error) == "2 mistakes in the settings:\n  a = 1: x\n  b = 2: y\n"


@pytest.mark.parametrize("role", ["gateway", "sender"])
def test_grpc_is_loaded_when_it_was_told_to_be_quiet(role):
    """It looks at its verbosity once, when it is loaded: `serve` sets it, so what the process's main imports must not load it."""
    code = f"import sys, mailgate.lifecycle, {role}.__main__; sys.exit('grpc' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode == 0
