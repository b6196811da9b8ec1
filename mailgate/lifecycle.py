"""The life of a process: settings, logs, loop; how it is asked to stop, and, by SIGHUP, to read its settings again."""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from mailgate.errors import MailgateError, SettingsInvalid
from mailgate.telemetry import logs
from mailgate.telemetry.options import TelemetryOptions

CONFIG = "MAILGATE_CONFIG"
"""The path of the settings file, where `--config` does not give it."""

LIFELINE = "MAILGATE_LIFELINE"
"""Set to "stdin": standard input is a pipe that the parent holds open; its end means that the parent is gone."""

ORPHAN_GRACE = 10.0
"""Seconds that a process whose parent is gone takes for its leave. What is not done then is recovered at the next start."""

HARD_GRACE = 5.0
"""Seconds after that until it ends without asking its loop, which may hang."""

EXIT_FAILED, EXIT_SETTINGS = 1, 2

STANDARD = (0, 1, 2)
"""Input, output, errors."""

Told = Callable[[str], object]


class HasTelemetry(Protocol):
    """Settings of a process, as far as this file needs them."""

    @property
    def telemetry(self) -> TelemetryOptions:
        """How logs look."""
        ...


S = TypeVar("S", bound=HasTelemetry)
T = TypeVar("T")


@dataclass(frozen=True)
class Again(Generic[T]):
    """The settings once more: SIGHUP sets `asked`; `read` reads file and variables as at the start, and blocks and raises as then."""

    asked: asyncio.Event
    read: Callable[[], T]


class Stop:
    """Two events of one loop: `graceful`, finish what is in hand and end; `now`, end at once. The first request sets one, the next both."""

    def __init__(self, told: Told | None = None) -> None:
        """`told` hears in a few words what was asked and why, for the log."""
        self.graceful = asyncio.Event()
        self.now = asyncio.Event()
        self._told = told or (lambda _: None)

    def __repr__(self) -> str:
        return f"<Stop {'now' if self.now.is_set() else 'graceful' if self.graceful.is_set() else 'not asked'}>"

    def request(self, why: str) -> None:
        """Ask once more. Only from the loop's own thread."""
        if not self.graceful.is_set():
            self._told(f"stopping: {why}")
            self.graceful.set()
        elif not self.now.is_set():
            self._told(f"stopping at once: {why}")
            self.now.set()

    @asynccontextmanager
    async def listening(self, hangups: Hangups | None = None) -> AsyncIterator[Stop]:
        """While inside, SIGINT, SIGTERM and the end of the parent are requests; with `hangups` also the end of the terminal."""
        loop = asyncio.get_running_loop()
        signals = (signal.SIGINT, signal.SIGTERM)
        for number in signals:
            loop.add_signal_handler(number, self.request, signal.Signals(number).name)
        if hangups is not None:
            hangups.listen(loop, self)
        if os.environ.get(LIFELINE) == "stdin":
            threading.Thread(target=_watch_parent, args=(loop, self), name="lifeline", daemon=True).start()
        try:
            yield self
        finally:
            for number in signals:
                loop.remove_signal_handler(number)
            if hangups is not None:
                loop.remove_signal_handler(signal.SIGHUP)
                signal.signal(signal.SIGHUP, signal.SIG_IGN)


class Hangups:
    """SIGHUP, heard from here on, so that it ends no process that is still starting. A parent may have kept it back until now.

    It sets `asked`: read the settings again. But when the process was in the foreground of a terminal that is gone, the signal says that;
    one in the background is a daemon to its shell, and may be asked after its terminal has gone.
    """

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self._terminals = [fd for fd in STANDARD if _in_foreground(fd)]
        signal.signal(signal.SIGHUP, lambda *_: self.asked.set())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})

    def listen(self, loop: asyncio.AbstractEventLoop, stop: Stop) -> None:
        """The loop hears it now, with whatever came before."""
        loop.add_signal_handler(signal.SIGHUP, self._came, stop)
        if self.asked.is_set():
            self._came(stop)

    def _came(self, stop: Stop) -> None:
        if not (gone := [fd for fd in self._terminals if not os.isatty(fd)]):
            self.asked.set()
            return
        self._terminals = []
        nowhere = os.open(os.devnull, os.O_RDWR)
        for fd in gone:  # else the last words would be errors
            os.dup2(nowhere, fd)
        stop.request("the terminal is gone")


