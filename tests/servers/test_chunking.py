"""BDAT to a real Postfix: the pool hands over short and long mails byte for byte, and withdraws without losing the connection."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.peers.postfix import Postfix
from mailgate.job import Fence, JobRecipient
from mailgate.route import Relay, Route, TlsMode
from mailgate.verdict import Outcome, Tried
from sender.pool.handoff import Handoff
from sender.pool.path import Path
from sender.pool.pool import Pool

LONG = b".a line that begins with a dot, and is one of many\r\n" * 20_000


class Once:
    """A listener for one mail after another over one connection; it withdraws what it is told to."""

    def __init__(self) -> None:
        self.pool: Pool
        self.withdraws = False
        self.idled = asyncio.Event()
        self.over = asyncio.Event()
        self.tried: Tried | None = None

    def ready(self, handoff: Handoff) -> None:
        if self.withdraws:
            self.pool.withdraw(handoff)
            self.over.set()
        else:
            assert self.pool.commit(handoff)

    def done(self, handoff: Handoff, tried: Tried) -> None:
        self.tried = tried
        self.over.set()

    def idle(self, route: str) -> None:
        self.idled.set()

    async def send(self, message: bytes, *to: str) -> Tried | None:
        """What becomes of it; None: it was withdrawn."""
        self.over.clear()
        self.tried = None
        handoff = Handoff(Fence(b"", 1), "r", "a@example.com", tuple(JobRecipient(i, one) for i, one in enumerate(to)), message, path="r")
        async with asyncio.timeout(20):
            while not self.pool.start(handoff):
                self.idled.clear()
                await self.idled.wait()
            await self.over.wait()
        return self.tried


@pytest.mark.parametrize("pipelining", [True, False])
async def test_over_one_connection(maildrop: Postfix, pipelining: bool) -> None:
    """Taken, withdrawn by RSET, all refused, partly refused, long: Postfix keeps the connection, and delivers what was committed."""
    marker = f"chunking-{pipelining}".encode()
    route = Route("r", (Relay("127.0.0.1", maildrop.port),), tls=TlsMode.NONE, connections=1, pipelining=pipelining)
    once = Once()
    async with Pool(once, {}, "node.example") as pool:
        once.pool = pool
        pool.open(Path("r", route))

        async def outcomes(message: bytes, *to: str) -> list[Outcome]:
            tried = await once.send(b"Subject: " + marker + b"\r\n\r\n" + message, *to)
            assert tried is not None
            return [verdict.outcome for verdict in sorted(tried.recipients, key=lambda verdict: verdict.indexes)]

        assert await outcomes(b".\r\n..\r\nshort\r\n", "chunk@example.net") == [Outcome.DELIVERED]
        once.withdraws = True
        for message in (b"withdrawn\r\n", LONG):
            assert await once.send(b"Subject: withdrawn " + marker + b"\r\n\r\n" + message, "chunk@example.net") is None
        once.withdraws = False
        assert await outcomes(b"nobody\r\n", "refused@example.net") == [Outcome.BOUNCED]
        assert await outcomes(LONG, "refused@example.net") == [Outcome.BOUNCED]
        assert await outcomes(b"some\r\n", "chunk@example.net", "refused@example.net") == [Outcome.DELIVERED, Outcome.BOUNCED]
        assert await outcomes(LONG, "chunk@example.net") == [Outcome.DELIVERED]
        assert pool.stats()["r"].dialled == 1
    found: list[bytes] = []
    async with asyncio.timeout(20):
        while len(found) < 3:
            await asyncio.sleep(0.1)
            found = [mail for mail in maildrop.mails() if marker in mail]
    bodies = [mail.partition(b"\n\n")[2].replace(b"\n", b"\r\n") for mail in found]
    assert sorted(bodies) == sorted([b".\r\n..\r\nshort\r\n", b"some\r\n", LONG])
