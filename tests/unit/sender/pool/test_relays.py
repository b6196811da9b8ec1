"""Relays of a route rest after failures; what is the host's own is known to other routes too, what is a route's own is not."""

from __future__ import annotations

from mailgate.route import Relay, Route
from mailgate.verdict import Phase, Reply
from sender.pool.circuits import Circuits
from sender.pool.relays import Relays, Trouble, refuses_login
from sender.pool.source import Source

DEAD = Reply(Phase.CONNECT, 0, "", "connection refused", "connect")
REFUSED = Reply(Phase.AUTH, 535, "5.7.8", "no", "auth")
NOT_NOW = Reply(Phase.AUTH, 454, "4.7.0", "later", "auth")
DISTRUSTED = Reply(Phase.TLS, 0, "", "certificate expired", "tls")
MX = Relay("mx", 25)


HERE, THERE = Source("here"), Source("there")


def relays(count: int = 1, circuits: Circuits | None = None, **changes) -> Relays:
    return Relays(Route("r", tuple(Relay(f"mx{n}") for n in range(count)), **changes), circuits)


def test_well_again_only_by_a_connection_dialled_since():
    """A connection older than the failure proves nothing."""
    found = relays()
    found.failed(0, 10.0, 10.0, 0.5, DEAD)
    found.proved(0, 5.0)
    assert found.suspect(0)
    found.proved(0, 11.5)
    assert not found.suspect(0)
    assert found.well(11.5)


def test_one_relay_that_is_well_is_enough():
    """A route is well when any relay is."""
    found = relays(2)
    found.failed(0, 0.0, 0.0, 0.5, DEAD)
    assert found.well(0.0)
    found.failed(1, 0.0, 0.0, 0.5, DEAD)
    assert not found.well(0.0)
    assert not found.well(100.0), "rested, but not yet proved"
    assert (found.count_resting(0.5), found.count_resting(100.0)) == (2, 0)


def test_a_dead_host_is_dead_to_every_route():
    """One time-out for the node, whatever the number of routes, and one dial that tries it."""
    circuits = Circuits()
    first, second = Relays(Route("a", (MX,)), circuits), Relays(Route("b", (Relay("other"), MX)), circuits)
    first.failed(0, 0.0, 10.0, 0.5, DEAD)
    assert second.resting(1, 10.5)
    assert not second.resting(0, 10.5)
    second.tried(1, 11.0)
    assert first.resting(0, 20.9)
    second.answered(1, 12.0)
    assert not first.resting(0, 12.0)
    second.proved(1, 12.0)
    assert first.well(12.0)


def test_another_password_is_another_matter():
    """Credentials and certificates are of a route: the others go on, and so does the same route once it was corrected."""
    for reply in (REFUSED, DISTRUSTED):
        circuits = Circuits()
        wrong = Relays(Route("a", (MX,), username="me", secret="old"), circuits)
        right = Relays(Route("a", (MX,), username="me", secret="new"), circuits)
        same = Relays(Route("b", (MX,), username="me", secret="old"), circuits)
        wrong.failed(0, 0.0, 0.0, 0.5, reply)
        assert wrong.resting(0, 0.5)
        assert same.resting(0, 0.5)
        assert right.well(0.5)


def test_refused_credentials_rest_longer():
    """Half a minute at first; a server that can't judge them now is asked again in a second."""
    for reply, pause in ((REFUSED, 30.0), (NOT_NOW, 1.0), (DISTRUSTED, 1.0), (Reply(Phase.AUTH, 0, "", "no such secret", "auth"), 30.0)):
        found = relays(username="me", secret="s")
        found.failed(0, 0.0, 0.0, 0.5, reply)
        assert found.pause(0) == (1, pause)
        assert refuses_login(reply) is (pause > 1)


def test_what_waits_is_told_why():
    """What happened, how often, and for how long nobody tries; once the pause is over, what happened."""
    trouble = Trouble(DEAD, "mx", "", 0.0, failures=5, rests_until=116.0)
    assert trouble.told(100.0) == "not dialled for 16 s after 5 failures in a row: connection refused"
    assert trouble.told(116.0) == "connection refused"
    assert Trouble(DEAD, "mx", "", 0.0, 1, 116.0).told(100.0).startswith("not dialled for 16 s after a failure: ")


def test_a_host_is_each_sources_own():
    """Who lets in none of one source may take all of another's; a password that is wrong is wrong from everywhere."""
    for reply, shared in (
        (DEAD, False),
        (Reply(Phase.MAIL, 554, "5.7.1", "blocked", "blocked"), False),
        (REFUSED, True),
        (DISTRUSTED, True),
    ):
        circuits = Circuits()
        route = Route("a", (MX,), username="me", secret="s")
        first, second, same = (Relays(route, circuits, source) for source in (HERE, THERE, HERE))
        first.failed(0, 0.0, 0.0, 0.5, reply)
        assert same.resting(0, 0.5)
        assert second.resting(0, 0.5) is shared


def test_a_trouble_rests_no_longer_than_the_relay():
    """Somebody says that something was mended: mail may come, and find out. A dial that does is no new rest for what waits for it."""
    circuits = Circuits()
    found = Relays(Route("a", (MX,), username="me", secret="s"), circuits, HERE)
    found.failed(0, 0.0, 0.0, 0.5, Reply(Phase.AUTH), of_node=True)
    assert found.trouble is not None
    assert (found.trouble.rests_until, found.trouble.of_node) == (30.0, True)
    circuits.again()
    assert found.trouble.rests_until < 0.0
    found.tried(0, 1.0)
    assert found.trouble.rests_until < 30.0


def test_a_source_that_fails_rests_briefly():
    """Nobody but this machine is asked, so five seconds at the most; and the trouble says that it is the source's."""
    found = Relays(Route("a", (MX,)), Circuits(), HERE)
    now = 0.0
    for pause in (1.0, 2.0, 4.0, 5.0, 5.0):
        found.failed(0, now, now, 0.5, DEAD, of_source=True)
        assert found.pause(0)[1] == now + pause
        now += 10.0
    assert found.trouble is not None
    assert found.trouble.of_source
    found.failed(0, now, now, 0.5, DEAD)
    assert not found.trouble.of_source
