"""The pool against a real server on the loopback: warm connections, mails in order, and everything that can go wrong with either."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from mailgate.route import Relay
from mailgate.verdict import Outcome, Phase
from sender.pool.path import Path

CLOSE, SILENCE = b"\1", b"\0"
DELIVERED, DEFERRED, BOUNCED, IN_DOUBT = Outcome.DELIVERED, Outcome.DEFERRED, Outcome.BOUNCED, Outcome.IN_DOUBT


def outcome(listener, mail):
    (verdict,) = listener.outcomes[mail].recipients
    return verdict.outcome


async def test_mails_over_warm_connections(peer, running, route, handoff, until):
    """All connections are dialled before there is mail; mails share them; what arrives is what was sent."""
    async with peer() as server, running(route(server.relay, connections=3)) as listener:
        await until(lambda: listener.pool.warm("r") == 3)
        mails = [handoff(b"Subject: %d\r\n\r\n.dot\r\n..\r\n.\r\n" % i) for i in range(50)]
        listener.send(*mails)
        await until(lambda: len(listener.outcomes) == 50)
        assert sorted(server.mails) == sorted(mail.message for mail in mails)
        assert len(server.sessions) == 3
        tried = listener.outcomes[mails[0]]
        assert (tried.remote_host, tried.remote_address, tried.tls) == ("127.0.0.1", f"127.0.0.1:{server.port}", "")
        assert 0 < tried.duration_us < 5_000_000
        (verdict,) = tried.recipients
        assert (verdict.indexes, verdict.outcome, verdict.reply.phase, verdict.reply.code) == ((0,), DELIVERED, Phase.BODY, 250)
        assert all(listener.was_ready(mail) for mail in mails)
        assert "idle=3" in repr(listener.pool)
        assert listener.pool.stats()["r"].mails == 50


async def test_no_idle_connection(peer, running, route, handoff, until):
    """`start` says False at once, and `idle` says when it would be True."""
    async with peer() as server, running(route(server.relay, connections=1)) as listener:
        listener.commits = False
        first, second = handoff(), handoff()
        assert not listener.start(first)
        await until(lambda: ("idle", "r") in listener.calls)
        assert listener.start(first)
        assert not listener.start(second)
        assert (listener.pool.warm("r"), listener.pool.stats()["r"].slots["BUSY"], listener.pool.capacity("r")) == (1, 1, 1)
        await until(lambda: listener.was_ready(first))
        assert listener.pool.commit(first)
        listener.calls.clear()
        await until(lambda: ("idle", "r") in listener.calls)
        assert listener.start(second)
        assert listener.pool.stats()["r"].slots["BUSY"] == 1


async def test_a_route_that_is_not_there(running, handoff):
    """Nothing can be started on it, and it has no capacity."""
    async with running() as listener:
        assert not listener.start(handoff())
        assert listener.pool.capacity("r") == 0
        assert listener.pool.trouble("r") is None


async def test_known_at_once_is_told_later(peer, running, route, handoff, until):
    """A mail that the server can't take is answered on the loop's next turn, not within `start`, and costs no connection."""
    async with (
        peer(EHLO=b"250-x\r\n250-SIZE 1000\r\n250 PIPELINING\r\n") as server,
        running(route(server.relay, connections=1)) as listener,
    ):
        await until(lambda: listener.pool.warm("r"))
        large = handoff(b"x" * 2000)
        assert listener.start(large)
        assert not listener.outcomes
        assert not listener.pool.commit(large)
        await until(lambda: large in listener.outcomes)
        assert outcome(listener, large) is BOUNCED
        assert listener.outcomes[large].recipients[0].reply.bounce_class == "too_large"
        withdrawn = handoff(smtputf8=True)
        assert listener.start(withdrawn)
        listener.pool.withdraw(withdrawn)
        listener.send(small := handoff())
        await until(lambda: small in listener.outcomes)
        assert outcome(listener, small) is DELIVERED
        assert withdrawn not in listener.outcomes
        assert len(server.sessions) == 1


# ---- mails that follow


def following(listener):
    """As delivery does: after its commits it starts what waits."""

    def ready(handoff):
        listener.calls.append(("ready", handoff))
        listener.committed[handoff] = listener.pool.commit(handoff)
        listener.idle("")

    listener.ready = ready


async def test_a_mail_follows_in_one_write(peer, running, route, handoff, until):
    """On a connection that has shown that it answers bodies soon: the next group is in the server's buffer when the body is."""
    async with peer() as server, running(route(server.relay, connections=1)) as listener:
        behind = []
        genuine = server.answer

        def answer(name):
            if name == ".":
                behind.append(bytes(server.sessions[0].reader._buffer[:5]))
            return genuine(name)

        server.answer = answer
        following(listener)
        await until(lambda: listener.pool.warm("r"))
        mails = [handoff(b"Subject: %d\r\n" % i) for i in range(6)]
        listener.send(*mails)
        await until(lambda: len(listener.outcomes) == 6)
        assert behind == [b"", b"MAIL ", b"MAIL ", b"MAIL ", b"MAIL ", b""]
        assert server.mails == [mail.message for mail in mails]
        assert all(outcome(listener, mail) is DELIVERED for mail in mails)
        assert listener.pool.stats()["r"].mails == 6


