"""Servers that .ci/servers unpacked: each is seen only by itself, and whoever kills its first process kills it whole."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .process import Process, answers, wait_until
from .sinks import Missing

PLACE = Path("/opt/mailgate-servers/bin")


def unpacked(name: str) -> Path:
    """The path of a server's program.

    Raises:
        Missing: it is not there; the text says how to get it.
    """
    if not (PLACE / name).exists():
        raise Missing(f"{name} is not below {PLACE.parent}: .ci/servers gets it")
    if os.geteuid():
        raise Missing(f"{name} must be started as root")
    return PLACE / name


def why_not(name: str) -> str:
    """A sentence that says why it cannot be run here; empty when it can."""
    try:
        unpacked(name)
    except Missing as missing:
        return str(missing)
    return ""


class Unpacked(Process):
    """A server with its files below `home`, and maildirs as the end of all mail. It may be killed and started again: its queue stays."""

    def __init__(self, name: str, home: Path, port: int, argv: Sequence[str | Path], env: dict[str, str] | None = None) -> None:
        super().__init__(name, argv, home / "log", env)
        self.home, self.port = home, port

    def start(self) -> None:
        """Returns when it accepts connections."""
        wait_until(lambda: not answers(self.port), f"{self.name}: the port is in use")
        super().start()
        wait_until(lambda: answers(self.port) or not self.alive, f"{self.name} does not accept connections: {self.tail()}")
        if not self.alive:
            raise RuntimeError(f"{self.name} has ended: {self.tail()}")

    def mails(self) -> list[bytes]:
        """The mails in the maildir, oldest first, as the server wrote them."""
        files = sorted((self.home / "mail/new").glob("*"), key=lambda file: file.stat().st_mtime_ns)
        return [file.read_bytes() for file in files]


def make_home(prefix: str, *, owner: int) -> Path:
    """A folder of its own with a maildir in it, which `owner` may write to."""
    home = Path(tempfile.mkdtemp(prefix=prefix))
    home.chmod(0o755)
    for folder in ("mail", "mail/new", "mail/cur", "mail/tmp", "spool"):
        (home / folder).mkdir()
        os.chown(home / folder, owner, owner)
    return home
