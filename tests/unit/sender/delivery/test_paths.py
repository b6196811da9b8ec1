"""Paths of a route, one a source: which mail takes which, and what becomes of it, and of credit, when a source is out."""

from __future__ import annotations

from dataclasses import replace

from mailgate.job import Fence, JobRecipient
from mailgate.route import Relay, Route
from mailgate.verdict import NotTried, Phase, Reply
from sender.delivery.paths import Paths
from sender.delivery.sources import Sources
from sender.pool.handoff import Handoff
from sender.pool.path import Path
from sender.pool.relays import Trouble
from sender.pool.source import Source

PLAIN = Route("plain", (Relay("mx"),))
NEWS = replace(PLAIN, name="news", sources="news")
A, B, C = (
    Source("a", "a.example.com", "192.0.2.1", pool="news"),
    Source("b", "b.example.com", "192.0.2.2", pool="news"),
    Source("c", pool="x"),
)
GONE = Reply(Phase.CONNECT, 0, "", "the source a can't dial from 192.0.2.1: this machine has no such address", "connect")


class Ways:
    """Paths that are open, three connections each, and what a test says is wrong with them."""

    def __init__(self) -> None:
        self.open_paths: dict[str, Path] = {}
        self.troubles: dict[str, Trouble] = {}
        self.warm_ones: dict[str, int] = {}
        self.suspended: dict[str, str] = {}
        self.sleepers: set[str] = set()

    def open(self, path: Path) -> None:
        self.open_paths[path.key] = path

    def shut(self, key: str) -> None:
        del self.open_paths[key]

    def capacity(self, key: str) -> int:
        return 0 if key in self.troubles else 3

    def warm(self, key: str) -> int:
        return self.warm_ones.get(key, 0)

    def trouble(self, key: str) -> Trouble | None:
        return self.troubles.get(key)

    def asleep(self, key: str) -> bool:
        return key in self.sleepers

    def closed(self, key: str) -> str:
        return self.suspended.get(key, "")

    def fails(self, key: str, until: float = 100.0, *, of_source: bool = True) -> None:
        self.troubles[key] = Trouble(GONE, "mx", "", 0.0, 1, until, of_source)


def mail(number: int = 1, route: str = "news") -> Handoff:
    return Handoff(Fence(b"j", 1), route, "s@example.com", (JobRecipient(0, f"r{number}@example.net"),), b"")


def paths(*routes: Route, sources=(A, B, C)) -> tuple[Ways, Paths]:
    ways = Ways()
    made = Paths(ways, Sources(sources))
    made.configure({route.name: route for route in routes})
    return ways, made


def taken(made: Paths, number: int = 1, last: str = "", now: float = 0.0) -> str:
    placed = made.place(mail(number), last, now)
    assert isinstance(placed, Handoff)
    assert placed.path == f"news@{placed.source}"
    return placed.source


def test_one_path_a_source():
    """And one without for a route that names none, where the node has no default pool."""
    ways, made = paths(PLAIN, NEWS)
    assert {key: path.source.name for key, path in ways.open_paths.items()} == {"plain": "", "news@a": "a", "news@b": "b"}
    assert made.capacities(0.0) == {"plain": 3, "news": 6}
    placed = made.place(mail(route="plain"), "a", 0.0)
    assert isinstance(placed, Handoff)
    assert (placed.path, placed.source) == ("plain", "")
    made.configure({"news": replace(NEWS, sources="")})
    assert list(ways.open_paths) == ["news"]


def test_a_mail_comes_back_to_its_source():
    """The one that its sender and recipient lead to, always the same; or the one that the gateway remembers."""
    _, made = paths(NEWS)
    chosen = {taken(made, number) for number in range(50)}
    assert chosen == {"a", "b"}
    assert taken(made, 7) == taken(made, 7)
    assert [taken(made, 7, last) for last in ("a", "b", "elsewhere")] == ["a", "b", taken(made, 7)]