async def test_not_behind_a_slow_server(peer, running, route, handoff, until, monkeypatch):
    """A mail would wait there while another connection may become free."""
    monkeypatch.setattr("sender.pool.connection.FOLLOW_WITHIN", 0.0)
    async with peer() as server, running(route(server.relay, connections=1)) as listener:
        await until(lambda: listener.pool.warm("r"))
        listener.send(first := handoff())
        await until(lambda: first in listener.outcomes)
        server.answers["."] = SILENCE
        listener.send(second := handoff())
        await until(lambda: listener.was_ready(second))
        assert not listener.start(handoff())


async def test_not_where_groups_were_just_forbidden(peer, running, route, handoff, until, swift):
    """The route says no to them while a body is out that a mail could have followed: the next mail waits its turn."""
    async with peer() as server, running(route(server.relay, connections=1)) as listener:
        listener.send(first := handoff())
        await until(lambda: first in listener.outcomes)
        server.answers["."] = SILENCE
        listener.send(second := handoff())
        await until(lambda: len(server.mails) == 2)
        listener.use(route(server.relay, connections=1, pipelining=False))
        looks = iter(range(20))
        await until(lambda: next(looks, None) is None)  # as many sweeps, or nearly
        assert not listener.start(handoff())
        assert second not in listener.outcomes


async def test_a_body_that_nothing_follows_leaves_at_once(peer, running, route, handoff, until):
    """It is held for a turn of the loop, no more."""
    async with peer() as server, running(route(server.relay, connections=1)) as listener:
        for _ in range(3):
            listener.send(mail := handoff())
            await until(lambda mail=mail: mail in listener.outcomes, 0.5)
        assert len(server.mails) == 3


async def test_lost_under_two_mails(peer, running, route, handoff, until):
    """The one whose body is out is in doubt, the one that followed it is deferred, and can be withdrawn or committed no more."""
    async with peer() as server, running(route(server.relay, connections=1)) as listener:
        listener.send(first := handoff())
        await until(lambda: first in listener.outcomes)
        following(listener)
        server.answers["."] = SILENCE
        second, third = handoff(), handoff()
        listener.send(second, third)
        await until(lambda: len(server.mails) == 2)
        assert listener.queue == []
        server.sessions[0].writer.close()
        await until(lambda: third in listener.outcomes)
        assert (outcome(listener, second), outcome(listener, third)) == (IN_DOUBT, DEFERRED)
        listener.pool.withdraw(third)
        assert not listener.pool.commit(third)


async def test_withdrawn_while_it_follows(peer, running, route, handoff, until):
    """Nothing is heard of it, the one before is delivered, and no dot is sent for it."""
    async with peer() as server, running(route(server.relay, connections=1)) as listener:
        listener.send(first := handoff())
        await until(lambda: first in listener.outcomes)
        following(listener)
        server.read_pause = 0.1
        second, third = handoff(), handoff(b"never\r\n")
        listener.send(second, third)
        await until(lambda: not listener.queue)
        listener.pool.withdraw(third)
        assert second not in listener.outcomes
        await until(lambda: second in listener.outcomes)
        assert outcome(listener, second) is DELIVERED
        await until(lambda: server.sessions[0].ended)
        assert third not in listener.outcomes
        assert b"never\r\n" not in server.mails
        await until(lambda: listener.pool.warm("r") == 1)


