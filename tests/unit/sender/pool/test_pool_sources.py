"""Two sources over real sockets: each has its own connections, and what fails for one is no matter of the other."""

from __future__ import annotations

from dataclasses import replace

from mailgate.verdict import Outcome
from sender.pool.path import Path
from sender.pool.source import Source

A = Source("a", "a.example.com", "127.0.0.11")
B = Source("b", "b.example.com", "127.0.0.12")
GONE = Source("gone", "c.example.com", "192.0.2.7")


def addresses(server) -> list[str]:
    return sorted({session.writer.get_extra_info("peername")[0] for session in server.sessions})


def names(server) -> set[bytes]:
    return {session.commands[0] for session in server.sessions if session.commands}


async def test_each_from_its_own_address(peer, running, route, handoff, until):
    """With its own name; a mail's outcome says which."""
    async with peer() as server, running() as listener:
        there = route(server.relay)
        for source in (A, B):
            listener.pool.open(Path(f"r@{source}", there, source=source))
        await until(lambda: listener.pool.warm("r@a") == listener.pool.warm("r@b") == 2)
        assert addresses(server) == ["127.0.0.11", "127.0.0.12"]
        assert names(server) == {b"EHLO a.example.com", b"EHLO b.example.com"}
        mails = [handoff(route="r@a"), handoff(route="r@b")]
        listener.send(*mails)
        await until(lambda: len(listener.outcomes) == 2)
        assert [listener.outcomes[mail].source for mail in mails] == ["a", "b"]
        assert {listener.outcomes[mail].recipients[0].outcome for mail in mails} == {Outcome.DELIVERED}


async def test_a_source_that_fails_leaves_the_relay_alone(peer, running, route, handoff, until, swift):
    """The other path to the same server goes on, and nobody waits for the server; the trouble says whose it is."""
    async with peer() as server, running() as listener:
        there = route(server.relay)
        listener.pool.open(Path("r@gone", there, source=GONE))
        await until(lambda: listener.pool.trouble("r@gone"))
        trouble = listener.pool.trouble("r@gone")
        assert trouble is not None
        assert trouble.of_source
        assert "this machine has no such address" in trouble.reply.text
        await until(lambda: listener.pool.capacity("r@gone") == 0)  # but while a dial tries again
        listener.pool.open(Path("r@a", there, source=A))
        await until(lambda: listener.pool.warm("r@a") == 2)
        assert addresses(server) == ["127.0.0.11"]
        mail = handoff(route="r@a")
        listener.send(mail)
        await until(lambda: mail in listener.outcomes)


async def test_a_server_that_lets_one_source_in(peer, running, route, until, swift):
    """A greeting that refuses one address rests for that source alone."""
    async with peer(GREETING=[b"554 5.7.1 not from here\r\n"] * 1000) as server, running() as listener:
        there = route(server.relay)
        listener.pool.open(Path("r@a", there, source=A))
        await until(lambda: listener.pool.trouble("r@a"))
        trouble = listener.pool.trouble("r@a")
        assert trouble is not None
        assert not trouble.of_source
        server.answers[""] = b"220 welcome\r\n"
        listener.pool.open(Path("r@b", there, source=B))
        await until(lambda: listener.pool.warm("r@b") == 2)


async def test_another_address_is_another_way(peer, running, route, until):
    """A source that got another address has new connections; one with another weight has not."""
    async with peer() as server, running() as listener:
        there = route(server.relay)
        listener.pool.open(Path("r@a", there, source=A))
        await until(lambda: listener.pool.warm("r@a") == 2)
        listener.pool.open(Path("r@a", there, source=replace(A, address="127.0.0.13")))
        await until(lambda: len(server.open) == 2 and addresses(server) == ["127.0.0.11", "127.0.0.13"])
        assert len(server.sessions) == 4
