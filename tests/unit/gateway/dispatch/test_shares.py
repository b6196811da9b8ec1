"""Which node has which part of a site's limits, and who is told what when nodes come and go."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.balancing.policies import make_picker
from gateway.balancing.ring import Ring
from gateway.dispatch import shares
from gateway.dispatch.choice import Choice
from gateway.dispatch.feeder import Feeder
from gateway.dispatch.keys import by_site
from gateway.dispatch.link import Load, NodeSource, Share
from gateway.dispatch.losses import Losses
from gateway.dispatch.member import Member
from gateway.dispatch.shares import SETTLE, SLICE, names_of
from gateway.dispatch.table import RouteTable
from gateway.dispatch.window import Window
from gateway.registry.port import NodeRecord
from mailgate.job import Job
from mailgate.route import Relay, Route
from mailgate.shaping.shaping import parse
from tests.unit.gateway.dispatch.test_feeder import both
from tests.unit.gateway.dispatch.world import make_job

SHAPING = parse("""
[providers.big]
mx = ["*.big.example"]
connections = 45

[providers.slow]
mx = ["*.slow.example"]
mails_per_second = 10.0
""")
DIRECT = Route("direct", (), mx=True, connections=20)
SLOW, BIG, FREE = "direct/slow", "direct/big", "direct/mx.free.example"
ROOM = both("direct/", 5) | both(SLOW, 5) | both(BIG, 5) | both(FREE, 5) | both("out", 5)


@dataclass
class Link:
    """What a node was told."""

    told: list[Share] = field(default_factory=list)
    frames: tuple[int, int] = (0, 0)

    def share(self, share: Share) -> None:
        self.told.append(share)


class Fleet:
    """A feeder over nodes that come and go."""

    def __init__(self, ids: str, *routes: Route) -> None:
        self.table = RouteTable({route.name: route for route in routes or (DIRECT,)}, "v1", SHAPING)
        ring = Ring()
        self.choice = Choice(
            lambda name: make_picker(self.table.policy(name), lambda: 0.5, ring),
            lambda name: by_site if self.table.hash_by(name) else None,
            ring,
            self.table.homes,
            self.table.sources,
        )
        self.window = Window(10_000, 10**9)
        self.feeder = Feeder(self.window, Losses(2, 3), self.choice, self.offer, lambda _: True)
        self.offered: list[tuple[str, Job]] = []
        self.members: dict[str, Member] = {}
        self.serial = 0
        for node_id in ids:
            self.add(node_id)

    def add(self, node_id: str, *sources: NodeSource) -> Member:
        member = self.members[node_id] = Member(NodeRecord(node_id, b"b" * 16, "h:1", "1"), 10**6)
        member.connecting(Link())
        member.joined(b"b" * 16, "1")
        member.has_sources(sources)
        member.report(Load(False, 1, 0, ROOM))
        self.choice.joined(member)
        return member

    def lose(self, node_id: str) -> None:
        self.members[node_id].hand.lose()
        self.members[node_id].left("gone")

    def offer(self, member: Member, job: Job) -> None:
        member.hand.offer(job)
        self.offered.append((member.node_id, job))

    def send(self, key: str, count: int = 1, now: float = 0.0, route: str = "") -> list[str]:
        """So many jobs for a site: which nodes they went to."""
        before = len(self.offered)
        jobs = [make_job(self.serial + n + 1, key=key, route=route or key.partition("/")[0]) for n in range(count)]
        self.serial += count
        self.window.put(jobs)
        return self.feed(now)[before:]

    def feed(self, now: float = 0.0) -> list[str]:
        self.feeder.feed([self.members[node_id] for node_id in sorted(self.members)], now)
        return [node_id for node_id, _ in self.offered]

    def settle(self, key: str) -> None:
        """All jobs of the site have their verdicts."""
        for node_id, job in self.offered:
            if job.site_key == key:
                self.members[node_id].hand.settle(job.fence)

    def told(self, node_id: str) -> list[Share]:
        """Since the last time it was asked."""
        link = self.members[node_id].link
        assert isinstance(link, Link)
        told, link.told = link.told, []
        return told


def test_nodes_without_named_sources_share_evenly():
    """They are one sender to receivers; who comes or goes changes everybody's part, and nobody is told twice."""
    fleet = Fleet("ab")
    fleet.feed()
    fleet.feed()
    assert (fleet.told("a"), fleet.told("b")) == ([Share("", "", 0, 2)], [Share("", "", 1, 2)])
    fleet.add("c")
    fleet.feed()
    assert [fleet.told(each) for each in "abc"] == [[Share("", "", n, 3)] for n in range(3)]
    fleet.lose("a")
    fleet.feed()
    assert [fleet.told(each) for each in "bc"] == [[Share("", "", n, 2)] for n in range(2)]


