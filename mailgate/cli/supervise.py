"""A child process of `mailgate up`: started, started anew when it dies, stopped, and never left behind."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mailgate.errors import MailgateError
from mailgate.lifecycle import HELD_BACK, LIFELINE

FIRST_DELAY, LONGEST_DELAY = 0.1, 5.0
"""Seconds between a death and the next start; doubled each time."""

STEADY = 10.0
"""Seconds after which a child counts as well again, and the delay as the first."""

LOG_OCTETS = 16 * 2**20
"""A log that grows beyond this becomes NAME.1 while its process runs: some hours at INFO under load, and at most twice that on the disk."""
TAIL_OCTETS = 4096
TAIL_LINES = 20

Told = Callable[[str, str, int | None], None]
"""Hears of a child: its name, what happened, and the process that runs now, if one does."""


class ChildFailed(MailgateError):
    """A child ended before it was ready; its last words are in the text."""


class Child:
    """One process at a time. Its output goes to its log; it sees the end of this process as the end of its standard input."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path, told: Told) -> None:
        self.name = name
        self.log = log
        self._command = command
        self._environment = {**environment, LIFELINE: "stdin"}
        self._told = told
        self._process: asyncio.subprocess.Process | None = None
        self._leaving = False
        self._started = 0.0

    def __repr__(self) -> str:
        return f"<Child {self.name}: {f'pid {self.pid}' if self.pid else 'not running'}>"

    @property
    def pid(self) -> int | None:
        """Of the running process."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def start(self) -> None:
        """Run it once. Terminal signals do not reach it: it has a session of its own; `hang_up` does, however early."""
        self._started = time.monotonic()
        with self.log.open("ab") as out, HELD_BACK:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.PIPE, stdout=out, stderr=out, env=self._environment, start_new_session=True
            )

    async def ended(self) -> str:
        """Wait for the running process; how it ended."""
        assert self._process is not None, "start it first"  # noqa: S101
        return describe(await self._process.wait())

    async def keep(self) -> None:
        """Start it anew each time it ends, until `stop` is called."""
        delay = FIRST_DELAY
        while True:
            how = await self.ended()
            if self._leaving:
                return
            delay = FIRST_DELAY if time.monotonic() - self._started > STEADY else delay
            self._told(self.name, f"{how}; starts again in {delay:g} s", None)
            await asyncio.sleep(delay)
            if self._leaving:
                return
            delay = min(LONGEST_DELAY, delay * 2)
            await self.start()
            self._told(self.name, "runs again", self.pid)

    def hang_up(self) -> None:
        """Have it read its settings again. One that does not run reads them when it starts."""
        self._signal(signal.SIGHUP)

    async def stop(self, patience: float) -> None:
        """Ask it to end; kill it after `patience` seconds."""
        self._leaving = True
        self._signal(signal.SIGTERM)
        if self._process is None:
            return
        try:
            await asyncio.wait_for(self._process.wait(), patience)
        except TimeoutError:
            self._told(self.name, f"did not end within {patience:g} s: killed", None)
            self.kill()
            await self._process.wait()

    async def gone(self) -> None:
        """Wait until no process of it runs: one that is still to be reaped would be told of by a loop that is closed."""
        if self._process is not None:
            await self._process.wait()

    def kill(self) -> None:
        """End it at once, and do not start it again."""
        self._leaving = True
        self._signal(signal.SIGKILL)

    def bound_log(self, octets: int = LOG_OCTETS) -> None:
        """Keep its log within so much, and what it was before within NAME.1. Blocks, while it copies.

        The child has the file open for appending and goes on at its new end; what it writes between copy and cut is lost.
        """
        try:
            if self.log.stat().st_size <= octets:
                return
        except FileNotFoundError:
            return
        older = _older(self.log)
        try:
            shutil.copyfile(self.log, older)
        except OSError:  # no room: then rather no old log than no disk
            older.unlink(missing_ok=True)
        os.truncate(self.log, 0)

    def last_words(self) -> str:
        """The end of its log."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - TAIL_OCTETS))
                lines = file.read().decode(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-TAIL_LINES:])

    def _signal(self, number: int) -> None:
        if self._process is not None and self._process.returncode is None:
            try:
                self._process.send_signal(number)
            except ProcessLookupError:
                return


def describe(code: int) -> str:
    """How a process ended."""
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}" if -code in signal.valid_signals() else f"was killed by signal {-code}"
    return "ended" if code == 0 else f"ended with exit code {code}"


def rotate(log: Path) -> None:
    """An earlier run's log becomes NAME.1; what that was is gone."""
    try:
        os.replace(log, _older(log))
    except FileNotFoundError:
        return


def _older(log: Path) -> Path:
    return log.with_name(log.name + ".1")
