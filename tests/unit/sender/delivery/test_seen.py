"""What a node tells of its sites: all of them to whoever comes, then what has changed, never more than it can say in a frame."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from mailgate.route import Relay, Route
from mailgate.verdict import Outcome, Phase, RecipientVerdict, Reply, Tried
from sender.delivery import seen
from sender.delivery.outcomes import Outcomes
from sender.delivery.seen import Held, Seen
from sender.pool.path import Path
from sender.pool.plan import NOWHERE, Standing
from sender.pool.relays import Trouble

DELIVERED, DEFERRED, BOUNCED, IN_DOUBT = Outcome.DELIVERED, Outcome.DEFERRED, Outcome.BOUNCED, Outcome.IN_DOUBT


@pytest.fixture
def node():
    """Paths, their connections and what waits, as the test says; `seen` over them."""
    node = SimpleNamespace(opened={}, standings={}, troubles={}, waits={}, held={})
    node.standing = lambda key: node.standings.get(key, NOWHERE)
    node.trouble = node.troubles.get
    lines = SimpleNamespace(waiting=lambda key: node.waits.get(key, 0))
    node.outcomes = Outcomes(node.opened, most=5)
    node.seen = Seen(node, node.opened, lines, node.outcomes, lambda: node.held, most=5)
    return node


def open_(node, *keys):
    for key in keys:
        node.opened[key] = Path(key, Route(key.partition("@")[0], (Relay("mx"),)))


def tried(*outcomes):
    """One recipient each."""
    return Tried(tuple(RecipientVerdict((index,), outcome, Reply(Phase.BODY, 250)) for index, outcome in enumerate(outcomes)))


def told(node, now, gateway="g"):
    return {site.site_key: site for site in node.seen.news(gateway, now)}


def test_all_sites_and_then_what_changes(node):
    """A gateway that comes hears of every site; then of those with mail, or whose connections changed; and of nothing else."""
    open_(node, "a", "b")
    node.seen.join("g")
    assert set(told(node, 0)) == {"a", "b"}
    assert told(node, 1) == {}
    node.outcomes.tried("a", tried(DELIVERED, DELIVERED, DEFERRED, BOUNCED, IN_DOUBT))
    node.standings["b"] = Standing(3, 1, 2, 4, 10)
    node.waits["b"] = 7
    news = told(node, 2)
    a, b = news["a"], news["b"]
    assert (a.mails, a.delivered, a.deferred, a.bounced, a.in_doubt) == (1, 2, 1, 1, 1)
    assert (b.standing, b.waiting) == (Standing(3, 1, 2, 4, 10), 7)
    assert told(node, 3) == {}
    node.seen.join("other")
    assert set(told(node, 3.5, "other")) == {"a", "b"}


def test_at_most_once_a_second(node):
    """What gathers meanwhile is told then, as it is then."""
    open_(node, "a")
    node.seen.join("g")
    told(node, 0)
    node.outcomes.tried("a", tried(DELIVERED))
    assert told(node, 0.9) == {}
    node.outcomes.tried("a", tried(DELIVERED))
    assert told(node, 1.0)["a"].mails == 2


def test_two_gateways_are_told_the_same(node):
    """One that asks first takes nothing from the other, and who has left is not kept in mind."""
    open_(node, "a")
    for gateway in ("g", "h"):
        node.seen.join(gateway)
        told(node, 0, gateway)
    node.outcomes.tried("a", tried(DELIVERED))
    assert told(node, 1, "g")["a"].mails == told(node, 1.2, "h")["a"].mails == 1
    node.seen.leave("h")
    assert told(node, 5, "h") == {}


def test_a_report_is_bounded(node, monkeypatch):
    """Many sites take several, the newest first, and each is told."""
    monkeypatch.setattr(seen, "TOLD", 2)
    open_(node, *"abcde")
    node.seen.look(0)
    node.seen.join("g")
    heard = [site for now in (1, 2, 3) for site in told(node, now)]
    assert sorted(heard) == list("abcde")
    assert told(node, 4) == {}


def test_paths_of_one_site_are_added_up(node):
    """As where a route goes out from several sources."""
    open_(node, "a@x", "a@y")
    node.standings.update({"a@x": Standing(1, 1, 0, 1, 5), "a@y": Standing(2, 0, 1, 3, 5)})
    node.waits.update({"a@x": 1, "a@y": 2})
    node.outcomes.tried("a@x", tried(DELIVERED))
    node.outcomes.tried("a@y", tried(DELIVERED))
    node.seen.join("g")
    (site,) = node.seen.news("g", 0)
    assert (site.site_key, site.standing, site.waiting, site.mails) == ("a", Standing(3, 1, 1, 4, 10), 3, 2)


def test_trouble_is_told_while_there_is_no_connection(node):
    """In the words of the server, or of whatever stood in the way."""
    open_(node, "a")
    node.troubles["a"] = Trouble(Reply(Phase.EHLO, 554, "5.7.1", "not you"), "mx.example.com", "192.0.2.1:25", 0.0)
    node.seen.join("g")
    assert told(node, 0)["a"].trouble == "mx.example.com: not you (554 5.7.1)"
    node.standings["a"] = Standing(1, 0, 0, 1, 5)
    assert told(node, 1)["a"].trouble == ""


def test_a_hold_is_told_once_not_each_second(node):
    """It says until when, which stays the same as time goes by; and that it is over."""
    open_(node, "a")
    node.seen.join("g")
    told(node, 0)
    node.held["a"] = Held("greylisted", 30.0)
    site = told(node, 100)["a"]
    assert (site.reason, site.until) == ("greylisted", 130)
    node.held["a"] = Held("greylisted", 29.0)
    assert told(node, 101) == {}
    del node.held["a"]
    assert told(node, 102)["a"].reason == ""


def test_a_path_that_is_shut_is_told_once(node):
    """Its connections are gone, its counts are not."""
    open_(node, "a")
    node.standings["a"] = Standing(1, 0, 0, 1, 5)
    node.outcomes.tried("a", tried(DELIVERED))
    node.seen.join("g")
    told(node, 0)
    del node.opened["a"], node.standings["a"]
    site = told(node, 1)["a"]
    assert (site.standing, site.mails) == (NOWHERE, 1)
    assert told(node, 2) == {}
    node.outcomes.tried("a", tried(DELIVERED))
    assert told(node, 3)["a"].mails == 2


def test_what_is_known_is_bounded(node):
    """Of the sites that are not open the one without mail for the longest is forgotten first, and begins anew."""
    for number, key in enumerate("abcdefg"):
        open_(node, key)
        node.outcomes.tried(key, tried(DELIVERED))
        node.seen.look(number)
        del node.opened[key]
    node.seen.look(10)
    assert [counts.site_key for counts in node.outcomes] == list("cdefg")
    node.seen.join("g")
    assert len(node.seen.news("g", 11)) <= 5
    open_(node, "a")
    node.outcomes.tried("a", tried(DELIVERED))
    assert told(node, 12)["a"].mails == 1


def test_a_path_may_come_to_be_of_another_site(node):
    """Another table of providers came: its mails count for the site that gateways know it by."""
    path = Path("direct/mx.example", Route("direct", (Relay("mx.example"),)), site="mx.example")
    node.opened[path.key] = path
    node.outcomes.tried(path.key, tried(DELIVERED))
    node.seen.look(0)
    node.opened[path.key] = replace(path, site="provider")
    node.seen.look(1)
    node.outcomes.tried(path.key, tried(DELIVERED))
    assert {counts.site_key: counts.mails for counts in node.outcomes} == {"direct/mx.example": 1, "direct/provider": 1}


def test_ten_thousand_that_rest_cost_next_to_nothing(node):
    """Each is looked at once in ten seconds, a thousand at a time; those that have mail, or whose connections move, each second."""
    node.seen = Seen(node, node.opened, SimpleNamespace(waiting=lambda key: 0), node.outcomes, most=20_000)
    open_(node, *(f"r{number}" for number in range(10_000)))
    asked = []
    node.standing = lambda key: asked.append(key) or Standing(1, 0, 0, 1, 5)
    for now in range(10):
        before = len(asked)
        node.seen.look(now)
        assert len(asked) - before == seen.SCANNED
    assert len(set(asked)) == 10_000
    node.seen.look(10)
    asked.clear()
    node.outcomes.tried("r9999", tried(DELIVERED))
    node.seen.look(11)
    node.seen.look(12)
    assert asked.count("r9999") == 1
    assert len(asked) <= 2 * seen.SCANNED + 1


def test_who_rests_is_looked_at_though_others_come_and_go(node, monkeypatch):
    """Each second a path opens or is shut: the others still have their turn."""
    monkeypatch.setattr(seen, "SCANNED", 2)
    node.seen = Seen(node, node.opened, SimpleNamespace(waiting=lambda key: 0), node.outcomes, most=20_000)
    open_(node, *"abcdefgh")
    asked = []
    node.standing = lambda key: asked.append(key) or Standing(1, 0, 0, 1, 5)
    for now in range(20):
        open_(node, f"new{now}")
        node.seen.look(now)
    assert set(asked) >= set("abcdefgh")
