"""The pool with servers that offer CHUNKING: withdrawals that cost no connection, and servers that break what they offer."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mailgate.verdict import Outcome
from sender.pool.shortcomings import CHANCES, Skill
from tests.unit.sender.pool.conftest import CLOSE, SILENCE

EHLO = b"250-x\r\n250-CHUNKING\r\n250-8BITMIME\r\n250 PIPELINING\r\n"
LONE = b"250-x\r\n250-8BITMIME\r\n250 CHUNKING\r\n"
LONG = b".x" * 38 + b"\r\n"
DELIVERED, DEFERRED, IN_DOUBT = Outcome.DELIVERED, Outcome.DEFERRED, Outcome.IN_DOUBT


def outcome(listener, mail) -> Outcome:
    (verdict,) = listener.outcomes[mail].recipients
    return verdict.outcome


@pytest.mark.parametrize("offered", [EHLO, LONE], ids=["with PIPELINING", "without"])
async def test_mails_short_and_long(peer, running, route, handoff, until, offered):
    """Byte for byte as they are, over one connection, and never by DATA."""
    async with peer(EHLO=offered) as server, running(route(server.relay, connections=1)) as listener:
        mails = [handoff(message) for message in (b".\r\n..two\r\n", LONG * 30_000, b"third\r\n") for _ in range(2)]
        listener.send(*mails)
        await until(lambda: len(listener.outcomes) == len(mails))
        assert {outcome(listener, mail) for mail in mails} == {DELIVERED}
        assert server.mails == [mail.message for mail in mails]
        (session,) = server.sessions
        assert b"DATA" not in session.commands


async def test_withdrawn_while_ready(peer, running, route, handoff, until):
    """RSET: the server has forgotten it, and the next mail takes the same connection."""
    async with peer(EHLO=EHLO) as server, running(route(server.relay, connections=1)) as listener:
        listener.commits = False
        listener.send(mail := handoff())
        await until(lambda: listener.was_ready(mail))
        listener.pool.withdraw(mail)
        listener.commits = True
        listener.send(other := handoff(b"other\r\n"))
        await until(lambda: other in listener.outcomes)
        assert outcome(listener, other) is DELIVERED
        assert server.mails == [b"other\r\n"]
        assert mail not in listener.outcomes
        assert len(server.sessions) == 1


async def test_an_off_switch(peer, running, route, handoff, until):
    """The route says no: DATA."""
    async with peer(EHLO=EHLO) as server, running(route(server.relay, connections=1, chunking=False)) as listener:
        listener.send(mail := handoff())
        await until(lambda: mail in listener.outcomes)
        assert outcome(listener, mail) is DELIVERED
        assert b"DATA" in server.sessions[0].commands


@pytest.mark.parametrize(
    ("step", "answer", "lost"),
    [
        ("BDAT", b"500 5.5.1 what?\r\n", 1),
        ("BDAT", b"502 5.5.1 not here\r\n", 1),
        ("LAST", b"501 5.5.4 zero octets?\r\n", 1),
        ("BDAT", CLOSE, CHANCES[Skill.CHUNKING]),
        ("BDAT", b"354 go\r\n", CHANCES[Skill.CHUNKING]),
        ("BDAT", b"250 Ok\r\n250 Ok\r\n", CHANCES[Skill.CHUNKING]),
        ("BDAT", SILENCE, CHANCES[Skill.CHUNKING]),
    ],
    ids=["500", "502", "LAST refused", "closes", "354", "too many", "silent"],
)
async def test_a_server_that_breaks_it(peer, running, route, handoff, until, swift, step, answer, lost):
    """A mail or two are deferred, none bounces; then it is DATA, also where the route is configured anew, or another leads there."""
    limits = {"data_timeout": timedelta(milliseconds=50)}
    async with peer(EHLO=EHLO, **{step: answer}) as server, running(route(server.relay, connections=1, **limits)) as listener:
        mails = [handoff() for _ in range(lost + 1)]
        for mail in mails:
            listener.send(mail)
            await until(lambda mail=mail: mail in listener.outcomes)
        assert [outcome(listener, mail) for mail in mails] == [DEFERRED] * lost + [DELIVERED]
        assert b"DATA" in server.sessions[-1].commands
        assert len(server.sessions) == lost + 1
        listener.use(route(server.relay, connections=1, verify=False, **limits))
        listener.send(again := handoff())
        await until(lambda: again in listener.outcomes)
        assert outcome(listener, again) is DELIVERED


@pytest.mark.parametrize(
    ("answer", "becomes", "stays"),
    [
        (b"452 4.3.1 no space\r\n", DEFERRED, True),
        (b"554 5.7.1 no\r\n", Outcome.BOUNCED, True),
        (b"421 4.3.2 bye\r\n", DEFERRED, False),
    ],
)
async def test_a_server_that_refuses_a_chunk(peer, running, route, handoff, until, swift, answer, becomes, stays):
    """That is a verdict, or a good-bye, and no reason to give BDAT up: the next mails go that way, over one connection where it stays."""
    answers = [*(CHANCES[Skill.CHUNKING] + 1) * [answer], b"250 2.0.0 Ok\r\n"]
    async with peer(EHLO=EHLO, BDAT=answers[:]) as server, running(route(server.relay, connections=1)) as listener:
        mails = [handoff() for _ in answers]
        for mail in mails:
            listener.send(mail)
            await until(lambda mail=mail: mail in listener.outcomes)
        assert [outcome(listener, mail) for mail in mails] == [becomes] * (len(mails) - 1) + [DELIVERED]
        assert server.mails == [mails[-1].message]
        assert (len(server.sessions) == 1) == stays
        assert not any(b"DATA" in session.commands for session in server.sessions)


async def test_connections_dialled_before_learn_it_too(peer, running, route, handoff, until):
    """One mail is lost to it, not one for each warm connection."""
    async with peer(EHLO=EHLO, BDAT=b"500 what?\r\n") as server, running(route(server.relay, connections=4)) as listener:
        await until(lambda: listener.pool.warm("r") == 4)
        listener.send(first := handoff())
        await until(lambda: first in listener.outcomes)
        listener.send(*(rest := [handoff() for _ in range(3)]))
        await until(lambda: len(listener.outcomes) == 4)
        assert [outcome(listener, mail) for mail in (first, *rest)] == [DEFERRED, DELIVERED, DELIVERED, DELIVERED]


async def test_silence_after_last(peer, running, route, handoff, until, swift):
    """Nobody can know: in doubt, and reset."""
    async with (
        peer(EHLO=EHLO, LAST=SILENCE) as server,
        running(route(server.relay, connections=1, body_timeout=timedelta(milliseconds=50))) as listener,
    ):
        listener.send(mail := handoff())
        await until(lambda: mail in listener.outcomes)
        assert outcome(listener, mail) is IN_DOUBT


async def test_a_server_that_reads_nothing(peer, running, route, handoff, until, swift):
    """A long message makes no headway: deferred, since its end has not left."""
    limits = {"block_timeout": timedelta(milliseconds=100)}
    async with peer(EHLO=EHLO, BDAT=SILENCE) as server, running(route(server.relay, connections=1, **limits)) as listener:
        listener.send(mail := handoff(LONG * 30_000))
        await until(lambda: mail in listener.outcomes)
        assert outcome(listener, mail) is DEFERRED