async def test_unfit_to_follow(peer, running, route, handoff, until):
    """It is told on the next turn; the mail before it and the connection are not touched."""
    async with peer(EHLO=b"250-x\r\n250 PIPELINING\r\n") as server, running(route(server.relay, connections=1)) as listener:
        listener.send(first := handoff())
        await until(lambda: first in listener.outcomes)
        following(listener)
        mails = [handoff(), handoff(smtputf8=True), handoff()]
        listener.send(*mails)
        await until(lambda: len(listener.outcomes) == 4)
        assert [outcome(listener, mail) for mail in mails] == [DELIVERED, BOUNCED, DELIVERED]
        assert len(server.sessions) == 1


# ---- withdrawals


async def test_withdrawn_while_ready(peer, running, route, handoff, until):
    """The connection is closed without a dot, another is dialled, and nothing more is heard of the mail."""
    async with peer() as server, running(route(server.relay, connections=1)) as listener:
        listener.commits = False
        listener.send(mail := handoff())
        await until(lambda: listener.was_ready(mail))
        listener.pool.withdraw(mail)
        assert not listener.pool.commit(mail)
        await until(lambda: server.sessions[0].ended == "eof in data")
        await until(lambda: listener.pool.warm("r") == 1)
        assert server.mails == []
        assert not listener.outcomes
        assert len(server.sessions) == 2


async def test_withdrawn_before_the_reply_to_data(peer, running, route, handoff, until):
    """What the server owes is awaited; DATA was refused, so RSET, and the same connection takes the next mail."""
    async with peer(DATA=[b"451 later\r\n", b"354 go\r\n"]) as server, running(route(server.relay, connections=1)) as listener:
        await until(lambda: listener.pool.warm("r"))
        mail = handoff()
        assert listener.start(mail)
        listener.pool.withdraw(mail)
        listener.send(other := handoff())
        await until(lambda: other in listener.outcomes)
        assert outcome(listener, other) is DELIVERED
        assert mail not in listener.outcomes
        assert len(server.sessions) == 1
        assert b"RSET" in server.sessions[0].commands


async def test_withdrawn_too_late(peer, running, route, handoff, until):
    """After the commit the outcome is told all the same."""
    async with peer() as server, running(route(server.relay)) as listener:
        listener.send(mail := handoff())
        await until(lambda: listener.was_ready(mail))
        listener.pool.withdraw(mail)
        await until(lambda: mail in listener.outcomes)
        assert outcome(listener, mail) is DELIVERED


# ---- bad servers


@pytest.mark.parametrize("say", [b"421 4.4.2 idle too long\r\n", b"250 what?\r\n", b"4"])
async def test_words_while_idle(peer, running, route, handoff, until, swift, say):
    """A connection on which the server spoke unasked takes no mail; the next mail goes over another."""
    async with peer() as server, running(route(server.relay, connections=1)) as listener:
        await until(lambda: listener.pool.warm("r") == 1)
        server.sessions[0].writer.write(say)
        await until(lambda: server.sessions[0].ended)
        listener.send(mail := handoff())
        await until(lambda: mail in listener.outcomes)
        assert outcome(listener, mail) is DELIVERED
        assert server.sessions[0].commands == [b"EHLO node.example"]


async def test_closed_while_idle(peer, running, route, handoff, until, swift):
    """The server hangs up: the next mail finds another connection, or none, but not that one."""
    async with peer() as server, running(route(server.relay, connections=2)) as listener:
        await until(lambda: listener.pool.warm("r") == 2)
        for session in server.sessions:
            session.writer.close()
        await until(lambda: listener.pool.stats()["r"].closed == 2)
        listener.send(mail := handoff())
        await until(lambda: mail in listener.outcomes)
        assert outcome(listener, mail) is DELIVERED


@pytest.mark.parametrize(
    ("step", "expected", "phase"),
    [("MAIL", DEFERRED, Phase.MAIL), ("RCPT", DEFERRED, Phase.RCPT), ("DATA", DEFERRED, Phase.DATA), ("DOT", IN_DOUBT, Phase.BODY)],
)
@pytest.mark.parametrize("answer", [CLOSE, SILENCE, b"rubbish\r\n", b"421 4.3.2 bye\r\n"], ids=["closes", "silent", "rubbish", "421"])
async def test_bad_answers(peer, running, route, handoff, until, swift, step, expected, phase, answer):
    """Before the final dot the mail is deferred; after it in doubt, unless the server says 421; a good connection takes over."""
    limits = {f"{name}_timeout": timedelta(milliseconds=50) for name in ("command", "data", "block", "body")}
    async with peer(**{step: [answer]}) as server, running(route(server.relay, connections=1, **limits)) as listener:
        listener.send(mail := handoff())
        await until(lambda: mail in listener.outcomes)
        (verdict,) = listener.outcomes[mail].recipients
        assert verdict.outcome is (DEFERRED if answer.startswith(b"421") else expected)
        assert verdict.reply.phase is phase
        assert verdict.reply.text
        listener.send(other := handoff())
        await until(lambda: other in listener.outcomes)
        assert outcome(listener, other) is DELIVERED
        await until(lambda: server.sessions[0].ended or server.sessions[0].writer.is_closing())