def source(name: str, pool: str = "default", trouble: str = "") -> NodeSource:
    return NodeSource(name, pool, trouble)


def test_a_source_is_shared_by_those_that_have_it():
    """Behind one address; one that cannot be dialled from has no part. What `(any)` is said of has no name."""
    fleet = Fleet("")
    fleet.add("a", source("nat"), source("own-a", "vip"))
    fleet.add("b", source("nat"), source("(any)", ""))
    fleet.add("c", source("nat", trouble="no route to host"), source("own-c", "vip"))
    fleet.add("d", source("(any)", ""))
    fleet.feed()
    assert fleet.told("a") == [Share("nat", "", 0, 2), Share("own-a", "", 0, 1)]
    assert fleet.told("b") == [Share("nat", "", 1, 2)]
    assert fleet.told("c") == [Share("own-c", "", 0, 1)]
    assert fleet.told("d") == [Share("", "", 0, 1)]
    fleet.members["c"].has_sources([source("nat"), source("own-c", "vip")])
    fleet.feed()
    assert [fleet.told(each) for each in "abc"] == [[Share("nat", "", n, 3)] for n in range(3)]
    assert names_of(fleet.members["d"], "vip") == frozenset()


def test_a_limited_site_has_one_home_and_never_spills():
    """It has all of the limit; beyond its room mail waits. A site without limits goes on to the next node."""
    fleet = Fleet("abcd")
    homes = fleet.send(SLOW, 9)
    assert len(homes) == 5
    (home,) = set(homes)
    assert Share("", SLOW, 0, 1) in fleet.told(home)
    assert len(fleet.window) == 4
    assert len(fleet.send(FREE, 12)) == 12
    fleet.settle(SLOW)
    assert set(fleet.feed()[-4:]) == {home}
    assert not [share for node_id in "abcd" for share in fleet.told(node_id) if share.site_key], "it was told once"


def test_a_limit_that_exceeds_one_node_has_several_homes():
    """45 connections, 20 a node: three homes with a third each."""
    fleet = Fleet("abcdef")
    homes = set(fleet.send(BIG, 15))
    assert len(homes) == 3
    parts = sorted(share for node_id in homes for share in fleet.told(node_id) if share.site_key)
    assert parts == [Share("", BIG, n, 3) for n in range(3)]


def test_nodes_with_sources_of_their_own_need_no_home():
    """Each has the site's limit for itself, so all of them send."""
    fleet = Fleet("")
    for node_id in "abcd":
        fleet.add(node_id, source(f"ip-{node_id}"))
    assert set(fleet.send(SLOW, 20)) == set("abcd")
    assert [share for share in fleet.told("a") if share.site_key] == []


def test_only_nodes_that_have_the_pool_are_homes():
    """The others get none of the route's mail."""
    fleet = Fleet("xyz", Route("direct", (), mx=True, sources="vip"))
    for node_id in "ab":
        fleet.add(node_id, source("shared", "vip"))
    for member in (fleet.members[each] for each in "xyz"):
        member.report(Load(False, 1, 0, {}))
    for number in range(20):
        key = f"direct/mx{number}.example"
        fleet.table.shaping = parse("[default]\nconnections = 10")
        assert set(fleet.send(key)) <= set("ab")


