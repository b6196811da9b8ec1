"""How sites do over all nodes: sums, states, and mails a second of late, from what each node told last."""

from __future__ import annotations

import pytest

from gateway.dispatch import seen
from gateway.dispatch.link import SiteReport
from gateway.dispatch.seen import NodeSites, SiteState, reports_of, sum_of
from gateway.dispatch.sums import Waits, by_route, by_site
from gateway.ledger.port import QueueCount
from mailgate.mail import Lane


def report(key="a", **more):
    return SiteReport(key, **more)


def node(*reports, now=0.0):
    made = NodeSites()
    made.hear(reports, now)
    return made


def judged(*reports, now=0.0, waits=None):
    found = [newest for each in reports for newest in node(each)]
    return sum_of("a", found, waits, now)


def test_nodes_are_added_up():
    """Connections, counts and limits of rates; and what waits comes from the gateway."""
    one = report(warm=2, busy=1, dialing=1, wanted=3, limit=5, waiting=4, mails=9, delivered=7, deferred=1, bounced=1, rate=2.0)
    total = judged(one, one, waits=Waits(10, 20, 77))
    assert (total.warm, total.busy, total.dialing, total.wanted, total.limit) == (4, 2, 2, 6, 10)
    assert (total.mails, total.delivered, total.deferred, total.bounced, total.in_doubt) == (18, 14, 2, 2, 0)
    assert (total.ready, total.later, total.waiting, total.oldest_ms, total.rate_limit) == (10, 20, 8, 77, 4.0)


@pytest.mark.parametrize(
    ("reports", "state", "reason"),
    [
        ([report(warm=1)], SiteState.OK, ""),
        ([report(trouble="gone"), report(trouble="gone")], SiteState.UNREACHABLE, "gone"),
        ([report(trouble="gone"), report(warm=1)], SiteState.OK, "on 1 of 2: gone"),
        ([report(reason="slow", rate=1.0), report(reason="slow", rate=1.0)], SiteState.SLOWED, "slow"),
        ([report(reason="wait", wait_ms=5000), report(warm=1)], SiteState.SLOWED, "on 1 of 2: wait"),
        ([report(reason="wait", wait_ms=5000), report(reason="less", wait_ms=3000)], SiteState.SUSPENDED, "less"),
        ([report(reason="wait", wait_ms=5000, trouble="gone")], SiteState.SUSPENDED, "wait"),
        ([], SiteState.UNKNOWN, ""),
    ],
)
def test_the_state_says_what_holds_mail_up(reports, state, reason):
    """A site is suspended, or cannot be reached, only where that is so of every node."""
    total = judged(*reports)
    assert (total.state, total.reason) == (state, reason)


def test_a_suspension_ends_by_itself():
    """Nodes tell it once, with how long; it counts from then."""
    held = report(reason="wait", wait_ms=5000)
    assert judged(held, now=1.0).wait == 4.0
    assert judged(held, now=6.0).state is SiteState.OK


def test_what_waits_for_a_site_that_no_node_knows():
    """It is listed, and says so."""
    total = sum_of("a", [], Waits(ready=3), 0.0)
    assert (total.state, total.reason) == (SiteState.UNKNOWN, "no node has told of it yet")


def test_mails_a_second_of_late():
    """They approach the rate, and fade when nothing is told any more; a node's restart is no negative rate."""
    sites = NodeSites()
    for second in range(60):
        sites.hear([report(mails=100 * second)], float(second))
    (newest,) = sites
    assert newest.rate_at(59.0) == pytest.approx(100, rel=0.01)
    assert newest.rate_at(70.0) == pytest.approx(100 * 2.718 ** (-9.5 / 10), rel=0.02)
    assert newest.rate_at(200.0) < 0.01
    sites.hear([report(mails=3)], 60.0)
    (newest,) = sites
    assert newest.rate >= 0


def test_a_history_is_no_burst():
    """What a node has counted before its stream began says nothing of now; what it tells of first, long after that, is new."""
    sites = NodeSites()
    sites.hear([report("old", mails=1_000_000)], 0.0)
    sites.hear([], 20.0)
    sites.hear([report("new", mails=50)], 21.0)
    rates = {newest.report.site_key: newest.rate for newest in sites}
    assert rates["old"] == 0.0
    assert rates["new"] > 0


def test_what_a_node_told_is_bounded(monkeypatch):
    """The one that changed the longest ago goes first; and when its stream is over nothing is left."""
    sites = NodeSites(3)
    for key in "abcd":
        sites.hear([report(key)], 0.0)
    sites.hear([report("b")], 1.0)
    sites.hear([report("e")], 2.0)
    assert sorted(newest.report.site_key for newest in sites) == ["b", "d", "e"]
    assert sites.get("b") is not None
    sites.clear()
    assert not len(sites)


def test_what_a_node_told_last_of_a_site_counts():
    """Sites that nobody told of are listed where somebody asks for them."""
    sites = node(report(warm=1), report("b", warm=9))
    sites.hear([report(warm=4)], 0.0)
    assert [newest.report.warm for newest in sites] == [9, 4]
    assert sites.get("c") is None
    assert list(reports_of([sites], ["c"])) == ["c", "b", "a"]
    assert list(reports_of([sites], ["c"], "b")) == ["b"]


def test_what_waits_is_added_up():
    """By lane and route for the queue, by site over both lanes, under the keys that jobs have by now."""
    counts = [
        QueueCount(Lane.BULK, "direct", "direct/a.example", 1, 2, 50),
        QueueCount(Lane.BULK, "direct", "direct/b.example", 3, 0, 40),
        QueueCount(Lane.TRANSACTIONAL, "direct", "direct/a.example", 0, 1, None),
        QueueCount(Lane.BULK, "relay", "relay", 7, 0, 10),
    ]
    assert by_route(counts) == [
        QueueCount(Lane.BULK, "direct", "", 4, 2, 40),
        QueueCount(Lane.TRANSACTIONAL, "direct", "", 0, 1, None),
        QueueCount(Lane.BULK, "relay", "", 7, 0, 10),
    ]
    assert by_site(counts, lambda key: key.replace("b.example", "a.example")) == {
        "direct/a.example": Waits(4, 3, 40),
        "relay": Waits(7, 0, 10),
    }
    assert seen.MOST > 10_000