async def test_a_server_that_closes_after_the_dot_sees_a_reset(peer, running, route, handoff, until):
    """It says that it sends no more, and could still read: in doubt, and nothing of ours reaches it any more."""
    async with peer() as server, running(route(server.relay, connections=1)) as listener:
        server.answers["."] = SILENCE
        await until(lambda: server.sessions)
        listener.send(mail := handoff())
        await until(lambda: server.mails)
        server.sessions[0].writer.write_eof()
        await until(lambda: mail in listener.outcomes)
        assert outcome(listener, mail) is IN_DOUBT
        await until(lambda: server.sessions[0].ended)
        assert server.sessions[0].ended == "reset"


async def test_doubt_resets_the_connection(peer, running, route, handoff, until, swift):
    """The server never answers the final dot: it sees a reset, so that no octet can follow."""
    async with peer() as server, running(route(server.relay, connections=1, body_timeout=timedelta(milliseconds=50))) as listener:
        server.answers["."] = SILENCE
        await until(lambda: server.sessions)
        listener.send(mail := handoff())
        await until(lambda: mail in listener.outcomes)
        assert outcome(listener, mail) is IN_DOUBT
        await until(lambda: server.sessions[0].ended == "reset")


async def test_a_lost_mail_can_not_be_committed(peer, running, route, handoff, until):
    """354, then the server hangs up: `done` says deferred, and the commit that comes after is told False."""
    async with peer() as server, running(route(server.relay, connections=1)) as listener:
        listener.commits = False
        listener.send(mail := handoff())
        await until(lambda: listener.was_ready(mail))
        server.sessions[0].writer.close()
        await until(lambda: mail in listener.outcomes)
        assert outcome(listener, mail) is DEFERRED
        assert not listener.pool.commit(mail)


async def test_a_server_that_can_not_do_what_it_offers(peer, running, route, handoff, until, swift):
    """It offers PIPELINING and breaks over every group: after a few, commands go one by one."""
    async with peer() as server, running(route(server.relay, connections=1)) as listener:

        def answer(name: str) -> bytes:
            session = server.sessions[-1]
            if name == "MAIL" and session.reader._buffer:  # more than one command came at once
                return CLOSE
            return genuine(name)

        genuine, server.answer = server.answer, answer
        mails = [handoff() for _ in range(5)]
        for mail in mails:
            listener.send(mail)
            await until(lambda mail=mail: mail in listener.outcomes)
        assert [outcome(listener, mail) for mail in mails] == [DEFERRED] * 3 + [DELIVERED] * 2


# ---- relays


async def test_relays_in_their_order(peer, running, route, handoff, until):
    """The second is dialled when the first can't be."""
    async with peer() as second:
        async with peer() as first:
            pass
        async with running(route(first.relay, second.relay)) as listener:
            listener.send(mail := handoff())
            await until(lambda: mail in listener.outcomes)
            assert listener.outcomes[mail].remote_address == f"127.0.0.1:{second.port}"
            assert listener.pool.capacity("r") == 2
            assert listener.pool.trouble("r") is None


async def test_no_relay_can_be_reached(peer, running, route, handoff, until, swift):
    """No capacity, and the trouble says why; when the relay is back, so is the route."""
    async with peer() as server:
        pass
    async with running(route(server.relay)) as listener:
        await until(lambda: listener.pool.trouble("r"))
        trouble = listener.pool.trouble("r")
        assert (trouble.reply.phase, trouble.reply.code, trouble.reply.bounce_class) == (Phase.CONNECT, 0, "connect")
        assert trouble.remote_host == "127.0.0.1"
        assert "onnect" in trouble.reply.text
        mail = handoff()
        assert not listener.start(mail)
        async with server:
            listener.send(mail)
            await until(lambda: mail in listener.outcomes)
            assert outcome(listener, mail) is DELIVERED
            assert listener.pool.trouble("r") is None
            await listener.pool.close()


