"""How many mails a server takes on a connection: seen when two in a row end at the same, and forgotten after an hour."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mailgate.route import Relay, Route
from mailgate.verdict import Outcome, Phase, Reply
from sender.pool.plan import Slot
from sender.pool.shortcomings import REMEMBERED, Shortcomings
from sender.pool.skills import Skills

ROUTE = Route("r", (Relay("a"), Relay("b")), max_mails_per_connection=100)
ENOUGH = Reply(Phase.MAIL, 421, "", "too many messages in this connection", "rate_limited")
OK = b"250 Ok\r\n"


def ends(skills: Skills, *ends: tuple[int, int], now: float = 0.0, reply: Reply = ENOUGH) -> int:
    """Connections, by relay and mails, that end so one after the other; the most that are then carried."""
    for relay, mails in ends:
        answered = reply.code != 421
        skills.refused(Slot(relay=relay, mails=mails + answered), reply, now, answered=answered)
    return skills.mails


def test_twice_the_same_is_a_limit():
    """Once is none, nor are two that differ: a server that shuts down ends at whatever it was."""
    assert ends(Skills(ROUTE, Shortcomings()), (0, 20)) == 100
    assert ends(Skills(ROUTE, Shortcomings()), (0, 20), (0, 7), (0, 20)) == 100
    assert ends(Skills(ROUTE, Shortcomings()), (0, 20), (1, 20)) == 100
    assert ends(Skills(ROUTE, Shortcomings()), (0, 20), (0, 20)) == 20
    assert ends(Skills(ROUTE, Shortcomings()), (0, 20), (0, 20), (1, 30), (1, 30)) == 20
    assert ends(Skills(ROUTE, Shortcomings()), (0, 20), (0, 20), (1, 10), (1, 10)) == 10


def test_what_is_no_limit():
    """A refusal of the first mail, one for good or for another reason, or one above what the route says."""
    assert ends(Skills(ROUTE, Shortcomings()), (0, 0), (0, 0)) == 100
    for code, bounce_class in ((552, "rate_limited"), (450, "greylisted")):
        other = ENOUGH._replace(code=code, bounce_class=bounce_class)
        assert ends(Skills(ROUTE, Shortcomings()), (0, 20), (0, 20), reply=other) == 100
    assert ends(Skills(ROUTE, Shortcomings()), (0, 200), (0, 200)) == 100


def test_a_refusal_without_an_end():
    """452 and on: the same, and the connection closes when it is freed."""
    full = ENOUGH._replace(code=452)
    assert ends(Skills(ROUTE, Shortcomings()), (0, 20), (0, 20), reply=full) == 20
    slot = Slot(mails=3, dialled_at=5.0)
    Skills(ROUTE, Shortcomings()).refused(slot, full, 6.0, answered=True)
    assert slot.dialled_at < 0


def test_it_is_forgotten_after_an_hour():
    """And outlives other numbers of the route."""
    skills = Skills(ROUTE, Shortcomings())
    assert ends(skills, (0, 20), (0, 20), now=5.0) == 20
    skills.route = replace(ROUTE, max_mails_per_connection=50)
    assert skills.mails == 20
    skills.route = replace(ROUTE, max_mails_per_connection=10)
    assert skills.mails == 10
    skills.look(4.0 + REMEMBERED)
    skills.route = replace(ROUTE, max_mails_per_connection=50)
    assert skills.mails == 20
    skills.look(5.0 + REMEMBERED)
    assert skills.mails == 50
    assert ends(skills, (0, 20)) == 50


@pytest.mark.parametrize("enough", [b"421 4.7.0 too many messages in this connection\r\n", b"452 4.5.3 Too many messages sent\r\n"])
async def test_a_server_with_a_limit_costs_two_mails(peer, running, route, handoff, until, enough):
    """The first two connections show it, whether it ends them or goes on refusing; those that follow say QUIT in time."""
    async with peer(MAIL=[OK, OK, enough] * 2 + [OK] * 20) as server, running(route(server.relay, connections=1)) as listener:
        mails = [handoff(b"%d\r\n" % number) for number in range(20)]
        listener.send(*mails)
        await until(lambda: len(listener.outcomes) == len(mails))
        told = [listener.outcomes[mail].recipients[0].outcome for mail in mails]
        assert [place for place, outcome in enumerate(told) if outcome is not Outcome.DELIVERED] == [2, 5]
        carried = [sum(command.startswith(b"MAIL") for command in session.commands) for session in server.sessions]
        assert carried[:4] == [3, 3, 2, 2]
        await until(lambda: {session.ended for session in server.sessions[2:8]} == {"quit"})
