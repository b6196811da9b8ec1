"""Mails that wait for a source which fails or is taken away: they go from another, or back to their gateway."""

from __future__ import annotations

from math import inf

import pytest

from mailgate.mail import Lane
from mailgate.verdict import NotTried, Phase, Reply
from sender.pool.relays import Trouble
from sender.pool.source import Source
from tests.unit.sender.delivery.conftest import Bench

A, B = Source("a", "a.example.com", "192.0.2.1", pool="default"), Source("b", "b.example.com", "192.0.2.2", pool="default")
GONE = Trouble(Reply(Phase.CONNECT, 0, text="no such address", bounce_class="connect"), "mx", "", 0.0, 1, inf, of_source=True)


@pytest.fixture
async def two(bench: Bench) -> Bench:
    """With two sources, of which one has a mail that waits: `waits` is its path."""
    bench.delivery.sources.use([A, B])
    bench.delivery.look_round()
    assert set(bench.pool.routes) == {"out@a", "out@b"}
    bench.pool.idle = 0
    bench.offer()
    bench.pool.idle = 10
    bench.waits = bench.pool.asked.path
    return bench


async def test_it_goes_from_the_other(two: Bench):
    """As soon as it is known that its own fails; what the gateway hears of sources says so."""
    two.pool.troubles[two.waits] = GONE
    two.delivery.look_round()
    (handoff,) = two.pool.started
    assert {f"out@{handoff.source}", two.waits} == {"out@a", "out@b"}
    assert handoff.path == f"out@{handoff.source}"
    assert two.stream.verdicts == []
    two.pool.idle = 0
    two.delivery.look_round()
    assert {standing.source.name: standing.trouble for standing in two.delivery.sources.standings} == {
        two.waits.removeprefix("out@"): "no such address",
        handoff.source: "",
    }


async def test_it_goes_back_where_there_is_no_other(two: Bench):
    """Unsent, with the reason; the route has no credit until one may be tried again."""
    two.pool.troubles |= {"out@a": GONE, "out@b": GONE}
    two.delivery.look_round()
    ((_, verdict),) = two.stream.verdicts
    assert verdict == NotTried("no such address")
    assert two.delivery.credit(two.stream) == {}
    two.pool.troubles.clear()
    assert two.delivery.credit(two.stream)[Lane.TRANSACTIONAL, "out"] > 0


async def test_one_that_is_taken_away_strands_nobody(two: Bench):
    """Nor is anything kept open for it."""
    rest = A if two.waits == "out@b" else B
    two.delivery.sources.use([rest])
    two.delivery.look_round()
    assert set(two.pool.routes) == {f"out@{rest.name}"}
    assert [handoff.source for handoff in two.pool.started] == [rest.name]
    two.delivery.sources.use([])
    two.delivery.look_round()
    assert set(two.pool.routes) == {"out"}
    assert two.stream.verdicts == []
