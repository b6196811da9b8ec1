"""A job that a server asked to come back goes to a node that has its source: which it waits for, for how long, and who does not wait."""

from __future__ import annotations

from dataclasses import replace

from gateway.dispatch import homing
from gateway.dispatch.homing import WAIT, namesakes
from gateway.dispatch.link import NodeSource
from gateway.dispatch.member import Member
from gateway.dispatch.sites import Sites
from mailgate.job import Job
from tests.unit.gateway.dispatch.test_feeder import Fed, both, member
from tests.unit.gateway.dispatch.world import make_job


def node(node_id: str, source: str, jobs: int, trouble: str = "") -> Member:
    made = member(node_id, both("out", jobs))
    made.has_sources([NodeSource(source, "default", trouble)])
    return made


def returning(n: int, source: str = "s1", octets: int = 10) -> Job:
    return replace(make_job(n, octets=octets), attempt=2, source=source)


def went(fed: Fed) -> list[tuple[str, int, str]]:
    return [(node_id, job.id[15], job.source) for node_id, job in fed.offered]


def test_it_goes_home():
    """However busy home is, as long as there is room; and new mail goes where it is best."""
    fed = Fed()
    home, other = node("a", "s1", 5), node("b", "s2", 5)
    for n in range(90, 93):
        home.hand.offer(make_job(n))
    fed.window.put([returning(1), make_job(2), returning(3, "s2")])
    fed.feeder.feed([home, other], 0.0)
    assert went(fed) == [("a", 1, "s1"), ("b", 2, ""), ("b", 3, "s2")]


def test_it_waits_for_a_home_that_is_full_and_holds_up_nobody():
    """Those behind it go on; it goes when there is room, before its time is over."""
    fed = Fed()
    home, other = node("a", "s1", 1), node("b", "s2", 5)
    home.hand.offer(make_job(90))
    fed.window.put([returning(1), make_job(2), returning(3)])
    fed.feeder.feed([home, other], 0.0)
    assert went(fed) == [("b", 2, "")]
    fed.feeder.feed([home, other], WAIT - 0.1)
    assert len(fed.offered) == 1
    home.hand.settle(make_job(90).fence)
    fed.feeder.feed([home, other], WAIT - 0.1)
    assert went(fed)[1:] == [("a", 1, "s1")], "there is room for one"
    fed.feeder.feed([home, other], WAIT)
    assert went(fed)[2:] == [("b", 3, "")], "and the other one goes anywhere now"


def test_it_waits_for_nobody_who_is_gone():
    """Home is no member, or left while it waited, or can't dial from the source: any node, at once."""
    fed = Fed()
    home, other = node("a", "s1", 1), node("b", "s2", 9)
    home.hand.offer(make_job(90))
    fed.window.put([returning(1, "s9"), returning(2)])
    fed.feeder.feed([home, other], 0.0)
    assert went(fed) == [("b", 1, "s9")]
    home.left("broken")
    fed.feeder.feed([home, other], 0.1)
    assert went(fed)[1:] == [("b", 2, "")]
    fed.window.put([returning(3)])
    fed.feeder.feed([node("a", "s1", 0, trouble="no such address"), other], 0.2)
    assert went(fed)[2:] == [("b", 3, "s1")]


def test_a_route_that_changes_takes_along_who_waits():
    """As what is in the window: under its new key it has credit, and while the route is gone it does not go home either."""
    fed = Fed()
    home, other = node("a", "s1", 1), node("b", "s2", 5)
    home.hand.offer(make_job(90))
    fed.window.put([returning(1)])
    fed.feeder.feed([home, other], 0.0)
    assert not fed.window
    fed.feeder.reroute(["out"], Sites(by_mx=lambda _: True))
    assert [(job.site_key, job.source) for job in fed.window] == [("out/*", "s1")]


def test_who_waits_can_be_taken_back_and_expires():
    """As in the window."""
    fed = Fed()
    home = node("a", "s1", 1)
    home.hand.offer(make_job(90))
    jobs = [returning(n) for n in (1, 2, 3)]
    fed.window.put(jobs)
    other = node("b", "s2", 1)
    fed.feeder.feed([home, other], 0.0)
    assert (len(fed.window), fed.offered) == (0, [])
    assert fed.feeder.remove({jobs[1].id}) == [jobs[1]]
    assert fed.feeder.expired(jobs[0].expire_ms) == [jobs[0], jobs[2]]
    fed.feeder.feed([home, other], 2 * WAIT)
    assert fed.offered == []


def test_only_so_many_wait(monkeypatch):
    """By number and by octets: what is beyond goes to any node."""
    monkeypatch.setattr(homing, "MOST", 2)
    fed = Fed()
    home, other = node("a", "s1", 1), node("b", "s2", 9)
    home.hand.offer(make_job(90))
    fed.window.put([returning(n) for n in (1, 2, 3)])
    fed.feeder.feed([home, other], 0.0)
    assert went(fed) == [("b", 3, "s1")]
    monkeypatch.setattr(homing, "MOST", 9)
    monkeypatch.setattr(homing, "MOST_OCTETS", 400)
    fed.window.put([returning(4, octets=500)])
    fed.feeder.feed([home, other], 0.0)
    assert went(fed)[1:] == [("b", 4, "s1")]


def test_a_name_is_one_in_the_fleet():
    """Two nodes that have it for one address, behind one NAT, are as good as each other; for two addresses that is told of both."""
    nodes = [member(name, both("out", 1)) for name in "abc"]
    first, second, third = nodes
    first.has_sources([NodeSource("s1", "p", addresses=("192.0.2.1",)), NodeSource("(any)", "", addresses=("192.0.2.5",))])
    second.has_sources([NodeSource("s1", "p", addresses=("192.0.2.1",)), NodeSource("(any)", "", addresses=("192.0.2.6",))])
    assert [namesakes(each, nodes) for each in nodes] == [[], [], []]
    third.has_sources([NodeSource("s1", "p", addresses=("192.0.2.3",))])
    assert namesakes(first, nodes) == ["source s1: c has the name for another address, and retries leave from either: rename one"]
    assert len(namesakes(second, nodes)) == len(namesakes(third, nodes)) == 1