def test_other_policies_have_no_homes():
    """Their nodes have even parts."""
    fleet = Fleet("abcd", Route("direct", (), mx=True, policy="round_robin"), Route("out", (Relay("mx.slow.example"),)))
    assert set(fleet.send(SLOW, 8)) == set("abcd")
    assert set(fleet.send("out", 8)) == set("abcd")
    by_tenant = Fleet("abcd", Route("direct", (), mx=True, hash_by="tenant"))
    assert len(set(by_tenant.send(SLOW, 20))) > 1


def test_relays_of_a_limited_provider_have_a_home_too():
    """Where their route hashes by site."""
    fleet = Fleet("abcd", Route("out", (Relay("mx.slow.example"),), policy="consistent_hash"))
    assert len(set(fleet.send("out", 5))) == 1


def test_a_site_that_moves_waits_for_its_former_home():
    """What that has in hand goes first; it is told that it has no part, and the new home that the last window is spent."""
    fleet = Fleet("abcd")
    home = fleet.send(SLOW, 5)[0]
    for node_id in "abcd":
        fleet.told(node_id)
    member = fleet.members[home]
    member.report(Load(True, 1, 0, {}))  # it stops, and ends what it has
    assert fleet.send(SLOW, 3, 10.0) == []
    for _, job in fleet.offered[:4]:
        member.hand.settle(job.fence)
    assert fleet.feed(10.5)[5:] == []
    member.hand.settle(fleet.offered[4][1].fence)
    moved = fleet.feed(10.6)[5:]
    assert len(moved) == 3
    (new,) = set(moved)
    assert new != home
    assert Share("", SLOW, 0, 1, spent=True) in fleet.told(new)
    assert fleet.send(SLOW, 1, 11.0) == [new]


def test_it_does_not_wait_for_long():
    """A server may let a node wait for minutes."""
    fleet = Fleet("abcd")
    home = fleet.send(SLOW, 1)[0]
    fleet.members[home].report(Load(True, 1, 0, {}))
    assert fleet.send(SLOW, 1, 10.0) == []
    assert fleet.feed(10.0 + SETTLE - 0.1)[1:] == []
    assert len(fleet.feed(10.0 + SETTLE)[1:]) == 1


def test_a_site_that_moves_twice_waits_for_all_that_have_it_in_hand():
    """Its first home still sends, though it was not its home before the second move."""
    fleet = Fleet("abcd")
    first = fleet.send(SLOW, 1)[0]
    (second,) = Ring(set("abcd") - {first}).homes("slow", 1)
    for home, now in ((first, 10.0), (second, 10.5)):
        fleet.members[home].report(Load(True, 1, 0, {}))  # it stops, and ends what it has
        assert fleet.send(SLOW, 1, now) == []
    assert fleet.feed(11.0)[1:] == []
    fleet.settle(SLOW)
    third = set(fleet.feed(11.1)[1:])
    assert len(third) == 1
    assert not third & {first, second}


def test_a_home_that_takes_nothing_of_the_route_is_not_waited_for():
    """It may have no connections left for it, for as long as it lives; the others send within their sources' parts."""
    fleet = Fleet("abcd")
    home = fleet.send(SLOW, 1)[0]
    fleet.members[home].report(Load(False, 1, 0, both("other", 5)))
    assert home not in fleet.send(SLOW, 8)
    fleet.members[home].report(Load(False, 1, 0, both("direct/", 5) | both(SLOW, 0)))
    assert fleet.send(SLOW, 3) == []


def test_a_home_that_went_and_came_back_is_judged_by_what_it_is_now():
    """Between two looks at the nodes: an entry that was removed and put again is another member with the same id."""
    fleet = Fleet("abcd")
    home = fleet.send(SLOW, 1)[0]
    fleet.lose(home)
    fleet.add(home).report(Load(False, 1, 0, both("other", 5)))
    sent = fleet.send(SLOW, 3)
    assert len(sent) == 3
    assert home not in sent


