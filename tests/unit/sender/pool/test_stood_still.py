"""A node that is stopped between COMMIT and the end of the loop's turn: what it held must not leave when it goes on."""

from __future__ import annotations

import asyncio
import time

import pytest

from mailgate.verdict import Outcome
from sender.delivery.paths import Paths
from sender.pool.pool import Pool
from tests.unit.sender.pool.conftest import Peer, Recorder, Session


@pytest.mark.parametrize(("stop", "comes"), [(0.1, True), (4.0, False)])
async def test_a_body_that_was_held_for_long_does_not_leave(peer, route, handoff, until, stop, comes):
    """The gateway may have given its COMMIT up and have sent the mail by another node. Certainly unsent, so: deferred, and not in doubt."""
    ahead = 0.0

    def clock() -> float:
        return time.monotonic() + ahead

    listener = Recorder()
    listener.commits = False
    async with peer() as server, Pool(listener, {}, "node.example", clock=clock) as pool:
        listener.pool, listener.paths = pool, Paths(pool)
        listener.use(route(server.relay, connections=1))
        await until(lambda: pool.warm("r"))
        for first in (True, False):  # the first shows that the server answers soon, so that the second is held
            listener.send(mail := handoff())
            await until(lambda mail=mail: listener.was_ready(mail))
            assert pool.commit(mail)
            if not first:
                ahead = stop
            await until(lambda mail=mail: mail in listener.outcomes)
        (verdict,) = listener.outcomes[mail].recipients
        assert verdict.outcome is (Outcome.DELIVERED if comes else Outcome.DEFERRED)
        await until(lambda: len(server.mails) == 1 + comes)


async def test_nor_does_it_leave_before_the_mail_that_follows(peer, route, handoff, until):
    """That goes by another connection, and the one that stood still owes nobody a reply."""
    ahead = 0.0

    def clock() -> float:
        return time.monotonic() + ahead

    listener = Recorder()
    listener.commits = False
    async with peer() as server, Pool(listener, {}, "node.example", clock=clock) as pool:
        listener.pool, listener.paths = pool, Paths(pool)
        listener.use(route(server.relay, connections=1))
        await until(lambda: pool.warm("r"))
        first, held, follower = handoff(), handoff(b"Subject: held\r\n\r\n"), handoff()
        for mail in (first, held, follower):
            listener.send(mail)
            if mail is not follower:
                await until(lambda mail=mail: listener.was_ready(mail))
                assert pool.commit(mail)
            if mail is first:
                await until(lambda: first in listener.outcomes)
            else:
                ahead = 4.0  # from the commit of what is held
        await until(lambda: listener.was_ready(follower))
        assert pool.commit(follower)
        await until(lambda: follower in listener.outcomes)
        outcomes = [listener.outcomes[mail].recipients[0].outcome for mail in (first, held, follower)]
        assert outcomes == [Outcome.DELIVERED, Outcome.DEFERRED, Outcome.DELIVERED]
        assert server.mails == [first.message, follower.message]
        assert (pool.standing("r").warm, pool.standing("r").busy) == (1, 0)


LONG = b"".join(b"%d%b\r\n" % (i, b"x" * 70) for i in range(300_000))
"""More than sockets take of a server that does not read."""


class Waits(Peer):
    """Reads no body before the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = asyncio.Event()

    async def _body(self, session: Session) -> bytes:
        await self.reads.wait()
        return await super()._body(session)


@pytest.mark.parametrize(("steps", "comes"), [((1.5, 1.5, 1.5), True), ((4.0,), False)])
async def test_nor_does_the_rest_of_a_long_body(route, handoff, until, steps, comes):
    """A server that reads slowly is not a node that stands still: that looks after its connections once a second."""
    now, asked = 100.0, 0

    def clock() -> float:
        nonlocal asked
        asked += 1
        return now

    listener = Recorder()
    async with Waits() as server, Pool(listener, {}, "node.example", clock=clock) as pool:
        listener.pool, listener.paths = pool, Paths(pool)
        listener.use(route(server.relay, connections=1))
        await until(lambda: pool.warm("r"))
        listener.send(mail := handoff(LONG))
        await until(lambda: listener.committed.get(mail))
        still = -1
        while still != asked:  # it writes what the sockets take; then only sweeps ask for the time
            still = asked
            await asyncio.sleep(0.1)
        for step in steps:
            now, before = now + step, asked
            if comes:
                await until(lambda before=before: asked > before)
        server.reads.set()
        await until(lambda: mail in listener.outcomes, 30)
        (verdict,) = listener.outcomes[mail].recipients
        assert verdict.outcome is (Outcome.DELIVERED if comes else Outcome.DEFERRED)
        assert server.mails == [LONG][:comes]
