"""Passwords and tokens: where they come from, when they are had anew, and what is said when they can't be had."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import timedelta

import pytest

from sender.pool.credentials import Credentials, NoCredential, TokenOptions

COUNTS = """
import pathlib, sys
file = pathlib.Path(sys.argv[1])
count = len(file.read_text()) if file.exists() else 0
file.write_text("x" * (count + 1))
print(sys.argv[2].replace("N", str(count + 1)))
"""
"""Writes its second argument, N being how often it ran."""


class Source:
    """Credentials with one token, from a command that counts, and a clock that is a number."""

    def __init__(self, folder, writes: str = "token-N", **options: object) -> None:
        self.now = 0.0
        self.ran = folder / "ran"
        command = (sys.executable, "-c", COUNTS, str(self.ran), writes)
        self.credentials = Credentials({}, {"t": TokenOptions(command=command, **options)}, lambda: self.now)

    async def get(self) -> str:
        return await self.credentials.get("t")


async def test_a_password_is_what_the_settings_say():
    """It does not change, and a refusal does not bring another."""
    credentials = Credentials({"p": "pass"})
    assert await credentials.get("p") == "pass"
    assert not credentials.refused("p", "pass")
    assert "pass'" not in repr(credentials)


async def test_other_settings_count_for_the_next_login(tmp_path):
    """A token whose command is as before is not had anew; one under way ends as it began."""
    source = Source(tmp_path)
    assert await source.get() == "token-1"
    credentials, tokens = source.credentials, dict(source.credentials._tokens)
    credentials.renew({"p": "new"}, tokens)
    assert (await source.get(), await credentials.get("p")) == ("token-1", "new")
    assert credentials.refused("t", "token-1")
    late = asyncio.ensure_future(source.get())
    await asyncio.sleep(0.001)
    credentials.renew({"p": "newer"}, {})
    assert await late == "token-2"
    with pytest.raises(NoCredential):
        await source.get()


async def test_a_name_that_is_not_here():
    """It is told where to put it."""
    with pytest.raises(NoCredential, match=r"'x' is not known here: put it under \[secrets\], or \[tokens.x\]"):
        await Credentials({}).get("x")


async def test_a_file_is_read_each_time(tmp_path):
    """Whoever renews the token need not tell us."""
    file = tmp_path / "token"
    credentials = Credentials({}, {"t": TokenOptions(file=str(file))})
    for text in ("one\n", '{"access_token": "two"}'):
        file.write_text(text)
        assert await credentials.get("t") in text
        assert credentials.refused("t", "one")


async def test_a_command_runs_when_it_must(tmp_path):
    """Once for all who ask; anew a minute before the end of the token's life."""
    source = Source(tmp_path, lifetime=timedelta(minutes=10))
    assert await asyncio.gather(*(source.get() for _ in range(8))) == ["token-1"] * 8
    source.now = 539.0
    assert await source.get() == "token-1"
    source.now = 540.0
    assert await source.get() == "token-2"


async def test_the_token_says_how_long_it_lives(tmp_path):
    """`expires_in` wins over the settings; a short life is used by half."""
    source = Source(tmp_path, '{"access_token": "token-N", "expires_in": 100, "token_type": "Bearer"}')
    assert await source.get() == "token-1"
    source.now = 49.0
    assert await source.get() == "token-1"
    source.now = 50.0
    assert await source.get() == "token-2"


async def test_a_refused_token_is_not_given_again(tmp_path):
    """Unless another has taken its place already."""
    source = Source(tmp_path)
    assert await source.get() == "token-1"
    assert source.credentials.refused("t", "token-1")
    assert await source.get() == "token-2"
    assert source.credentials.refused("t", "token-1")
    assert await source.get() == "token-2"


@pytest.mark.parametrize("kind", ["pipe", "folder"])
async def test_what_is_no_regular_file(tmp_path, kind):
    """Is refused at once: to wait for somebody to write into a pipe could keep a thread for ever."""
    place = tmp_path / "token"
    os.mkfifo(place) if kind == "pipe" else place.mkdir()
    with pytest.raises(NoCredential, match="no regular file" if kind == "pipe" else "Is a directory"):
        await Credentials({}, {"t": TokenOptions(file=str(place))}).get("t")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"file": "/nowhere"}, "No such file"),
        ({"command": ("/nowhere",)}, "can't be run: No such file"),
        ({"command": (sys.executable, "-c", "print('geheim'); raise SystemExit(3)")}, "exit code 3"),
        ({"command": (sys.executable, "-c", "pass")}, "empty"),
        ({"command": (sys.executable, "-c", "print('geheim and more')")}, "characters that no token has"),
        ({"command": (sys.executable, "-c", 'print(\'{"token": "geheim"}\')')}, "access_token"),
        ({"command": (sys.executable, "-c", "import sys; sys.stdout.buffer.write(bytes([255]))")}, "wrote no text"),
    ],
)
async def test_a_source_that_gives_nothing(options, why):
    """Says why, never what was written; and is asked anew the next time."""
    credentials = Credentials({}, {"t": TokenOptions(**options)})
    for _ in range(2):
        with pytest.raises(NoCredential, match=why) as caught:
            await credentials.get("t")
        assert "geheim" not in str(caught.value)


ENDLESS = """
import os, pathlib, subprocess, sys, time
subprocess.Popen(["sleep", "600"])
pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
time.sleep(600)
"""
"""Starts another, says who it is, and stays."""


async def test_a_command_that_does_not_end(tmp_path):
    """It is killed with what it started."""
    command = (sys.executable, "-c", ENDLESS, str(tmp_path / "pid"))
    credentials = Credentials({}, {"t": TokenOptions(command=command, timeout=timedelta(seconds=1))})
    with pytest.raises(NoCredential, match="did not end within 1 s"):
        await credentials.get("t")


async def test_a_dial_that_is_cancelled_leaves_no_command(tmp_path, until):
    """The node stops while a command runs."""
    pid = tmp_path / "pid"
    credentials = Credentials({}, {"t": TokenOptions(command=(sys.executable, "-c", ENDLESS, str(pid)))})
    asking = asyncio.ensure_future(credentials.get("t"))
    await until(lambda: pid.exists() and pid.read_text())
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    from pathlib import Path

    await until(lambda: not Path(f"/proc/{pid.read_text()}").exists())
