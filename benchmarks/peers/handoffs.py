"""Those who hand mails of 2 KB off over warm connections from one process: Mailgate's pool, and aiosmtplib. Each run is a Round."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass

import aiosmtplib
import uvloop

from mailgate.job import Fence, JobRecipient
from mailgate.route import Relay, Route, TlsMode
from mailgate.verdict import Outcome, Reply, Tried
from sender.pool.handoff import Handoff
from sender.pool.path import Path
from sender.pool.pool import Pool

CONNECTIONS = 20
OCTETS = 2048
MESSAGE = b"From: a@example.com\r\nTo: b@example.net\r\nSubject: hand-off\r\n\r\n"
MESSAGE += (b"x" * 76 + b"\r\n") * ((OCTETS - len(MESSAGE)) // 78)
MESSAGE += b"x" * (OCTETS - len(MESSAGE) - 2) + b"\r\n"
FROM, TO = "a@example.com", "b@example.net"


@dataclass(frozen=True)
class Round:
    """One peer's: mails, seconds, the CPU seconds of the process that sent, and those of the busiest sink."""

    mails: int
    seconds: float
    cpu: float
    sink: float = 0.0

    @property
    def rate(self) -> float:
        """Mails a second."""
        return self.mails / self.seconds

    @property
    def cost(self) -> float:
        """CPU seconds for a thousand mails."""
        return self.cpu / self.mails * 1000


@dataclass(frozen=True)
class Way:
    """How it is done. `asks`: Mailgate's alone, as is `chunking`, which the receiver must offer."""

    ports: Sequence[int]
    """Of 127.0.0.1; the connections are spread over them."""
    asks: bool = False
    """Each READY is told to a gateway, which costs nothing and whose COMMIT is there in the loop's next turn. Else the mail is let go as
    soon as the server is ready for it, as whoever knows no handshake does."""
    tls: bool = False
    chunking: bool = False


class Source:
    """A listener that has so many mails to send, commits each, and counts what is delivered."""

    def __init__(self, mails: int, routes: Sequence[str], *, asks: bool) -> None:
        self.pool: Pool
        self.routes = routes
        self.left = self.unsent = mails
        self.warm = asyncio.Event()
        self.over = asyncio.Event()
        self.failed: list[Tried] = []
        self._asks = asks
        self._ready: list[Handoff] = []
        self._recipients = (JobRecipient(0, TO),)
        self._loop = asyncio.get_running_loop()

    def ready(self, handoff: Handoff) -> None:
        """COMMIT; then, as delivery does, the next mail that can be started. Or the same in the next turn, for all that are ready."""
        if self._asks:
            if not self._ready:
                self._loop.call_soon(self._answered)
            self._ready.append(handoff)
        else:
            self.pool.commit(handoff)
            if self.unsent:
                self.start(handoff.route)

    def _answered(self) -> None:
        ready, self._ready = self._ready, []
        for handoff in ready:
            self.pool.commit(handoff)
        for handoff in ready:
            if self.unsent:
                self.start(handoff.route)

    def done(self, handoff: Handoff, tried: Tried) -> None:
        """Counts."""
        if tried.recipients[0].outcome is not Outcome.DELIVERED:
            self.failed.append(tried)
        self.left -= 1
        if not self.left:
            self.over.set()

    def turned_away(self, route: str, reply: Reply) -> None:
        """Nothing hangs on it here."""

    def idle(self, route: str) -> None:
        """The next mail, once all connections are there."""
        if not self.warm.is_set():
            if sum(map(self.pool.warm, self.routes)) == CONNECTIONS:
                self.warm.set()
        elif self.unsent:
            self.start(route)

    def start(self, route: str) -> None:
        """A mail of its own, as delivery makes one, if a connection takes it."""
        if self.pool.start(Handoff(Fence(b"", self.unsent), route, FROM, self._recipients, MESSAGE, clean=True, path=route)):
            self.unsent -= 1


async def with_pool(way: Way, mails: int) -> Round:
    """The pool and its conversation; a route for each sink."""
    each = CONNECTIONS // len(way.ports)
    tls = TlsMode.REQUIRED if way.tls else TlsMode.NONE
    routes = [
        Route(
            f"sink {port}",
            (Relay("127.0.0.1", port),),
            tls=tls,
            verify=False,
            chunking=way.chunking,
            connections=each,
            min_idle=each,
            max_mails_per_connection=mails,
        )
        for port in way.ports
    ]
    source = Source(mails, [route.name for route in routes], asks=way.asks)
    async with Pool(source, {}, "bench.example") as pool:
        source.pool = pool
        for route in routes:
            pool.open(Path(route.name, route))
        await source.warm.wait()
        start, cpu = time.perf_counter(), time.process_time()
        for number in range(min(CONNECTIONS, mails)):
            source.start(routes[number % len(routes)].name)
        await source.over.wait()
        found = Round(mails, time.perf_counter() - start, time.process_time() - cpu)
        await pool.drain(5)
    if source.failed:
        raise RuntimeError(f"{len(source.failed)} mails were not delivered, such as {source.failed[0]}")
    return found


async def with_aiosmtplib(way: Way, mails: int) -> Round:
    """As many clients as connections, each a task that sends one mail after another over its own connection."""
    clients = [
        aiosmtplib.SMTP(
            hostname="127.0.0.1",
            port=way.ports[number % len(way.ports)],
            local_hostname="bench.example",
            start_tls=way.tls,
            validate_certs=False,
        )
        for number in range(CONNECTIONS)
    ]
    for client in clients:
        await client.connect()
        await client.ehlo()
    left = mails

    async def send(client: aiosmtplib.SMTP) -> None:
        nonlocal left
        while left:
            left -= 1
            await client.sendmail(FROM, [TO], MESSAGE)

    start, cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as tasks:
        for client in clients:
            tasks.create_task(send(client))
    found = Round(mails, time.perf_counter() - start, time.process_time() - cpu)
    for client in clients:
        await client.quit()
    return found


def on_a_fresh_loop(run: Callable[[Way, int], Coroutine[None, None, Round]], way: Way, mails: int) -> Round:
    """With uvloop, and with what the last round left collected."""
    gc.collect()
    return uvloop.run(run(way, mails))
