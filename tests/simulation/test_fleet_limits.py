"""A site's limit over a whole fleet: real shares of the gateway, real limits of the nodes, a clock that jumps, nodes that come and go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from gateway.dispatch.link import Load, Share
from mailgate.job import Job
from mailgate.route import Route
from sender.delivery.limits import Limits
from sender.delivery.parts import Part
from sender.pool.handoff import Handoff
from sender.pool.path import Path
from tests.unit.gateway.dispatch.test_feeder import both
from tests.unit.gateway.dispatch.test_shares import SHAPING, SLOW, Fleet
from tests.unit.sender.delivery.test_limits import Ways

RATE = 10.0
"""What SHAPING allows a second at `slow`."""
STEP = 0.01


@dataclass
class Node:
    """Its limits, and the jobs that wait here for the site."""

    clock: Callable[[], float]
    waiting: list[Job] = field(default_factory=list)
    frames: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        self.ways = Ways()
        self.limits = Limits(self.ways, self.clock, lambda _: None)
        self.limits.use(SHAPING)
        self.limits.open(Path("direct/slow", Route("direct", (), mx=True), "slow"))

    def share(self, share: Share) -> None:
        """As the link brings it."""
        self.limits.share([(share.source, share.site_key, Part(share.part, share.parts, share.spent))])

    @property
    def credit(self) -> int:
        return self.limits.jobs().get(SLOW, 40)


class Site:
    """A fleet that sends to one site as fast as it may, and when each mail went."""

    def __init__(self, ids: str, route: Route) -> None:
        self.now = 0.0
        self.fleet, self.nodes = Fleet("", route), dict[str, Node]()
        self.went: list[float] = []
        for node_id in ids:
            self.add(node_id)

    def add(self, node_id: str) -> None:
        node = self.nodes[node_id] = Node(lambda: self.now)
        self.fleet.add(node_id)
        self.fleet.members[node_id].link = node  # type: ignore[assignment]

    def lose(self, node_id: str) -> None:
        """It dies, with what waits on it."""
        self.fleet.lose(node_id)
        del self.nodes[node_id]

    def pass_(self, seconds: float) -> None:
        """Each step: credit as the nodes give it, jobs as the gateway deals them, mails as the limits let them go."""
        until = self.now + seconds
        while self.now < until:
            for node_id, node in self.nodes.items():
                member = self.fleet.members[node_id]
                member.report(Load(False, 1, 0, both(SLOW, node.credit) | both("direct/", 2)))
            if len(self.fleet.window) < 20:
                self.fleet.send(SLOW, 20, self.now)
            self._deal()
            for node_id, node in self.nodes.items():
                self._send(node_id, node)
            self.now += STEP

    def _deal(self) -> None:
        self.fleet.feed(self.now)
        for node_id, job in self.fleet.offered:
            self.nodes[node_id].waiting.append(job)
        self.fleet.offered.clear()

    def _send(self, node_id: str, node: Node) -> None:
        hand = self.fleet.members[node_id].hand
        closed = node.limits.closed("direct/slow")
        while node.waiting:
            job = node.waiting[0]
            if not closed and not node.limits.start(Handoff(job.fence, "direct", "", (), b"", path="direct/slow")):
                break
            hand.settle(node.waiting.pop(0).fence)
            if not closed:
                self.went.append(self.now)

    def most_in(self, seconds: float) -> int:
        """The most mails in any such window."""
        most, start = 0, 0
        for end, at in enumerate(self.went):
            while self.went[start] <= at - seconds:
                start += 1
            most = max(most, end - start + 1)
        return most


HOMED = Route("direct", (), mx=True)
EVEN = Route("direct", (), mx=True, policy="least_connections")


@pytest.mark.parametrize("route", [HOMED, EVEN], ids=["home", "parts"])
@pytest.mark.parametrize("nodes", ["a", "abc", "abcdefgh"])
def test_a_fleet_is_as_fast_as_one_node_may_be(route: Route, nodes: str):
    """Not faster, however many nodes there are, and hardly slower."""
    site = Site(nodes, route)
    site.pass_(20.0)
    assert RATE * 20 * 0.9 <= len(site.went) <= RATE * 20 + 2 * len(nodes)
    assert site.most_in(1.0) <= RATE + 2 * len(nodes)
    assert site.most_in(10.0) <= 10 * RATE + 2 * len(nodes)


@pytest.mark.parametrize("route", [HOMED, EVEN], ids=["home", "parts"])
def test_nodes_that_come_and_go_are_no_way_around_it(route: Route):
    """A change every three seconds; each may let one mail go early on a node, and no more."""
    site = Site("abc", route)
    changes = 0
    for number, node_id in enumerate("defgh"):
        site.pass_(3.0)
        site.add(node_id)
        site.pass_(3.0)
        site.lose("abcde"[number])
        changes += 2
    site.pass_(3.0)
    assert len(site.went) <= RATE * 33 + 2 * changes
    assert site.most_in(3.0) <= 3 * RATE + 6
    assert len(site.went) >= RATE * 33 * 0.75
