"""Paths by MX: opened with the first mail, kept while nothing changes, changed while it goes, shut; and the credit of their sites."""

from __future__ import annotations

from dataclasses import replace

from mailgate.mail import Lane
from mailgate.route import Relay, Route
from mailgate.verdict import NotTried
from sender.delivery.credit import credits_of
from sender.delivery.mx import Host
from sender.delivery.paths import Paths
from sender.delivery.sites import Destination, Sites
from sender.delivery.sources import Sources
from sender.pool.handoff import Handoff
from sender.pool.source import Source
from tests.unit.sender.delivery.test_paths import Ways, mail

DIRECT = Route("direct", (), mx=True, mx_port=2525, min_idle=2, connections=7)
A, B = (Source(name, f"{name}.example.com", pool="news") for name in "ab")
BIG = (Host("mx1.big", 5, ("8.8.8.8",)), Host("mx2.big", 10, ("8.8.4.4", "2606:4700::1")))
SMALL = (Host("mx.small", 0, ("9.9.9.9",)),)


def learnt(hosts: tuple[Host, ...], sites: Sites | None = None) -> Destination:
    found = (Sites() if sites is None else sites).learn("d.example", hosts, 1e9)
    assert isinstance(found, Destination)
    return found


def paths(*routes: Route, sources=()) -> tuple[Ways, Paths]:
    ways = Ways()
    made = Paths(ways, Sources(sources))
    made.configure({route.name: route for route in routes})
    return ways, made


def placed(made: Paths, destination: Destination, number: int = 1, route: str = "direct") -> str:
    found = made.place(mail(number, route), "", 0.0, destination)
    assert isinstance(found, Handoff), found
    return found.path


def test_a_path_is_opened_with_its_first_mail():
    """To the domain's hosts, at the addresses that were judged and the route's port; nothing is warm without need."""
    ways, made = paths(DIRECT)
    assert ways.open_paths == {}
    big = learnt(BIG)
    key = placed(made, big)
    assert key == f"direct/{big.name}"
    (path,) = ways.open_paths.values()
    assert (path.key, path.site, path.route.min_idle, path.route.connections) == (key, "mx1.big", 0, 7)
    assert path.route.relays == (Relay("mx1.big", 2525, 5), Relay("mx2.big", 2525, 10))
    assert [relay.addresses for relay in path.route.relays] == [host.addresses for host in BIG]


def test_the_same_destination_is_opened_once():
    """And again when its addresses have changed: under the same key, with the new ones."""
    ways, made = paths(DIRECT)
    sites, opened = Sites(), []
    ways.open = opened.append  # type: ignore[method-assign]
    keys = {placed(made, learnt(BIG, sites), number) for number in range(5)}
    assert len(keys) == len(opened) == 1
    moved = (replace_addresses(BIG[0], "1.1.1.1"), BIG[1])
    assert placed(made, learnt(moved, sites)) in keys
    assert len(opened) == 2
    assert opened[1].route.relays[0].addresses == ("1.1.1.1",)


def test_domains_of_one_host_do_not_take_turns_in_what_is_known_of_it():
    """Looked up at other times, with other numbers or addresses: the way is opened for the newest of them, and not for every mail anew."""
    ways, made = paths(DIRECT)
    sites, opened = Sites(), []
    ways.open = opened.append  # type: ignore[method-assign]
    old = learnt((BIG[0]._replace(preference=1), BIG[1]._replace(preference=2)), sites)
    new = learnt((replace_addresses(BIG[0], "1.1.1.1"), BIG[1]), sites)
    keys = {placed(made, destination, number) for number, destination in enumerate([old, new] * 5)}
    assert len(keys) == 1
    assert [path.route.relays[0].addresses for path in opened] == [("8.8.8.8",), ("1.1.1.1",)]
    made.configure({"direct": replace(DIRECT, connections=3)})
    placed(made, old)
    assert (opened[-1].route.relays[0].addresses, opened[-1].route.connections) == (("1.1.1.1",), 3)
    again = learnt((replace_addresses(BIG[0], "8.8.8.8"), BIG[1]), sites)
    placed(made, again)
    assert opened[-1].route.relays[0].addresses == ("8.8.8.8",)


def test_a_domain_that_is_a_providers_by_name_has_a_way_of_its_own():
    """Beside others of the same hosts, which are nobody's: neither has the limits of the other."""
    sites = Sites(lambda domain, _hosts: "vip" if domain == "vip.example" else None)
    _, made = paths(DIRECT)
    vip, other = (sites.learn(f"{name}.example", SMALL, 1e9) for name in ("vip", "other"))
    assert isinstance(vip, Destination)
    assert isinstance(other, Destination)
    keys = [placed(made, destination) for destination in (vip, other, vip, other)]
    assert keys[0] != keys[1] == "direct/mx.small"
    assert keys[:2] == keys[2:]
    assert set(made.capacities(0.0)) == {"direct/", "direct/vip", "direct/mx.small"}


def replace_addresses(host: Host, *addresses: str) -> Host:
    return host._replace(addresses=addresses)


