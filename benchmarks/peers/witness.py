"""A receiver that keeps the record of what it took: a line is in a file before the 250 leaves. Runs as a process of its own.

A line has five fields, divided by tabs: nanoseconds of CLOCK_MONOTONIC (the same in all processes of a machine) when the final dot came,
the name that the client gave in EHLO, Message-ID, octets, and the recipients divided by commas.
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


class Witness(Process):
    """The process. `delay` (seconds, random between half of it and one and a half) goes by between the record and the 250."""

    def __init__(self, folder: Path, *, delay: float = 0.0, keep: bool = False, port: int = 0) -> None:
        self.port = port or free_port()
        self.record, self.folder = folder / "witness.record", folder / "witness.mails"
        argv: list[str | Path] = [sys.executable, "-m", "benchmarks.peers.witness", "--port", str(self.port), "--record", self.record]
        argv += ["--delay", str(delay)]
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


class Session(asyncio.Protocol):
    """One connection. Commands may come pipelined; answers keep their order."""

    def __init__(self, record: int, delay: float, keep: Path | None) -> None:
        self._record, self._delay, self._keep = record, delay, keep
        self._in = bytearray()
        self._body = False
        self._client = "?"
        self._recipients: list[str] = []
        self._held = False
        """A 250 is due later: what comes meanwhile waits."""

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
        self._out.write(self._command(line))
        return True

    def _command(self, line: bytes) -> bytes:
        verb = line[:4].upper()
        if verb == b"RCPT":
            found = ANGLES.search(line)
            self._recipients.append(found.group(1).decode() if found else "?")
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
        if self._keep is not None:
            (self._keep / f"{now:020d}.eml").write_bytes(_without_stuffing(body))
        line = f"{now}\t{self._client}\t{message_id}\t{len(body)}\t{','.join(self._recipients)}\n"
        os.write(self._record, line.encode())
        self._recipients = []
        if self._delay:
            self._held = True
            asyncio.get_running_loop().call_later(self._delay * (0.5 + random.random()), self._answer)
        else:
            self._out.write(b"250 2.0.0 taken\r\n")

    def _answer(self) -> None:
        self._held = False
        if not self._out.is_closing():
            self._out.write(b"250 2.0.0 taken\r\n")
            self._go_on()


def _without_stuffing(body: bytes) -> bytes:
    """RFC 5321 4.5.2, undone."""
    return (b"\r\n" + body).replace(b"\r\n.", b"\r\n")[2:]


async def serve(port: int, record: Path, delay: float, keep: Path | None) -> None:
    """Take mail until the process is killed."""
    file = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    server = await asyncio.get_running_loop().create_server(lambda: Session(file, delay, keep), "127.0.0.1", port, backlog=1000)
    await server.serve_forever()


def main(argv: Sequence[str] | None = None) -> None:
    """The process."""
    import uvloop

    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--record", type=Path, required=True)
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args(argv)
    if options.keep is not None:
        options.keep.mkdir(parents=True, exist_ok=True)
    uvloop.run(serve(options.port, options.record, options.delay, options.keep))


if __name__ == "__main__":
    main()