class HeldBack:
    """While inside, SIGHUP is kept back in this thread, and in the processes that it starts, until they hear Hangups. It may be nested."""

    def __init__(self) -> None:
        self._inside = 0

    def __enter__(self) -> None:
        self._inside += 1
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})

    def __exit__(self, *_: object) -> None:
        self._inside -= 1
        if not self._inside:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})


HELD_BACK = HeldBack()


async def until_stopped(run: Callable[[Stop], Awaitable[None]], told: Told | None = None) -> None:
    """The life of a process: `run` with a Stop that listens."""
    async with Stop(told).listening() as stop:
        await run(stop)


def serve(role: str, read: Callable[[str | None, Mapping[str, str]], S], run: Callable[[S, Stop, Again[S]], Awaitable[None]]) -> int:
    """The main of a process: its exit code. Wrong settings are listed on stderr, all of them, and are EXIT_SETTINGS."""
    hangups = Hangups()
    parser = argparse.ArgumentParser(prog=f"python -m {role}", description=f"A Mailgate {role}. MAILGATE_SECTION__KEY overrides the file.")
    parser.add_argument("--config", metavar="FILE", default=os.environ.get(CONFIG) or None, help=f"settings (TOML); default: ${CONFIG}")
    path = parser.parse_args().config
    import uvloop

    # gRPC tells of peers that hang by itself, in lines that are neither ours nor JSON. It looks here once, when it is loaded.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    try:
        settings = read(path, os.environ)
        logs.configure(settings.telemetry, role=role)
        log = logs.get_logger("mailgate.lifecycle")

        async def life() -> None:
            async with Stop(lambda what: log.info("lifecycle", what=what)).listening(hangups) as stop:
                await run(settings, stop, Again(hangups.asked, lambda: read(path, os.environ)))

        uvloop.run(life())
    except SettingsInvalid as error:
        sys.stderr.write(mistakes_text(error))
        return EXIT_SETTINGS
    except MailgateError as error:
        sys.stderr.write(f"{role}: {error}\n")
        return EXIT_FAILED
    return 0


def settle_heap() -> None:
    """When all is imported and wired: what lives as long as the process is never looked at again, and the collector looks less often.

    Values of the hot path die by their reference counts; at Python's threshold of 700 the collector took 3 % of the gateway's time (perf).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def mistakes_text(error: SettingsInvalid) -> str:
    """All mistakes, a line each, for a terminal."""
    count = len(error.mistakes)
    head = "a mistake in the settings:" if count == 1 else f"{count} mistakes in the settings:"
    return "\n".join([head, *(f"  {mistake}" for mistake in error.mistakes), ""])


def _in_foreground(fd: int) -> bool:
    """It is the terminal of this session, and this process is not in its background."""
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return False


def _watch_parent(loop: asyncio.AbstractEventLoop, stop: Stop) -> None:
    while True:
        try:
            if not os.read(0, 1024):
                break
        except OSError:
            break
    _ask(loop, stop, "the process that started this one is gone")
    timer = threading.Event()
    timer.wait(ORPHAN_GRACE)
    _ask(loop, stop, "the process that started this one is gone")
    timer.wait(HARD_GRACE)
    os._exit(1)


def _ask(loop: asyncio.AbstractEventLoop, stop: Stop, why: str) -> None:
    try:
        loop.call_soon_threadsafe(stop.request, why)
    except RuntimeError:
        os._exit(0)