def test_credit_is_by_site_and_a_little_for_each_other():
    """Two destinations of a site are counted together; one whose limit lets nothing go is listed with nothing."""
    _, made = paths(DIRECT, Route("out", (Relay("mx"),)))
    sites = Sites(lambda _domain, _hosts: "big")
    placed(made, learnt(BIG, sites))
    placed(made, learnt(SMALL, sites))
    assert made.capacities(0.0) == {"direct/": 0, "direct/big": 6, "out": 3}
    credit = credits_of(made.capacities(0.0), 1, {"direct/big": 0})
    assert [credit[Lane.BULK, key] for key in ("direct/", "direct/big", "out")] == [1, 0, 5]
    assert [credit[Lane.TRANSACTIONAL, key] for key in ("direct/", "direct/big", "out")] == [2, 0, 6]


def test_a_site_that_nobody_uses_has_what_each_other_has():
    """Of ten thousand that are known a report lists those in use, and those whose limit says less than that."""
    ways, made = paths(replace(DIRECT, sources="news"), Route("out", (Relay("mx"),)), sources=(A, B))
    small = learnt(SMALL)
    keys = {placed(made, small, number) for number in range(20)}
    ways.sleepers = {"out", *keys}
    assert made.capacities(0.0) == {"direct/": 0, "out": 3}
    assert credits_of(made.capacities(0.0), 1, {"direct/mx.small": 0})[Lane.BULK, "direct/mx.small"] == 0
    ways.sleepers.discard("direct/mx.small@a")
    assert made.capacities(0.0)["direct/mx.small"] == 6, "all of the site counts"
    ways.sleepers.add("direct/mx.small@a")
    for key in keys:
        ways.fails(key)
    assert credits_of(made.capacities(0.0), 1)[Lane.BULK, "direct/mx.small"] == 0, "nothing can be tried from here"


def test_a_path_that_is_shut_counts_no_more():
    """And is opened again with the next mail."""
    ways, made = paths(DIRECT)
    small = learnt(SMALL)
    key = placed(made, small)
    made.shut(key)
    made.shut(key)
    assert ways.open_paths == {}
    assert made.capacities(0.0) == {"direct/": 0}
    assert placed(made, small) == key
    assert list(ways.open_paths) == [key]


def test_a_route_that_changes_changes_its_paths_and_one_that_goes_takes_them_along():
    """Numbers at once; another set of sources shuts those that have none any more."""
    ways, made = paths(DIRECT)
    small = learnt(SMALL)
    key = placed(made, small)
    made.configure({"direct": replace(DIRECT, connections=3)})
    assert ways.open_paths[key].route.connections == 3
    assert ways.open_paths[key].route.relays == (Relay("mx.small", 2525),)
    made.configure({})
    assert ways.open_paths == {}
    assert isinstance(made.place(mail(1, "direct"), "", 0.0, small), NotTried)
    assert made.capacities(0.0) == {}


def test_all_ways_together_have_no_more_connections_than_the_node():
    """Relays have theirs; who comes last gets what is left, and one at least: mail by MX waits, it is not refused."""
    ways = Ways()
    made = Paths(ways, Sources(), most=20)
    made.configure({"direct": DIRECT, "out": Route("out", (Relay("mx"),), connections=4)})
    keys = [placed(made, learnt((Host(f"mx{number}.example", 0, ("8.8.8.8",)),))) for number in range(4)]
    assert [ways.open_paths[key].route.connections for key in keys] == [7, 7, 2, 1]
    made.shut(keys[0])
    assert ways.open_paths[placed(made, learnt(SMALL))].route.connections == 6


def test_each_source_has_a_path_of_its_own_to_a_destination():
    """Opened when a mail leaves from it; both count for the site."""
    route = replace(DIRECT, sources="news")
    ways, made = paths(route, sources=(A, B))
    small = learnt(SMALL)
    keys = {placed(made, small, number) for number in range(20)}
    assert keys == set(ways.open_paths) == {"direct/mx.small@a", "direct/mx.small@b"}
    assert made.capacities(0.0) == {"direct/": 0, "direct/mx.small": 6}
    made.configure({"direct": replace(route, connections=3)})
    assert {path.route.connections for path in ways.open_paths.values()} == {3}
    made.shut("direct/mx.small@a")
    made.configure({"direct": route})
    assert set(ways.open_paths) == {"direct/mx.small@b"}


def test_a_destination_of_another_site_counts_for_that():
    """When the table of providers has changed."""
    _, made = paths(DIRECT)
    placed(made, learnt(SMALL))
    assert set(made.capacities(0.0)) == {"direct/", "direct/mx.small"}
    placed(made, learnt(SMALL, Sites(lambda _domain, _hosts: "small")))
    assert set(made.capacities(0.0)) == {"direct/", "direct/small"}


def test_hundreds_of_paths_are_not_counted_with_every_frame():
    """But a few milliseconds later; one that is opened has meanwhile what an unlisted one has."""
    ways, made = paths(DIRECT)
    for number in range(120):
        placed(made, learnt((Host(f"mx{number}.example", 0, ("8.8.8.8",)),)))
    before = made.capacities(10.0)
    ways.capacity = lambda _key: 1  # type: ignore[method-assign]
    assert made.capacities(10.005) is before
    assert sum(made.capacities(10.02).values()) == 120
    placed(made, learnt(SMALL))
    assert "direct/mx.small" not in made.capacities(10.02)
    assert "direct/mx.small" in made.capacities(10.04)
