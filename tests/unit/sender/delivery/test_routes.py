"""Which routes a node serves: those of its gateways, within bounds."""

from __future__ import annotations

from datetime import timedelta

from mailgate.config.routes import BOUNDS as SETTINGS
from mailgate.route import BOUNDS, Relay, Route
from sender.delivery.routes import KEPT, Routes, within_bounds


def make(name: str, connections: int = 10, **more) -> Route:
    return Route(name, (Relay("mx"),), connections=connections, **more)


def connections(routes: Routes) -> dict[str, int]:
    return {name: route.connections for name, route in routes.served.items()}


def test_later_frames_add_and_change():
    """The first frame of a stream is all that its gateway has; what comes later says nothing of the rest."""
    routes = Routes()
    routes.join("g")
    assert routes.tell("g", [make("a"), make("b")]) == []
    routes.tell("g", [make("b", 3), make("c")])
    assert connections(routes) == {"a": 10, "b": 3, "c": 10}


def test_a_frame_may_remove_and_bring_back():
    """Names that are removed go before what the frame brings; of what another gateway has too nothing goes."""
    routes = Routes()
    for gateway in "gh":
        routes.join(gateway)
    routes.tell("g", [make("a"), make("b"), make("c")])
    routes.tell("h", [make("b")])
    routes.tell("g", [make("c", 3)], ["a", "b", "c", "never"])
    assert connections(routes) == {"b": 10, "c": 3}
    routes.tell("h", [], ["b"])
    assert connections(routes) == {"c": 3}


def test_a_route_goes_when_the_last_gateway_that_has_it_says_so():
    """By the first frame of its next stream, not before: it is mostly the same gateway with the same routes."""
    routes = Routes()
    for gateway in "gh":
        routes.join(gateway)
        routes.tell(gateway, [make("a"), make("b")])
    for gateway, left in (("g", {"a", "b"}), ("h", {"a"})):
        routes.leave(gateway, 0.0)
        routes.join(gateway)
        assert "b" in routes.served
        routes.tell(gateway, [make("a")])
        assert set(routes.served) == left


def test_the_routes_of_a_gateway_that_stays_away_go_after_a_while():
    """Long enough for a restart, so that its connections are warm when it is back."""
    routes = Routes()
    for gateway in "gh":
        routes.join(gateway)
        routes.tell(gateway, [make("shared"), make(f"of {gateway}")])
    routes.leave("h", 100.0)
    assert not routes.prune(100.0 + KEPT - 1)
    assert "of h" in routes.served
    assert routes.prune(100.0 + KEPT)
    assert set(routes.served) == {"shared", "of g"}
    assert not routes.prune(1e9)
    routes.leave("g", 200.0)
    routes.join("g")
    assert not routes.prune(1e9), "it is back, though it has not told its routes yet"


def test_all_routes_share_the_connections_of_the_node():
    """First told, first served; what is cut is told, and what another route leaves is given when routes change."""
    routes = Routes(max_connections=25)
    routes.join("g")
    told = routes.tell("g", [make("a"), make("b"), make("c"), make("d")])
    assert connections(routes) == {"a": 10, "b": 10, "c": 5}
    assert [curbed.route for curbed in told] == ["c", "d"]
    assert "sender.max_connections, 25" in told[0].what
    routes.tell("g", [make("a", 1)])
    assert connections(routes) == {"a": 1, "b": 10, "c": 10, "d": 4}


def test_no_gateway_fills_the_memory_with_names():
    """Routes that could never have a connection are not even remembered; told once a frame."""
    routes = Routes(max_connections=3)
    routes.join("g")
    told = routes.tell("g", (make(str(n), 1) for n in range(1_000_000)))
    assert [curbed.route for curbed in told] == ["3"]
    assert connections(routes) == {"0": 1, "1": 1, "2": 1}
    assert [curbed.route for curbed in routes.tell("g", [make("1", 1), make("x")])] == ["x"]


def test_each_source_counts():
    """A route has its connections from each; one whose sources the node has not has none, and that is told."""
    ways = {"a": 3, "b": 1, "c": 0}
    routes = Routes(25, lambda route: ways[route.name])
    told = routes.tell("g", [make("a", 7), make("b", 10), make("c", 10)])
    assert connections(routes) == {"a": 7, "b": 4, "c": 10}
    assert [(each.route, each.what[:10]) for each in told] == [("b", "connection"), ("c", "sources ''")]
    ways["a"] = 1
    assert not routes.prune(0.0)
    assert routes.prune(0.0, renewed=True)
    assert connections(routes) == {"a": 7, "b": 10, "c": 10}


def test_numbers_are_brought_back_to_the_bounds():
    """The same that the settings of a gateway refuse: a gateway that asks for more is not this one, or means harm."""
    asked = make("a", 2**32 - 1, idle_timeout=timedelta(0), max_mails_per_connection=0)
    given, what = within_bounds(asked)
    assert (given.connections, given.idle_timeout, given.max_mails_per_connection) == (1000, timedelta(seconds=1), 1)
    assert len(what) == 3
    assert "connections 4294967295" in what[0]
    assert within_bounds(given) == (given, [])
    assert {f"Route.{name}": bound for name, bound in BOUNDS.items()} == SETTINGS


def test_every_number_of_a_route_has_bounds():
    """One that is added later must not be forgotten here."""
    numbers = {name for name in Route.__slots__ if type(getattr(make("a"), name)) in (int, float, timedelta)}
    assert numbers == set(BOUNDS)
