"""A long way to a server: a proxy that hands on each octet so many milliseconds later, in both directions. Runs as a process of its own.

Nothing but time is taken: what comes while other octets are on their way goes along behind them, and no bandwidth is limited.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from .process import Process, answers, free_port, wait_until


class Distance(Process):
    """The process, before a port of 127.0.0.1. `round_trip`: seconds, half of it each way."""

    def __init__(self, folder: Path, target: int, round_trip: float) -> None:
        self.port = free_port()
        argv = [sys.executable, "-m", "benchmarks.peers.distance", str(self.port), str(target), str(round_trip / 2)]
        super().__init__("distance", argv, folder / f"distance-{self.port}.log", cwd=Path(__file__).parents[2])

    def start(self) -> None:
        """Returns when it accepts connections."""
        super().start()
        wait_until(lambda: answers(self.port) or not self.alive, "the proxy does not accept connections")
        if not self.alive:
            raise RuntimeError(f"the proxy has ended: {self.tail()}")


class End(asyncio.Protocol):
    """One end of a connection; what it hears, `other` says later. None is an end of file."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._under_way: deque[bytes | None] = deque()
        """In order, also where the loop's clock would have two of them arrive at once."""
        self.other: End | None = None
        self.out: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102 - asyncio's
        self.out = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:  # noqa: D102 - asyncio's
        self._send(data)

    def eof_received(self) -> bool:  # noqa: D102 - asyncio's
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: D102 - asyncio's
        self._send(None)

    def _send(self, data: bytes | None) -> None:
        self._under_way.append(data)
        self._loop.call_later(self._seconds, self._arrive)

    def _arrive(self) -> None:
        if self.other is None:  # it is still being dialled
            self._loop.call_later(0.001, self._arrive)
            return
        data, far = self._under_way.popleft(), self.other.out
        if far is None or far.is_closing():
            return
        if data is None:
            far.close()
        else:
            far.write(data)


class Near(End):
    """The client's end: it dials the server."""

    def __init__(self, target: int, seconds: float) -> None:
        super().__init__(seconds)
        self._target = target
        self._dial: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102 - asyncio's
        super().connection_made(transport)
        self._dial = self._loop.create_task(self._reach())

    async def _reach(self) -> None:
        far = End(self._seconds)
        far.other = self
        try:
            await self._loop.create_connection(lambda: far, "127.0.0.1", self._target)
        except OSError:
            assert self.out is not None  # noqa: S101 - it was connected
            self.out.abort()
        self.other = far


async def serve(port: int, target: int, seconds: float) -> None:
    """Until the process is killed."""
    server = await asyncio.get_running_loop().create_server(lambda: Near(target, seconds), "127.0.0.1", port, backlog=1000)
    await server.serve_forever()


def main(argv: Sequence[str] | None = None) -> None:
    """The process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("target", type=int)
    parser.add_argument("seconds", type=float, help="each way")
    options = parser.parse_args(argv)
    asyncio.run(serve(options.port, options.target, options.seconds))  # whose timers are finer than uvloop's milliseconds


if __name__ == "__main__":
    main()
