"""A receiver that keeps the record of what it took: a line is in a file before the 250 leaves. Runs as a process of its own.

A line has five fields, divided by tabs: nanoseconds of CLOCK_MONOTONIC (the same in all processes of a machine) when the final dot came,
the name that the client gave in EHLO, Message-ID, octets, and the recipients divided by commas.

With `--begun FILE` each RCPT leaves a line there, of three such fields: the time, the client, the recipient.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from .process import Process, answers, free_port, wait_until

MESSAGE_ID = re.compile(rb"^Message-ID:[ \t\r\n]*(\S+)", re.IGNORECASE | re.MULTILINE)
ANGLES = re.compile(rb"<([^>]*)>")
EHLO = b"250-witness\r\n250-PIPELINING\r\n250-SIZE 100000000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES\r\n"


@dataclass(frozen=True, slots=True)
class Seen:
    """One transaction that the witness took."""

    at: float
    """Seconds of time.monotonic()."""
    client: str
    message_id: str
    octets: int
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Begun:
    """A recipient that a client named: the job is in a node's hands."""

    at: float
    """Seconds of time.monotonic()."""
    client: str
    recipient: str


class Witness(Process):
    """The process. `delay` (seconds, random between half of it and one and a half) goes by between the record and the 250.

    `think` likewise goes by before a 354. `begun`: keep a record of what began, too.
    """

    def __init__(
        self, folder: Path, *, delay: float = 0.0, keep: bool = False, port: int = 0, think: float = 0.0, begun: bool = False
    ) -> None:
        self.port = port or free_port()
        self.record, self.folder = folder / "witness.record", folder / "witness.mails"
        argv: list[str | Path] = [sys.executable, "-m", "benchmarks.peers.witness", "--port", str(self.port), "--record", self.record]
        argv += ["--delay", str(delay), "--think", str(think)]
        self._begun = folder / "witness.begun"
        if begun:
            argv += ["--begun", self._begun]
        if keep:
            argv += ["--keep", self.folder]
        super().__init__("witness", argv, folder / "witness.log", cwd=Path(__file__).parents[2])

    def start(self) -> None:
        """Returns when it accepts connections."""
        super().start()
        wait_until(lambda: answers(self.port) or not self.alive, "the witness does not accept connections")
        if not self.alive:
            raise RuntimeError(f"the witness has ended: {self.tail()}")

    def seen(self) -> list[Seen]:
        """All that it took, in order."""
        if not self.record.exists():
            return []
        return [_parse(line) for line in self.record.read_text().splitlines()]

    def begun(self) -> list[Begun]:
        """All that began, in order."""
        lines = self._begun.read_text().splitlines() if self._begun.exists() else []
        return [Begun(int(at) / 1e9, client, recipient) for at, client, recipient in (line.split("\t") for line in lines)]

    def count(self) -> int:
        """How many transactions it took."""
        return self.record.read_bytes().count(b"\n") if self.record.exists() else 0

    def doubled(self) -> dict[str, int]:
        """Message-IDs that came more than once to the same recipient, and how often."""
        times = Counter((seen.message_id, recipient) for seen in self.seen() for recipient in seen.recipients)
        return {message_id: count for (message_id, _), count in times.items() if count > 1}

    def mails(self) -> list[bytes]:
        """With `keep`: the messages as they came, dot-stuffing undone, in order."""
        return [file.read_bytes() for file in sorted(self.folder.glob("*"))]


def _parse(line: str) -> Seen:
    at, client, message_id, octets, recipients = line.split("\t")
    return Seen(int(at) / 1e9, client, message_id, int(octets), tuple(recipients.split(",")))


@dataclass(frozen=True, slots=True)
class Ways:
    """How all sessions of the process are. Files are descriptors; negative: none."""

    record: int
    begun: int
    delay: float
    think: float
    keep: Path | None


