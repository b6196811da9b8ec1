"""A name server that knows as many domains as are asked for: each has one MX of its own name, at 127.0.0.1. Runs as a process of its own.

`d17.test` has the MX `mx.d17.test`, which has an IPv4 address and no other. All answers hold for an hour.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import dns.message
import dns.rdatatype
import dns.rrset

from .process import Process, free_port, wait_until

TTL = 3600


class Names(Process):
    """The process."""

    def __init__(self, folder: Path) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self._ready = folder / "names.ready"
        argv: list[str | Path] = [sys.executable, "-m", "benchmarks.peers.names", self.address.partition(":")[2], self._ready]
        super().__init__("names", argv, folder / "names.log", cwd=Path(__file__).parents[2])

    def start(self) -> None:
        """Returns when it answers."""
        super().start()
        wait_until(lambda: self._ready.exists() or not self.alive, "the name server does not answer")
        if not self.alive:
            raise RuntimeError(f"the name server has ended: {self.tail()}")


def answer(query: dns.message.Message) -> dns.message.Message:
    """What there is."""
    reply = dns.message.make_response(query, recursion_available=True)
    (question,) = query.question
    name, kind = question.name, question.rdtype
    is_host = name.labels[0] == b"mx"
    if kind == dns.rdatatype.MX and not is_host:
        reply.answer.append(dns.rrset.from_text(name, TTL, "IN", "MX", f"10 mx.{name}"))
    elif kind == dns.rdatatype.A and is_host:
        reply.answer.append(dns.rrset.from_text(name, TTL, "IN", "A", "127.0.0.1"))
    else:
        reply.authority.append(dns.rrset.from_text("test.", TTL, "IN", "SOA", f"ns.test. root.test. 1 3600 600 86400 {TTL}"))
    return reply


class Server(asyncio.DatagramProtocol):
    """A question, an answer. `ready` is made when the first can come."""

    def __init__(self, ready: Path) -> None:
        self._ready = ready

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102 - asyncio's
        self._out = cast("asyncio.DatagramTransport", transport)
        self._ready.touch()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:  # noqa: D102 - asyncio's
        self._out.sendto(answer(dns.message.from_wire(data)).to_wire(), addr)


async def serve(port: int, ready: Path) -> None:
    """Until the process is killed."""
    await asyncio.get_running_loop().create_datagram_endpoint(lambda: Server(ready), ("127.0.0.1", port))
    await asyncio.Event().wait()


def main(argv: Sequence[str] | None = None) -> None:
    """The process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("ready", type=Path)
    options = parser.parse_args(argv)
    asyncio.run(serve(options.port, options.ready))


if __name__ == "__main__":
    main()