def test_a_home_that_has_not_said_yet_what_it_takes_is_waited_for():
    """It has just come: between its hello and its first report that knows the routes."""
    fleet = Fleet("abcd")
    home = fleet.send(SLOW, 1)[0]
    fleet.members[home].report(Load(False, 1, 0, {}))
    assert fleet.send(SLOW, 3) == []
    fleet.members[home].report(Load(False, 1, 0, ROOM))
    assert fleet.feed()[1:] == [home] * 3


def test_a_dead_home_is_not_waited_for():
    """Nothing is in its hand any more."""
    fleet = Fleet("abcd")
    home = fleet.send(SLOW, 5)[0]
    fleet.lose(home)
    assert len(fleet.send(SLOW, 3, 10.0)) == 3


def test_a_node_that_comes_takes_its_sites_and_the_former_home_is_told():
    """At once, without a mail that asks; sites that stay are not told of."""
    fleet = Fleet("ab")
    keys = [f"direct/mx{number}.example" for number in range(40)]
    fleet.table.shaping = parse("[default]\nconnections = 10")
    before = {key: fleet.send(key)[0] for key in keys}
    fleet.told("a"), fleet.told("b")
    for key in keys:
        fleet.settle(key)
    fleet.add("c")
    fleet.feed(1.0)
    lost = {share.site_key for node_id in "ab" for share in fleet.told(node_id) if share.site_key and not share.parts}
    after = {key: fleet.send(key, now=1.0)[0] for key in keys}
    assert lost == {key for key in keys if after[key] != before[key]} == {key for key in keys if after[key] == "c"}
    assert 3 <= len(lost) <= 30
    assert {share.site_key for share in fleet.told("c") if share.spent} == lost


def test_thousands_of_sites_are_told_in_slices():
    """The loop is everybody's: a change is told of in so many looks, and picks are right meanwhile."""
    fleet = Fleet("ab")
    fleet.table.shaping = parse("[default]\nconnections = 10")
    keys = [f"direct/mx{number}.example" for number in range(5 * SLICE)]
    for member in fleet.members.values():
        member.report(Load(False, 1, 0, both("direct/", 5)))
    for key in keys:
        fleet.send(key)
        fleet.settle(key)
        fleet.offered.clear()
    for each in "ab":
        fleet.told(each)
    fleet.add("c")
    told = []
    for _ in range(5):
        fleet.feed(1.0)
        told.append(sum(1 for each in "ab" for share in fleet.told(each) if share.site_key and not share.parts))
    assert all(0 < count < SLICE for count in told)
    fleet.feed(1.0)
    assert [share for each in "ab" for share in fleet.told(each)] == []
    assert sum(told) == sum(fleet.choice.at_home(make_job(1, key=key, route="direct"), [fleet.members["c"]], 1.0) != [] for key in keys)


def test_a_part_that_changes_takes_no_place_of_another(monkeypatch: pytest.MonkeyPatch):
    """The table of what a node was told is full: a site that is forgotten there would never hear that it has moved."""
    fleet = Fleet("abc")
    fleet.table.shaping = parse("[default]\nconnections = 10")
    for number in range(20):
        fleet.send(f"direct/mx{number}.example")
    told = fleet.members["a"].shares
    full = set(told)
    monkeypatch.setattr(shares, "MOST", len(full))
    fleet.lose("c")
    fleet.feed(1.0)
    assert told["@"] == (0, 2)
    fleet.add("c")
    fleet.feed(2.0)
    assert told["@"] == (0, 3)
    assert set(told) == full


