"""What a node logs in with: passwords of its settings, and tokens that a file or a command gives anew while it runs."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

MAX_OCTETS = 65_536
"""Of a token's file, or of what a command writes."""
LATEST = 60.0
"""Seconds before its end that a token is not given out any more, if it has as many: a dial, and the server's clock, need some."""


@dataclass(frozen=True, slots=True)
class TokenOptions:
    """`[tokens.NAME]`: where an access token comes from; routes name it as their secret. Either `file` or `command`.

    Both give the token, or JSON as OAuth servers do: `{"access_token": "…", "expires_in": 3600}`, the seconds being optional.
    """

    file: str = ""
    """Read at each dial: whoever renews the token just writes the file anew (by renaming: half a token is refused)."""
    command: tuple[str, ...] = ()
    """A program and its arguments, without a shell; it writes the token to its standard output. Run when a token is needed and there is
    none, its end is near, or a relay has refused it; never twice at once."""
    lifetime: timedelta = timedelta(minutes=50)
    """How long the command's token is used where it does not say itself. Most authorities give them for an hour."""
    timeout: timedelta = timedelta(seconds=30)
    """The command is killed after this."""


class NoCredential(Exception):
    """There is none now. The text says why, and never what it is."""


@dataclass(slots=True)
class _Token:
    text: str
    good_until: float


class Credentials:
    """For all dials of a node. `clock` is monotonic, in seconds."""

    def __init__(
        self, secrets: Mapping[str, str], tokens: Mapping[str, TokenOptions] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._secrets, self._tokens = secrets, tokens or {}
        self._clock = clock
        self._kept: dict[str, _Token] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    def renew(self, secrets: Mapping[str, str], tokens: Mapping[str, TokenOptions]) -> None:
        """These instead, for the logins from now on. A token is kept whose options are as before."""
        self._kept = {name: kept for name, kept in self._kept.items() if tokens.get(name) == self._tokens.get(name)}
        self._secrets, self._tokens = secrets, tokens

    def __repr__(self) -> str:
        return f"<Credentials secrets={sorted(self._secrets)} tokens={sorted(self._tokens)}>"

    async def get(self, name: str) -> str:
        """The password or token of that name, as it is now.

        Raises:
            NoCredential: there is no such name, or its file or command gives nothing.
        """
        options = self._tokens.get(name)
        if options is None:
            if name not in self._secrets:
                raise NoCredential(f"the secret {name!r} is not known here: put it under [secrets], or [tokens.{name}]")
            return self._secrets[name]
        if options.file:
            return self._read(name, options, await asyncio.to_thread(_of_file, name, options.file)).text
        async with self._locks.setdefault(name, asyncio.Lock()):
            kept = self._kept.get(name)
            if kept is None or self._clock() >= kept.good_until:
                kept = self._kept[name] = self._read(name, options, await _of_command(name, options))
            return kept.text

    def refused(self, name: str, text: str) -> bool:
        """A relay did not take it. True: another may be had at once, so one more try makes sense."""
        if (kept := self._kept.get(name)) is not None and kept.text == text:
            del self._kept[name]
        return name in self._tokens

    def _read(self, name: str, options: TokenOptions, raw: str) -> _Token:
        """A bare token, or JSON with one."""
        text, seconds = raw, options.lifetime / timedelta(seconds=1)
        if raw.startswith("{"):
            try:
                found = json.loads(raw)
                text, seconds = str(found["access_token"]), float(found.get("expires_in", seconds))
            except (ValueError, KeyError, TypeError):
                raise NoCredential(f"the token {name!r} is JSON without a good access_token and expires_in") from None
        if not text or not text.isascii() or not text.isprintable() or " " in text:
            raise NoCredential(f"the token {name!r} is empty, or has characters that no token has")
        return _Token(text, self._clock() + max(seconds - LATEST, seconds / 2))


def _of_file(name: str, path: str) -> str:
    """A regular file's text: a pipe might never answer, and would keep the thread that waits for it."""
    try:
        with open(path, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise NoCredential(f"the file of the token {name!r} is no regular file: let a command write the token")
            return file.read(MAX_OCTETS).decode().strip()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise NoCredential(f"the file of the token {name!r} can't be read: {why}") from None


async def _of_command(name: str, options: TokenOptions) -> str:
    """What it writes. A thread waits for it: Popen never forks the threads of gRPC, and works the same on every event loop."""
    running = _Running(options.command)
    try:
        written, code = await asyncio.to_thread(running.run, options.timeout / timedelta(seconds=1))
    except subprocess.TimeoutExpired as error:
        raise NoCredential(f"the command of the token {name!r} did not end within {error.timeout:g} s") from None
    except OSError as error:
        raise NoCredential(f"the command of the token {name!r} can't be run: {error.strerror}") from None
    finally:
        running.kill()
    if code:
        raise NoCredential(f"the command of the token {name!r} failed with exit code {code}: run it by hand to see why")
    try:
        return written[:MAX_OCTETS].decode().strip()
    except ValueError:
        raise NoCredential(f"the command of the token {name!r} wrote no text") from None


class _Running:
    """A command, with whatever it starts; killed from another thread at any time, also before it was started."""

    def __init__(self, command: tuple[str, ...]) -> None:
        self._command = command
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._over = False

    def run(self, seconds: float) -> tuple[bytes, int]:
        """Blocks. What it wrote, and its exit code."""
        with self._lock:
            if self._over:
                return b"", -signal.SIGKILL
            process = self._process = subprocess.Popen(  # noqa: S603 - the operator's own settings
                self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
            )
        with process:
            try:
                written, _ = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
            with self._lock:
                self._over = True
            return written, process.returncode

    def kill(self) -> None:
        """Nothing is left of it."""
        with self._lock:
            if self._process is not None and not self._over:
                with suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
            self._over = True
