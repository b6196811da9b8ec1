"""Whoever hands mails to a pool in these tests: commits each when it is READY, or withdraws it, and waits for what becomes of it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

from benchmarks.peers.process import wait_until
from benchmarks.peers.unpacked import Unpacked
from mailgate.job import Fence, JobRecipient
from mailgate.route import Relay, Route, TlsMode
from mailgate.verdict import Outcome, Reply, Tried
from sender.pool.handoff import Handoff
from sender.pool.path import Path
from sender.pool.plan import Counts
from sender.pool.pool import Pool
from sender.pool.relays import Trouble
from sender.pool.tls import CertificateOptions
from tests.servers.letters import letter, named

PATIENCE = 30.0
"""Seconds that a mail may take."""


def route_to(port: int, **changes: object) -> Route:
    """A route named `r` over one connection, in clear."""
    return replace(
        Route("r", (Relay("127.0.0.1", port),), tls=TlsMode.NONE, connections=1, connect_timeout=timedelta(seconds=5)), **changes
    )  # type: ignore[arg-type]


def handoff(message: bytes, *to: str, sender: str = "a@example.com", utf8: bool = False) -> Handoff:
    """A mail; its recipients are numbered from 0."""
    return Handoff(Fence(b"", 1), "r", sender, tuple(JobRecipient(index, email) for index, email in enumerate(to)), message, utf8, path="r")


class Caller:
    """Starts mails in the order given, as connections become idle. What it withdrew has None for an outcome."""

    def __init__(self) -> None:
        self.pool: Pool
        self._waiting: deque[Handoff] = deque()
        self._over: dict[Handoff, asyncio.Future[Tried | None]] = {}
        self._withdraws: set[Handoff] = set()
        self.followed = 0
        """Mails that went behind the body of another, in one write."""

    def ready(self, handoff: Handoff) -> None:
        """354, or the chunks are taken."""
        if handoff in self._withdraws:
            self.pool.withdraw(handoff)
            self._over[handoff].set_result(None)
        else:
            assert self.pool.commit(handoff)
            before = len(self._waiting)
            self.idle("r")
            self.followed += before - len(self._waiting)

    def done(self, handoff: Handoff, tried: Tried) -> None:
        """Its outcome."""
        assert handoff not in self._withdraws or not any(one.outcome is Outcome.DELIVERED for one in tried.recipients)
        self._over[handoff].set_result(tried)

    def turned_away(self, route: str, reply: Reply) -> None:
        """Nothing hangs on it here."""

    def idle(self, route: str) -> None:
        """Goes on."""
        while self._waiting and self.pool.start(self._waiting[0]):
            self._waiting.popleft()

    @property
    def counts(self) -> Counts:
        """Of the connections."""
        return self.pool.stats()["r"]

    @property
    def open(self) -> int:
        """Connections that are there, in whatever state."""
        return sum(count for state, count in self.counts.slots.items() if state.upper() not in ("EMPTY", "DIALING"))

    async def until(self, so: Callable[[], object]) -> None:
        """Waits until it is so."""
        async with asyncio.timeout(PATIENCE):
            while not so():  # noqa: ASYNC110 - what is awaited happens at the other end of a socket
                await asyncio.sleep(0.01)

    async def trouble(self) -> Trouble:
        """Waits until no relay can be dialled, and says why."""
        await self.until(lambda: self.pool.trouble("r"))
        trouble = self.pool.trouble("r")
        assert trouble is not None
        return trouble

    async def send(
        self, message: bytes, *to: str, sender: str = "a@example.com", utf8: bool = False, withdraw: bool = False
    ) -> Tried | None:
        """One mail, and what becomes of it."""
        (tried,) = await self.send_all(handoff(message, *to, sender=sender, utf8=utf8), withdraw=withdraw)
        return tried

    async def send_all(self, *mails: Handoff, withdraw: bool = False) -> list[Tried | None]:
        """Several, one behind the other as far as the connections allow."""
        for mail in mails:
            self._over[mail] = asyncio.get_running_loop().create_future()
            self._waiting.append(mail)
            if withdraw:
                self._withdraws.add(mail)
        self.idle("r")
        async with asyncio.timeout(PATIENCE):
            return await asyncio.gather(*(self._over[mail] for mail in mails))


@asynccontextmanager
async def calling(
    route: Route, secrets: Mapping[str, str] | None = None, certificates: Mapping[str, CertificateOptions] | None = None
) -> AsyncIterator[Caller]:
    """A caller with a pool of this one route. At the end each connection that was dialled has been closed."""
    caller = Caller()
    async with Pool(caller, secrets or {}, "node.example", certificates=certificates) as pool:
        caller.pool = pool
        pool.open(Path("r", route))
        yield caller
    assert caller.counts.dialled == caller.counts.closed


def outcomes(tried: Tried | None) -> list[tuple[Outcome, int]]:
    """Outcome and code of each recipient, in order."""
    assert tried is not None, "it was withdrawn"
    found = {index: (one.outcome, one.reply.code) for one in tried.recipients for index in one.indexes}
    return [found[index] for index in sorted(found)]


async def account_of_a_kill(server: Unpacked, mails: int = 300) -> None:
    """The server is killed amid a load and started again; what was deferred is sent again. Every mail is accounted for.

    What it said yes to is there; what was deferred and never sent again is not; what is in doubt may be. The server itself may deliver
    a mail twice, when it was killed between the delivery and the note of it: so nothing is said of that.
    """
    names = [f"kill-{number}" for number in range(mails)]
    first: dict[str, Outcome] = {}
    async with calling(route_to(server.port, connections=4, command_timeout=timedelta(seconds=5))) as caller:
        under_way = [asyncio.ensure_future(caller.send(letter(name), "b@example.net")) for name in names]
        await caller.until(lambda: sum(one.done() for one in under_way) > mails // 3)
        await asyncio.to_thread(server.kill)
        await caller.until(lambda: caller.counts.closed >= 4)
        await asyncio.to_thread(server.start)
        for name, tried in zip(names, await asyncio.gather(*under_way), strict=True):
            first[name] = outcomes(tried)[0][0]
    assert set(first.values()) <= {Outcome.DELIVERED, Outcome.DEFERRED, Outcome.IN_DOUBT}
    taken = {name for name, outcome in first.items() if outcome is Outcome.DELIVERED}
    unsent = {name for name, outcome in first.items() if outcome is Outcome.DEFERRED}
    doubtful = set(names) - taken - unsent
    assert len(unsent) + len(doubtful) > 0, "it was not amid the load"
    await asyncio.to_thread(wait_until, lambda: taken <= set(named(server.mails())), f"taken and lost: {server.tail()}", 20)
    assert not unsent & set(named(server.mails()))
