"""A quick receiver that does what smtp-sink can't: STARTTLS, CHUNKING, and replies that take their time. Runs as a process of its own.

It takes everything and keeps nothing. With `--record FILE` each connection and each mail leaves a line there: nanoseconds of
CLOCK_MONOTONIC (the same in all processes of a machine), and `open`, `close` or `mail`; `mail` is a reply to a final dot or a LAST.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import ssl
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from .process import Process, answers, free_port, wait_until

OK = b"250 2.0.0 Ok\r\n"
END = b"\r\n.\r\n"
REPLIES = {
    b"MAIL": OK,
    b"RCPT": OK,
    b"RSET": OK,
    b"NOOP": OK,
    b"DATA": b"354 End data with <CR><LF>.<CR><LF>\r\n",
    b"QUIT": b"221 2.0.0 Bye\r\n",
    b"STAR": b"220 2.0.0 Ready to start TLS\r\n",
}


@dataclass(frozen=True, slots=True)
class Happened:
    """A line of the record."""

    at: float
    """Seconds of time.monotonic()."""
    what: str


class Receiver(Process):
    """The process. `delay`: seconds that each single reply takes, one after the other; `tls`: a folder with certificate.pem and key.pem."""

    def __init__(self, folder: Path, *, chunking: bool = False, delay: float = 0.0, tls: Path | None = None, record: bool = False) -> None:
        self.port, self.record = free_port(), folder / "receiver.record"
        argv: list[str | Path] = [sys.executable, "-m", "benchmarks.peers.receiver", "--port", str(self.port), "--delay", str(delay)]
        argv += ["--chunking"] if chunking else []
        argv += ["--tls", tls] if tls else []
        argv += ["--record", self.record] if record else []
        super().__init__("receiver", argv, folder / f"receiver-{self.port}.log", cwd=Path(__file__).parents[2])

    def start(self) -> None:
        """Returns when it accepts connections."""
        super().start()
        wait_until(lambda: answers(self.port) or not self.alive, "the receiver does not accept connections")
        if not self.alive:
            raise RuntimeError(f"the receiver has ended: {self.tail()}")

    def happened(self) -> list[Happened]:
        """What it has recorded, in order."""
        lines = self.record.read_text().splitlines() if self.record.exists() else []
        return [Happened(int(at) / 1e9, what) for at, what in (line.split() for line in lines)]


@dataclass(frozen=True, slots=True)
class Ways:
    """How all sessions of the process are."""

    chunking: bool
    delay: float
    tls: ssl.SSLContext | None
    record: int
    """A file's descriptor; negative: none."""

    def note(self, what: bytes) -> None:
        """A line of the record."""
        if self.record >= 0:
            os.write(self.record, b"%d %b\n" % (time.monotonic_ns(), what))


class Session(asyncio.Protocol):
    """One connection. What comes together is answered together, unless replies take their time."""

    def __init__(self, ways: Ways) -> None:
        self._ways = ways
        self._loop = asyncio.get_running_loop()
        self._in = b""
        self._replies: list[bytes] = []
        self._body = self._last = False
        self._chunk = 0
        """Octets of it that are to come."""
        self._secured = False
        self._due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102 - asyncio's
        self._out = cast("asyncio.Transport", transport)
        self._ways.note(b"open")
        self._replies.append(b"220 receiver.example.net ESMTP\r\n")
        self._answer()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: D102 - asyncio's
        self._ways.note(b"close")

    def data_received(self, data: bytes) -> None:  # noqa: D102 - asyncio's
        self._in = self._in + data if self._in else data
        while self._in and (self._take_body() if self._body else self._take_chunk() if self._chunk else self._take_line()):
            pass
        self._answer()

    def _take_body(self) -> bool:
        end = self._in.find(END)
        if end < 0:
            return False
        self._in = self._in[end + len(END) :]
        self._body = False
        self._taken()
        return True

    def _take_chunk(self) -> bool:
        took = self._in[: self._chunk]
        self._in = self._in[self._chunk :]
        self._chunk -= len(took)
        if not self._chunk:
            self._chunked()
        return True

    def _chunked(self) -> None:
        if self._last:
            self._taken()
        else:
            self._replies.append(OK)

    def _taken(self) -> None:
        self._replies.append(OK)
        self._ways.note(b"mail")

    def _take_line(self) -> bool:
        line, found, rest = self._in.partition(b"\r\n")
        if not found:
            return False
        self._in = rest
        verb = line[:4].upper()
        if (reply := REPLIES.get(verb)) is not None:
            self._replies.append(reply)
            if verb == b"DATA":
                self._body, self._in = True, b"\r\n" + rest  # so that a lone dot is found too
            elif verb == b"STAR":
                self._loop.create_task(self._secure())
            elif verb == b"QUIT":
                self._loop.call_later(self._ways.delay, self._out.close)
        elif verb == b"BDAT":
            size, _, last = line[5:].partition(b" ")
            self._chunk, self._last = int(size), bool(last)
            if not self._chunk:
                self._chunked()
        else:
            self._replies.append(self._greeting() if verb == b"EHLO" else OK)
        return True

    def _greeting(self) -> bytes:
        offers = [b"receiver.example.net", b"PIPELINING", b"8BITMIME", b"ENHANCEDSTATUSCODES"]
        offers += [b"CHUNKING"] if self._ways.chunking else []
        offers += [b"STARTTLS"] if self._ways.tls and not self._secured else []
        return b"".join(b"250-%b\r\n" % offer for offer in offers[:-1]) + b"250 %b\r\n" % offers[-1]

    async def _secure(self) -> None:
        assert self._ways.tls is not None  # noqa: S101 - it was offered
        self._secured = True
        self._out = cast("asyncio.Transport", await self._loop.start_tls(self._out, self, self._ways.tls, server_side=True))

    def _answer(self) -> None:
        """Each reply follows the one before by the delay."""
        if not self._ways.delay:
            self._out.write(b"".join(self._replies))
        else:
            for reply in self._replies:
                self._due = max(self._due, self._loop.time()) + self._ways.delay
                self._loop.call_at(self._due, self._say, reply)
        self._replies.clear()

    def _say(self, reply: bytes) -> None:
        if not self._out.is_closing():
            self._out.write(reply)


async def serve(port: int, ways: Ways) -> None:
    """Take mail until the process is killed."""
    server = await asyncio.get_running_loop().create_server(lambda: Session(ways), "127.0.0.1", port, backlog=2000)
    await server.serve_forever()


def main(argv: Sequence[str] | None = None) -> None:
    """The process."""
    import uvloop

    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--chunking", action="store_true")
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--tls", type=Path)
    parser.add_argument("--record", type=Path)
    options = parser.parse_args(argv)
    context = None
    if options.tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.tls / "certificate.pem", options.tls / "key.pem")
    record = os.open(options.record, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644) if options.record else -1
    uvloop.run(serve(options.port, Ways(options.chunking, options.delay, context, record)))


if __name__ == "__main__":
    main()
