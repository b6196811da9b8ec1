"""Postfix's test programs as processes: smtp-sink (a receiver that counts) and smtp-source (a sender in C)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .process import Process, answers, free_port, wait_until

COUNT = re.compile(rb"mesg=(\d+)")


class Missing(RuntimeError):
    """A program of a peer is not installed."""


def program(name: str) -> str:
    """The path of a program of Postfix's.

    Raises:
        Missing: it is not installed; the text says how to install it.
    """
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise Missing(f"{name} is not installed: it comes with the Debian package postfix; .ci/servers installs it")
    return found


class SmtpSink(Process):
    """smtp-sink on a port of its own; `options` are its own flags (faults, delays). `count()` costs one small read."""

    def __init__(self, folder: Path, options: Sequence[str] = (), port: int = 0) -> None:
        self.port = port or free_port()
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        log = folder / f"sink-{self.port}.log"
        super().__init__("smtp-sink", [program("smtp-sink"), *user, "-c", "-m", "2000", *options, f"127.0.0.1:{self.port}", "1000"], log)

    def start(self) -> None:
        """Returns when it accepts connections."""
        super().start()
        wait_until(lambda: answers(self.port) or not self.alive, "smtp-sink does not accept connections")
        if not self.alive:
            raise RuntimeError(f"smtp-sink has ended: {self.tail()}")

    def count(self) -> int:
        """Mails that it has answered with 250 after their final dot."""
        with self.log.open("rb") as counters:
            counters.seek(max(0, os.fstat(counters.fileno()).st_size - 200))
            counts = COUNT.findall(counters.read().rpartition(b"\r")[0])
        return int(counts[-1]) if counts else 0


def smtp_source(port: int, mails: int, octets: int, sessions: int = 20) -> subprocess.Popen[bytes]:
    """smtp-source under way: `mails` of `octets` over `sessions` connections that it keeps open."""
    return subprocess.Popen(
        [
            *(program("smtp-source"), "-d", "-s", str(sessions), "-m", str(mails), "-l", str(octets)),
            *("-f", "source@example.com", "-t", "sink@example.net", f"127.0.0.1:{port}"),
        ]
    )
