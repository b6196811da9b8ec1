"""BDAT to a real Postfix: the pool hands over short and long mails byte for byte, and withdraws without losing the connection."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.peers.postfix import Postfix
from mailgate.verdict import Outcome
from tests.servers.caller import calling, route_to
from tests.servers.caller import outcomes as told

LONG = b".a line that begins with a dot, and is one of many\r\n" * 20_000


@pytest.mark.parametrize("pipelining", [True, False])
async def test_over_one_connection(maildrop: Postfix, pipelining: bool) -> None:
    """Taken, withdrawn by RSET, all refused, partly refused, long: Postfix keeps the connection, and delivers what was committed."""
    marker = f"chunking-{pipelining}".encode()
    async with calling(route_to(maildrop.port, pipelining=pipelining)) as caller:

        async def outcomes(message: bytes, *to: str) -> list[Outcome]:
            tried = await caller.send(b"Subject: " + marker + b"\r\n\r\n" + message, *to)
            return [outcome for outcome, _ in told(tried)]

        assert await outcomes(b".\r\n..\r\nshort\r\n", "chunk@example.net") == [Outcome.DELIVERED]
        for message in (b"withdrawn\r\n", LONG):
            mail = b"Subject: withdrawn " + marker + b"\r\n\r\n" + message
            assert await caller.send(mail, "chunk@example.net", withdraw=True) is None
        assert await outcomes(b"nobody\r\n", "refused@example.net") == [Outcome.BOUNCED]
        assert await outcomes(LONG, "refused@example.net") == [Outcome.BOUNCED]
        assert await outcomes(b"some\r\n", "chunk@example.net", "refused@example.net") == [Outcome.DELIVERED, Outcome.BOUNCED]
        assert await outcomes(LONG, "chunk@example.net") == [Outcome.DELIVERED]
        assert caller.counts.dialled == 1
    found: list[bytes] = []
    async with asyncio.timeout(20):
        while len(found) < 3:
            await asyncio.sleep(0.1)
            found = [mail for mail in maildrop.mails() if marker in mail]
    bodies = [mail.partition(b"\n\n")[2].replace(b"\n", b"\r\n") for mail in found]
    assert sorted(bodies) == sorted([b".\r\n..\r\nshort\r\n", b"some\r\n", LONG])