def test_a_source_that_fails_is_out_for_a_while():
    """Its mail goes from another, also what was sent from it before; then the next mail tries it again."""
    ways, made = paths(NEWS)
    ways.fails("news@a", until=10.0)
    assert {taken(made, number, "a", now=9.0) for number in range(20)} == {"b"}
    assert made.capacities(9.0) == {"news": 3}
    assert taken(made, 1, "a", now=10.0) == "a"
    ways.fails("news@b", until=10.0, of_source=False)
    assert taken(made, 1, "b", now=9.0) == "b", "what the relay says is no word on the source"


def test_when_no_source_is_left():
    """No credit, so that other nodes get the mail; what is here goes back, and is told why."""
    ways, made = paths(PLAIN, NEWS)
    ways.fails("news@a")
    ways.fails("news@b")
    assert made.place(mail(), "", 9.0) == NotTried(GONE.text)
    assert made.capacities(9.0) == {"plain": 3}
    assert made.capacities(100.0) == {"plain": 3, "news": 0}, "the next job finds out"


def test_a_node_that_lacks_the_secret_takes_no_mail_of_the_route_for_a_while():
    """Other nodes get it; then the next mail finds out. What is the relay's fault is no reason."""
    ways, made = paths(PLAIN, replace(PLAIN, name="login", username="me", secret="s"))
    ways.troubles["login"] = Trouble(GONE, "mx", "", 0.0, 1, 10.0, of_node=True)
    assert made.capacities(9.0) == {"plain": 3}
    assert made.capacities(10.0) == {"plain": 3, "login": 0}
    ways.fails("login", of_source=False)
    assert made.capacities(9.0) == {"plain": 3, "login": 0}


def test_a_pool_that_the_node_has_not():
    """The route has no path and no credit; another has."""
    ways, made = paths(PLAIN, replace(NEWS, sources="other"))
    assert made.place(mail(), "", 0.0) == NotTried("this node has none of the sources that the route 'news' asks for")
    assert made.capacities(0.0) == {"plain": 3}
    assert list(ways.open_paths) == ["plain"]
    assert made.place(mail(route="gone"), "", 0.0) == NotTried("the route 'gone' is not known here")


def test_what_is_told_of_sources():
    """Those that fail on every path that is in use; one warm connection shows that it is well."""
    ways, made = paths(PLAIN, NEWS, replace(NEWS, name="more"))
    assert made.troubles() == {}
    ways.fails("news@a")
    ways.fails("more@b", of_source=False)
    ways.fails("plain")
    assert made.troubles() == {"a": GONE.text}
    ways.warm_ones["more@a"] = 1
    assert made.troubles() == {}


def test_a_source_that_a_site_suspended_leaves_its_mail_to_another():
    """And where all are suspended there is no credit, and what is here goes back with the reason."""
    ways, made = paths(NEWS)
    ways.suspended["news@a"] = "throttled:site=news, suspended for 60 s: 421 go away"
    assert {taken(made, number, "a") for number in range(20)} == {"b"}
    assert made.capacities(0.0) == {"news": 3}
    ways.suspended["news@b"] = "throttled:site=news, suspended for 90 s: 421 go away"
    assert made.place(mail(), "", 1000.0) == NotTried(ways.suspended["news@a"])
    assert made.capacities(1000.0) == {}


def test_a_way_that_comes_up_is_told_once():
    """With its first connection, and with the next first one after it had none; of a path that is not open nothing is told."""
    ways, made = paths(PLAIN, NEWS)
    assert not made.comes_up("gone")
    assert made.comes_up("plain")
    assert not made.comes_up("plain")
    assert made.comes_up("news@a")
    ways.warm_ones = {"plain": 1}
    made.capacities(1.0)
    assert not made.comes_up("plain")
    ways.warm_ones = {}
    made.capacities(2.0)
    assert made.comes_up("plain")