async def test_a_server_that_greets_and_hangs_up_is_not_dialled_for_ever(peer, running, route, until):
    """A connection that never carried a mail counts as a failed dial: the relay rests."""
    async with peer(EHLO=b"250 x\r\n") as server, running(route(server.relay, connections=1)) as listener:
        await until(lambda: listener.pool.warm("r"))
        server.sessions[0].writer.close()
        await until(lambda: listener.pool.stats()["r"].closed == 1)
        await asyncio.sleep(0.05)
        assert len(server.sessions) == 1
        assert listener.pool.capacity("r") == 0


async def test_a_dead_host_costs_one_time_out(peer, running, route, handoff, until):
    """Whatever waits, and over two routes: each of the eight dials that are under way together, and then none until the pause is over."""
    async with peer(GREETING=SILENCE) as server:
        short = {"connect_timeout": timedelta(milliseconds=100)}
        routes = (route(server.relay, connections=4, **short), replace(route(server.relay, connections=4, **short), name="other"))
        async with running(*routes) as listener:
            listener.send(*(handoff() for _ in range(50)))
            await until(lambda: listener.pool.stats()["r"].failed == listener.pool.stats()["other"].failed == 4)
            looks = iter(range(50))
            await until(lambda: next(looks, None) is None)
            assert len(server.sessions) == 8
            assert listener.pool.stats()["other"].resting == 1
            assert "not dialled" in listener.pool.trouble("other").told(listener.pool.trouble("other").rests_until - 1)


async def test_refused_credentials_are_not_hammered(peer, running, route, handoff, until, swift):
    """Each of the first dials is told, then none: not by the route, nor by another with the same credentials. One with others goes on."""
    async with peer(EHLO=b"250-x\r\n250 AUTH PLAIN\r\n", AUTH=b"535 5.7.8 no\r\n") as server:
        mine = route(server.relay, username="me", secret="s")
        async with running(mine, replace(route(server.relay), name="open"), secrets={"s": "wrong"}) as listener:
            await until(lambda: listener.pool.stats()["r"].refused == 2)
            listener.use(mine, replace(mine, name="again"), replace(route(server.relay), name="open"))
            listener.send(open_mail := handoff(route="open"))
            await until(lambda: open_mail in listener.outcomes)
            looks = iter(range(50))
            await until(lambda: next(looks, None) is None)
            assert sum(command.startswith(b"AUTH") for session in server.sessions for command in session.commands) == 2
            assert listener.pool.trouble("r").reply.code == 535
            assert listener.pool.capacity("r") == listener.pool.capacity("again") == 0
            await listener.pool.close()


# ---- routes that change


async def test_a_route_is_changed_and_removed(peer, running, route, handoff, until):
    """Other relays: the mail under way is finished on the old connection, which then says QUIT; new mail goes to the new."""
    async with peer() as old, peer() as new, running(route(old.relay, connections=1)) as listener:
        listener.commits = False
        listener.send(first := handoff())
        await until(lambda: listener.was_ready(first))
        listener.use(route(new.relay, connections=1))
        listener.commits = True
        listener.send(second := handoff())
        await until(lambda: second in listener.outcomes)
        assert listener.pool.commit(first)
        await until(lambda: first in listener.outcomes)
        assert listener.outcomes[first].remote_address == f"127.0.0.1:{old.port}"
        assert listener.outcomes[second].remote_address == f"127.0.0.1:{new.port}"
        await until(lambda: old.sessions[0].ended == "quit")
        listener.use()
        await until(lambda: new.sessions[0].ended == "quit")
        assert not listener.start(handoff())


async def test_a_route_of_another_size(peer, running, route, until, swift):
    """More are dialled, or the idle ones too many say QUIT; those that fit stay."""
    async with peer() as server, running(route(server.relay, connections=2)) as listener:
        await until(lambda: listener.pool.warm("r") == 2)
        listener.use(route(server.relay, connections=4))
        await until(lambda: listener.pool.warm("r") == 4)
        listener.use(route(server.relay, connections=1))
        await until(lambda: len(server.open) == 1)
        assert listener.pool.capacity("r") == 1
        assert [session.ended for session in server.sessions].count("quit") == 3


async def test_connections_have_an_end(peer, running, route, handoff, until):
    """After `max_mails_per_connection` mails it says QUIT, and another is dialled."""
    async with peer() as server, running(route(server.relay, connections=1, max_mails_per_connection=3)) as listener:
        listener.send(*(handoff() for _ in range(7)))
        await until(lambda: len(listener.outcomes) == 7)
        assert [session.ended for session in server.sessions[:2]] == ["quit", "quit"]
        assert [command[:4] for command in server.sessions[0].commands].count(b"MAIL") == 3