def test_of_a_full_table_goes_what_was_told_the_longest_ago(monkeypatch: pytest.MonkeyPatch):
    """As on the node (sender/delivery/parts.py): else it would keep a part of which it is never told that it is another's now."""
    fleet = Fleet("ab")
    fleet.send(BIG)
    fleet.table.shaping = parse("[default]\nconnections = 10\n[providers.big]\nmx = ['*.big.example']\nconnections = 45")
    sites = [f"direct/mx{number}.example" for number in range(30)]
    for site in sites[:20]:
        fleet.send(site)
    fleet.add("c")
    fleet.feed(1.0)
    told = fleet.members["a"].shares
    assert told[BIG][1] == 3, "told of it again, after the others"
    oldest = [key for key in told if key in sites][:2]
    monkeypatch.setattr(shares, "MOST", len(told))
    before = set(told)
    while len(new := set(told) - before) < 2:
        fleet.send(sites.pop())
    assert before - set(told) == set(oldest), new


def test_sites_that_move_are_bounded(monkeypatch: pytest.MonkeyPatch):
    """A home of thousands stops: the table of those that wait for it is no larger than that of all sites."""
    fleet = Fleet("abc")
    fleet.table.shaping = parse("[default]\nconnections = 10")
    sites = [site for site in (f"direct/mx{number}.example" for number in range(40)) if fleet.send(site) == ["a"]]
    fleet.members["a"].report(Load(True, 1, 0, {}))
    assert fleet.send(sites[0], 1, 10.0) == []
    monkeypatch.setattr(shares, "MOST", len(sites) - 2)
    for site in sites[1:]:
        fleet.send(site, 1, 10.0)
    assert f" {len(sites) - 2} moving" in repr(fleet.choice._shares)


def test_a_suspect_keeps_its_sites():
    """It is back or lost within seconds; until then they wait."""
    fleet = Fleet("abcd")
    home = fleet.send(SLOW, 1)[0]
    for _ in range(2):
        fleet.members[home].tick(False)
    assert fleet.send(SLOW, 1, 1.0) == []
    for _ in range(2):
        fleet.members[home].tick(True)
    assert fleet.feed(1.5)[1:] == [home]


def test_other_limits_and_other_routes_from_one_job_to_the_next():
    """SIGHUP: a site that is not limited any more is everybody's again."""
    fleet = Fleet("abcd")
    home = fleet.send(SLOW, 5)[0]
    fleet.settle(SLOW)
    fleet.told(home)
    fleet.choice.reset(fleet.table.use(fleet.table.routes, "v2", parse("[default]\nmails_per_connection = 5")))
    fleet.feed(1.0)
    assert fleet.told(home) == [Share("", SLOW, 0, 0)]
    assert len(set(fleet.send(SLOW, 20, 1.0))) > 1


def check_parts(told: list[Share]) -> None:
    """What nodes were told last of one site: each of 0…n-1 at most once, of the same n."""
    parts = [(share.part, share.parts) for share in told if share.parts]
    assert len({of for _, of in parts}) <= 1
    assert len(set(parts)) == len(parts)
    assert all(part < of for part, of in parts)


@given(
    st.lists(st.sampled_from("abcde"), max_size=12),
    st.lists(st.sampled_from([SLOW, BIG, FREE]), min_size=1, max_size=4),
)
def test_parts_never_exceed_the_whole(changes: list[str], keys: list[str]):
    """Whoever comes and goes, and whatever is sent meanwhile."""
    fleet, last = Fleet("ab"), dict[str, dict[str, Share]]()
    for number, node_id in enumerate(changes):
        last.pop(node_id, None)
        known = fleet.members.get(node_id)
        if known is None or known.link is None:
            fleet.add(node_id)
        else:
            fleet.lose(node_id)
        for key in keys:
            fleet.send(key, 2, 5.0 * number)
            fleet.settle(key)
        for each in [each for each, member in fleet.members.items() if member.link is not None]:
            last.setdefault(each, {}).update({share.site_key: share for share in fleet.told(each)})
        for key in {"", *keys}:
            check_parts([shares[key] for shares in last.values() if key in shares])
