"""A node's part of what sites allow: what its gateways say comes to limits, and all parts together are the whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailgate.shaping.shape import NODE_RATE, Shape
from sender.delivery.limits import Limits
from sender.delivery.parts import Part, Parts
from tests.unit.sender.delivery.test_limits import NOW, Ways, limits, mail, path, run, wakes, ways

__all__ = ["limits", "wakes", "ways"]
GONE = Part(0, 0)


@given(st.integers(1, 50), st.integers(1, 12))
def test_parts_are_the_whole(connections: int, parts: int):
    """Connections to the last one; who has none of them is barred, and a rate is split evenly."""
    shape = Shape(connections=connections, interval=0.1)
    each = [shape.part(index, parts) for index in range(parts)]
    assert sum(part.connections for part in each if not part.barred) == connections
    assert max(part.connections for part in each if not part.barred) - connections // parts <= 1
    assert sum(1 / part.interval for part in each) == pytest.approx(10.0)


def test_a_part_of_nothing_and_of_no_limit():
    """Barred, whatever it was; and nothing to divide."""
    assert Shape(connections=5).part(0, 0).barred
    assert Shape().part(0, 0).barred
    assert Shape().part(1, 3) == Shape()
    assert not Shape(interval=0.1).part(2, 3).barred


@pytest.mark.parametrize(
    ("shape", "connections", "nodes"),
    [
        (Shape(), 20, 0),
        (Shape(connections=10), 20, 1),
        (Shape(connections=45), 20, 3),
        (Shape(interval=0.1), 20, 1),
        (Shape(interval=1 / (3 * NODE_RATE)), 20, 3),
        (Shape(connections=45, interval=0.1), 20, 3),
    ],
)
def test_how_many_nodes_a_limit_takes(shape: Shape, connections: int, nodes: int):
    """As many as use it up; none where there is no limit."""
    assert shape.nodes(connections) == nodes


def test_a_source_has_a_part_of_every_limit(limits: Limits, ways: Ways):
    """Of connections and of rates; other sources have theirs; another part counts at once for what is open."""
    limits.share([("", "", Part(0, 2))])
    limits.open(path("out/a", site="big"))
    limits.open(path("out/a@s1", site="big"))
    assert (ways.routes["out/a"].connections, ways.routes["out/a@s1"].connections) == (2, 4)
    limits.share([("", "", Part(0, 1))])
    assert ways.routes["out/a"].connections == 4
    limits.open(path("out/b", site="slow"))
    limits.share([("", "", Part(1, 5))])
    run(limits, {"out/b": 1000}, 20)
    assert len(ways.started) == pytest.approx(40, abs=2), "10 a second are for all five"


def test_connections_that_cannot_be_divided(limits: Limits, ways: Ways):
    """4 of 6 nodes have one each; the others have none, give jobs back with the reason, and have no credit."""
    barred = 0
    for place in range(6):
        limits.share([("", "", Part(place, 6))])
        limits.open(path("out/a", site="big"))
        if "out/a" in ways.routes:
            assert ways.routes["out/a"].connections == 1
            assert limits.start(mail("out/a"))
        else:
            barred += 1
            assert not limits.start(mail("out/a"))
            assert limits.closed("out/a") == "throttled:site=out/big, other nodes send to it"
            assert limits.jobs() == {"out/big": 0}
        limits.shut("out/a")
    assert barred == 2


def test_a_home_has_all_of_it_and_loses_it(limits: Limits, ways: Ways):
    """Its own part goes before its source's. When the site moves its connections close at once, and what waits goes back."""
    limits.share([("", "", Part(0, 4)), ("", "out/big", Part(0, 1))])
    limits.open(path("out/a", site="big"))
    assert ways.routes["out/a"].connections == 4
    assert limits.start(mail("out/a"))
    limits.share([("", "out/big", GONE)])
    assert "out/a" not in ways.routes
    assert not limits.start(mail("out/a"))
    assert "other nodes" in limits.closed("out/a")
    limits.share([("", "out/big", Part(0, 1, spent=True))])
    assert ways.routes["out/a"].connections == 4
    assert limits.start(mail("out/a"))


def test_a_lost_home_has_its_sources_part_again_in_the_end(limits: Limits, ways: Ways):
    """It is forgotten with the next look, so that its path can be shut."""
    limits.share([("", "", Part(0, 2)), ("", "out/big", Part(0, 1))])
    limits.open(path("out/a", site="big"))
    limits.share([("", "out/big", GONE)])
    limits.prune()
    NOW[0] += 61
    assert "other nodes" in limits.closed("out/a")
    limits.prune()
    assert limits.closed("out/a") == ""
    assert ways.routes["out/a"].connections == 2


def test_a_new_home_counts_the_last_window_as_spent(limits: Limits, ways: Ways):
    """Also where the path is opened only by the first mail; without that word the first mail goes at once."""
    limits.share([("", "out/slow", Part(0, 1, spent=True))])
    limits.open(path("out/b", site="slow"))
    assert not limits.start(mail("out/b"))
    NOW[0] += 0.1
    assert limits.start(mail("out/b"))
    limits.share([("", "other/slow", Part(0, 1))])


def test_what_is_expected_stays_when_the_part_changes(limits: Limits, ways: Ways):
    """Nodes that come and go are no way around a rate."""
    limits.open(path("out/b", site="slow"))
    assert limits.start(mail("out/b"))
    for parts in (2, 1, 3, 1, 2, 1):
        limits.share([("", "", Part(0, parts))])
        assert not limits.start(mail("out/b"))
    NOW[0] += 0.1
    assert limits.start(mail("out/b"))


def test_who_may_be_elsewhere(limits: Limits):
    """A limited site of which nothing was told, where others have the source too."""
    assert not limits.is_elsewhere("big", "out/big")
    limits.share([("", "", Part(0, 2))])
    assert limits.is_elsewhere("big", "out/big")
    assert limits.is_elsewhere("unknown.example", "out/unknown.example")
    limits.share([("", "out/big", Part(0, 1))])
    assert not limits.is_elsewhere("big", "out/big")
    limits.share([("", "out/big", GONE)])
    assert limits.is_elsewhere("big", "out/big")


def test_it_remembers_so_many_sites():
    """The oldest has its source's part then."""
    parts = Parts(most=2)
    parts.of_source("", Part(1, 2))
    for name in "abc":
        parts.of_site(f"out/{name}", Part(0, 1), 0.0)
    assert [parts.is_elsewhere(f"out/{name}") for name in "abc"] == [True, False, False]