async def test_idle_connections_are_closed_but_for_a_few(peer, running, route, handoff, until, swift):
    """Unused for `idle_timeout`: QUIT, down to `min_idle`; a burst of mail brings them back."""
    changes = {"connections": 10, "min_idle": 1, "idle_timeout": timedelta(milliseconds=300)}
    async with peer() as server, running(route(server.relay, **changes)) as listener:
        listener.commits = False  # so that each mail holds its connection, however long the others take to be dialled
        await until(lambda: listener.pool.warm("r") == 1, 15)
        for _ in range(2):
            listener.send(*(mails := [handoff() for _ in range(10)]))
            await until(lambda mails=mails: all(listener.was_ready(mail) for mail in mails), 15)
            assert listener.pool.warm("r") == 10
            assert all(listener.pool.commit(mail) for mail in mails)
            await until(lambda: listener.pool.warm("r") == 1, 15)


# ---- large mails


@pytest.mark.parametrize("pause", [0.0, 0.3])
async def test_a_large_mail_arrives_whole(peer, running, route, handoff, until, pause):
    """Twenty megabytes, to a reader that keeps up and one that does not; the loop turns meanwhile."""
    message = b"".join(b"%d%b\r\n" % (i, b".x" * 38) for i in range(20_000_000 // 86))
    async with peer() as server, running(route(server.relay)) as listener:
        server.read_pause = pause
        listener.send(mail := handoff(message))
        await until(lambda: mail in listener.outcomes, 30)
        assert outcome(listener, mail) is DELIVERED
        assert server.mails == [message]


async def test_lost_amid_a_large_mail(peer, running, route, handoff, until):
    """The end of the body has not left us: deferred, not in doubt."""
    async with peer() as server, running(route(server.relay)) as listener:
        server.body_limit = 1_000_000
        listener.send(mail := handoff(b"x" * 76 + b"\r\n" + (b"y" * 76 + b"\r\n") * 400_000))
        await until(lambda: mail in listener.outcomes, 10)
        assert outcome(listener, mail) is DEFERRED


# ---- the end


async def test_drain(peer, running, route, handoff, until):
    """Nothing new is taken; what is idle says QUIT, what is under way is finished first."""
    async with peer() as server, running(route(server.relay, connections=2)) as listener:
        listener.commits = False
        await until(lambda: listener.pool.warm("r") == 2)
        listener.send(mail := handoff())
        await until(lambda: listener.was_ready(mail))
        assert not await listener.pool.drain(0.05)
        assert not listener.start(handoff())
        assert listener.pool.capacity("r") == 0
        assert listener.pool.commit(mail)
        assert await listener.pool.drain(2)
        assert outcome(listener, mail) is DELIVERED
        assert [session.ended for session in server.sessions] == ["quit", "quit"]


async def test_a_path_that_is_opened_too_late(peer, running, route):
    """Whoever drains dials nobody."""
    async with peer() as server, running() as listener:
        assert await listener.pool.drain(2)
        listener.pool.open(Path("late", route(server.relay)))
        assert await listener.pool.drain(2)
        assert not server.sessions
        await listener.pool.close()
        listener.pool.open(Path("later", route(server.relay)))


async def test_close_with_mails_under_way(peer, running, route, handoff, until):
    """Every mail gets its outcome: deferred before the final dot, in doubt after it."""
    async with peer() as server, running(route(server.relay, connections=3)) as listener:
        server.answers["."] = SILENCE
        listener.send(doubtful := handoff())
        await until(lambda: server.mails)
        listener.commits = False
        listener.send(held := handoff())
        await until(lambda: listener.was_ready(held))
        await listener.pool.close()
        assert outcome(listener, doubtful) is IN_DOUBT
        assert outcome(listener, held) is DEFERRED
        assert len(server.mails) == 1


async def test_close_while_dialling(peer, running, route, until):
    """A dial under way is cancelled, its socket closed."""
    async with peer(GREETING=SILENCE) as server, running(route(server.relay)) as listener:
        await until(lambda: len(server.sessions) == 2)
        await listener.pool.close()
        await until(lambda: all(session.ended for session in server.sessions))


async def test_close_before_anything(running, route):
    """Not a turn of the loop since the start."""
    async with running(route(Relay("127.0.0.1", 9))):
        pass
