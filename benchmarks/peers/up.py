"""`mailgate up` as a process: the command that a newcomer types, with ports of its own, and the key that it leaves in its data folder."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import grpc

from mailgate.api.mail.v1 import mail_service_pb2 as service

from .door import Door
from .process import Process, free_port

MAILGATE = Path(sys.executable).with_name("mailgate")
"""The command as it is installed beside this interpreter."""


class Up(Process):
    """The command, with its data in `folder`. Left: it is asked to stop, as by Ctrl-C."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.data = folder / "mailgate-data"
        self.address = f"127.0.0.1:{free_port()}"
        ports = ["--port", self.address.partition(":")[2], "--metrics-port", "0", "--inbox-port", "0", "--inbox-smtp-port", "0"]
        super().__init__("mailgate up", [MAILGATE, "up", "--data", self.data, *ports, *options], folder / "up.log", cwd=folder)

    def __exit__(self, *_: object) -> None:
        self.stop(20)

    @contextlib.contextmanager
    def door(self) -> Iterator[Door]:
        """A client with the key that the command left; waits for it.

        Raises:
            RuntimeError: the command has ended, or left nothing within 20 s.
        """
        left = self.data / "client.json"
        end = time.monotonic() + 20
        while not left.exists():
            if not self.alive or time.monotonic() > end:
                raise RuntimeError(f"`mailgate up` has left no {left.name}: {self.tail()}")
            time.sleep(0.005)
        with Door(self.address, json.loads(left.read_text())["key"]) as door:
            yield door

    def first_answer(self, door: Door, request: service.SendMailRequest, timeout: float = 30.0) -> service.SendMailResponse:
        """Send it again and again until the gateway takes it.

        Raises:
            grpc.RpcError: the last refusal, after `timeout` seconds.
        """
        end = time.monotonic() + timeout
        while True:
            try:
                return door.send(request, timeout=timeout)
            except grpc.RpcError:
                if time.monotonic() > end or not self.alive:
                    raise
                time.sleep(0.005)


def run_mailgate(arguments: Sequence[str | Path], cwd: Path, timeout: float = 60.0) -> tuple[int, str, str]:
    """Another command of the command line: its exit code, what it printed, and what it complained about."""
    done = subprocess.run([MAILGATE, *arguments], cwd=cwd, capture_output=True, text=True, timeout=timeout, check=False)
    return done.returncode, done.stdout, done.stderr