class Session(asyncio.Protocol):
    """One connection. Commands may come pipelined; answers keep their order."""

    def __init__(self, ways: Ways) -> None:
        self._ways = ways
        self._in = bytearray()
        self._body = False
        self._client = "?"
        self._recipients: list[str] = []
        self._held = False
        """A reply is due later: what comes meanwhile waits."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102
        self._out = cast(asyncio.Transport, transport)
        self._out.write(b"220 witness ESMTP\r\n")

    def data_received(self, data: bytes) -> None:  # noqa: D102
        self._in += data
        if not self._held:
            self._go_on()

    def _go_on(self) -> None:
        while not self._held and (self._take_body() if self._body else self._take_line()):
            pass

    def _take_line(self) -> bool:
        end = self._in.find(b"\r\n")
        if end < 0:
            return False
        line = bytes(self._in[:end])
        del self._in[: end + 2]
        reply = self._command(line)
        if self._body and self._ways.think:
            self._later(self._ways.think, reply)
        else:
            self._out.write(reply)
        return True

    def _command(self, line: bytes) -> bytes:
        verb = line[:4].upper()
        if verb == b"RCPT":
            found = ANGLES.search(line)
            self._recipients.append(recipient := found.group(1).decode() if found else "?")
            if self._ways.begun >= 0:
                os.write(self._ways.begun, f"{time.monotonic_ns()}\t{self._client}\t{recipient}\n".encode())
        elif verb == b"DATA":
            self._body = True
            return b"354 go on\r\n"
        elif verb in (b"EHLO", b"HELO"):
            self._client = line[5:].decode(errors="replace").strip()
            return EHLO
        elif verb == b"QUIT":
            asyncio.get_running_loop().call_soon(self._out.close)
            return b"221 2.0.0 bye\r\n"
        elif verb == b"RSET":
            self._recipients = []
        return b"250 2.0.0 ok\r\n"

    def _take_body(self) -> bool:
        if self._in.startswith(b".\r\n"):
            end, skip = 0, 3
        else:
            end, skip = self._in.find(b"\r\n.\r\n"), 5
            if end < 0:
                return False
        body = bytes(self._in[: end + 2]) if end else b""
        del self._in[: end + skip]
        self._body = False
        self._take(body)
        return True

    def _take(self, body: bytes) -> None:
        now = time.monotonic_ns()
        found = MESSAGE_ID.search(body)
        message_id = found.group(1).decode(errors="replace") if found else "-"
        if self._ways.keep is not None:
            (self._ways.keep / f"{now:020d}.eml").write_bytes(_without_stuffing(body))
        line = f"{now}\t{self._client}\t{message_id}\t{len(body)}\t{','.join(self._recipients)}\n"
        os.write(self._ways.record, line.encode())
        self._recipients = []
        if self._ways.delay:
            self._later(self._ways.delay, b"250 2.0.0 taken\r\n")
        else:
            self._out.write(b"250 2.0.0 taken\r\n")

    def _later(self, delay: float, reply: bytes) -> None:
        self._held = True
        asyncio.get_running_loop().call_later(delay * (0.5 + random.random()), self._answer, reply)

    def _answer(self, reply: bytes) -> None:
        self._held = False
        if not self._out.is_closing():
            self._out.write(reply)
            self._go_on()


def _without_stuffing(body: bytes) -> bytes:
    """RFC 5321 4.5.2, undone."""
    return (b"\r\n" + body).replace(b"\r\n.", b"\r\n")[2:]


async def serve(port: int, ways: Ways) -> None:
    """Take mail until the process is killed."""
    server = await asyncio.get_running_loop().create_server(lambda: Session(ways), "127.0.0.1", port, backlog=1000)
    await server.serve_forever()


def appending(path: Path | None) -> int:
    """A file to append to; negative: none."""
    return -1 if path is None else os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)


def main(argv: Sequence[str] | None = None) -> None:
    """The process."""
    import uvloop

    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--record", type=Path, required=True)
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--think", type=float, default=0.0)
    parser.add_argument("--begun", type=Path)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args(argv)
    if options.keep is not None:
        options.keep.mkdir(parents=True, exist_ok=True)
    ways = Ways(appending(options.record), appending(options.begun), options.delay, options.think, options.keep)
    uvloop.run(serve(options.port, ways))


if __name__ == "__main__":
    main()
