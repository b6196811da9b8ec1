"""Between delivery and the pool: a mail goes when its site takes it, and what may not go soon waits elsewhere."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest

from mailgate.ids import job_id
from mailgate.job import Fence
from mailgate.route import Relay, Route
from mailgate.shaping.shaping import NO_SHAPING, parse
from mailgate.verdict import Outcome, Phase, RecipientVerdict, Reply, Tried
from sender.delivery.allowance import NEAR, site_key_of
from sender.delivery.limits import Limits
from sender.delivery.parts import Part
from sender.delivery.seen import Held
from sender.pool.handoff import Handoff
from sender.pool.path import Path
from sender.pool.relays import Trouble
from sender.pool.source import Source

SHAPING = parse("""
[default]
connections = 6

[providers.big]
mx = ["*.big.example"]
connections = 4
mails_per_connection = 7
replies = [
  { text = "go away", action = "suspend", lasts = "60s" },
  { text = "too many connections", action = "fewer_connections", lasts = "60s" },
]

[providers.slow]
mx = ["*.slow.example"]
mails_per_second = 10.0
""")

TAKEN = Tried((RecipientVerdict((0,), Outcome.DELIVERED, Reply(Phase.BODY, 250)),))


def refused(text: str) -> Tried:
    return Tried((RecipientVerdict((0,), Outcome.DEFERRED, Reply(Phase.RCPT, 421, "4.7.28", text, "rate_limited")),))


class Ways:
    """A pool with as many idle connections as mails."""

    def __init__(self) -> None:
        self.routes: dict[str, Route] = {}
        self.started: list[tuple[str, float]] = []
        self.idle = True

    def open(self, path: Path) -> None:
        self.routes[path.key] = path.route

    def shut(self, key: str) -> None:
        self.routes.pop(key, None)

    def capacity(self, key: str) -> int:
        return self.routes[key].connections

    def warm(self, key: str) -> int:
        return 3

    def trouble(self, key: str) -> Trouble | None:
        return Trouble(Reply(Phase.CONNECT), "mx", "", 0.0, 0.0, 1)

    def start(self, handoff: Handoff) -> bool:
        if self.idle:
            self.started.append((handoff.path, NOW[0]))
        return self.idle


NOW = [1000.0]


@pytest.fixture
def ways() -> Ways:
    NOW[0] = 1000.0
    return Ways()


@pytest.fixture
def wakes() -> list[float]:
    return []


@pytest.fixture
def limits(ways: Ways, wakes: list[float]) -> Limits:
    made = Limits(ways, lambda: NOW[0], wakes.append)
    made.use(SHAPING)
    return made


def route(name: str, host: str = "mx.example", **numbers: int) -> Route:
    return Route(name, (Relay(host),), connections=numbers.get("connections", 20))


def path(key: str, host: str = "mx.example", site: str = "", **numbers: int) -> Path:
    return Path(key, route(key.partition("/")[0].partition("@")[0], host, **numbers), site, Source(key.partition("@")[2]))


def mail(key: str) -> Handoff:
    return Handoff(Fence(job_id(b"m" * 16, 1), 1), key.partition("/")[0], "", (), b"", path=key)


def run(limits: Limits, keys: dict[str, int], seconds: float) -> None:
    """Mails wait on these paths, and each is asked when it is due, a little late as timers are."""
    waiting = dict(keys)

    def pump(key: str) -> None:
        while waiting[key] and limits.start(mail(key)):
            waiting[key] -= 1

    for key in waiting:
        pump(key)
    until = NOW[0] + seconds
    while NOW[0] < until:
        NOW[0] += 0.003
        for key in limits.due():
            pump(key)


@pytest.mark.parametrize(
    ("asked", "host", "site", "connections", "mails"),
    [
        (20, "mx.example", "", 20, 1000),
        (20, "in.big.example", "", 4, 7),
        (2, "in.big.example", "", 2, 7),
        (20, "mx.example", "mx.example", 6, 1000),
        (20, "in.big.example", "big", 4, 7),
    ],
)
def test_a_path_has_the_numbers_of_its_site(limits, ways, asked, host, site, connections, mails):
    """The lesser of the route's and the site's; a relay of one's own has its route's."""
    limits.open(path("out", host, site, connections=asked))
    assert (ways.routes["out"].connections, ways.routes["out"].max_mails_per_connection) == (connections, mails)
    assert ways.routes["out"].min_idle <= connections


def test_ten_a_second_are_ten_a_second(limits, ways):
    """Over some seconds to three per cent, and evenly: never more than the tolerance's worth in a quarter of a second."""
    limits.open(path("out/slow", site="slow"))
    run(limits, {"out/slow": 1000}, 20)
    times = [at for _, at in ways.started]
    assert len(times) == pytest.approx(200, rel=0.03)
    for first in times:
        assert sum(first <= at < first + 0.25 for at in times) <= 4


def test_a_thousand_a_second_do_not_wake_us_a_thousand_times(limits, ways, wakes):
    """They go by fives, and are a thousand all the same."""
    limits.use(parse('[providers.fast]\nmx = ["*.fast.example"]\nmails_per_second = 1000.0'))
    limits.open(path("out/fast", site="fast"))
    run(limits, {"out/fast": 100_000}, 3)
    assert len(ways.started) == pytest.approx(3000, rel=0.03)
    assert len(set(wakes)) < 3 * 250


def test_who_shares_a_site_shares_its_rate(limits, ways):
    """Two routes and two sets of hosts, one source: together no more than one, and both get some. Another source has its own."""
    for key in ("a/slow", "b/slow", "a/slow@src"):
        limits.open(path(key, site="slow"))
    run(limits, {"a/slow": 500, "b/slow": 500}, 10)
    counts = {key: sum(each == key for each, _ in ways.started) for key in ("a/slow", "b/slow")}
    assert sum(counts.values()) == pytest.approx(100, rel=0.05)
    assert min(counts.values()) > 20
    before = len(ways.started)
    assert limits.start(mail("a/slow@src"))
    assert len(ways.started) == before + 1


def test_a_slow_site_never_holds_up_another(limits, ways):
    """One suspended, one at its rate, and a third that takes all there is at once."""
    for key, site in (("r/slow", "slow"), ("r/big", "big"), ("r/mx.example", "mx.example")):
        limits.open(path(key, site=site))
    limits.heard("r/big", refused("go away"))
    run(limits, {"r/slow": 50, "r/big": 50, "r/mx.example": 50}, 1)
    counts = {key: sum(each == key for each, _ in ways.started) for key in ("r/slow", "r/big", "r/mx.example")}
    assert counts["r/mx.example"] == 50
    assert counts["r/slow"] == pytest.approx(10, abs=2)
    assert counts["r/big"] == 0


def test_a_suspended_site_is_closed_and_has_no_credit(limits, ways):
    """Its jobs wait at their gateways, with the reason; then one may come, and when it was taken as many as ever."""
    limits.open(path("direct/big", site="big"))
    limits.open(path("direct/mx.example", site="mx.example"))
    assert limits.jobs() == {}
    change = limits.heard("direct/big", refused("go away, ann@example.com"))
    assert change is not None
    assert change.kind == "suspended"
    assert limits.closed("direct/big") == "throttled:site=direct/big, suspended for 60 s: 421 4.7.28 go away, …"
    assert limits.jobs() == {"direct/big": 0}
    assert limits.trouble("direct/big") is None
    assert limits.held() == {"direct/big": Held("suspended: 421 4.7.28 go away, …", 60.0, 0.0)}
    assert not limits.start(mail("direct/big"))
    NOW[0] += 60
    assert limits.closed("direct/big") == ""
    assert limits.jobs() == {"direct/big": 1}
    assert limits.start(mail("direct/big"))
    assert not limits.start(mail("direct/big"))
    assert limits.heard("direct/big", TAKEN).kind == "resumed"
    assert limits.jobs() == {}
    assert limits.held() == {}


def test_who_waits_is_called_when_the_trial_went_well(limits, ways, wakes):
    """Not first when its time had come."""
    limits.open(path("direct/big", site="big"))
    limits.heard("direct/big", refused("go away"))
    NOW[0] += 60
    assert limits.start(mail("direct/big"))
    assert not limits.start(mail("direct/big"))
    NOW[0] += 1
    limits.heard("direct/big", TAKEN)
    assert wakes[-1] == NOW[0]
    assert limits.due() == ["direct/big"]
    assert limits.start(mail("direct/big"))


def test_a_rate_that_is_slow_takes_few_jobs(limits):
    """As many as go within two seconds; none while even the next would wait longer."""
    limits.use(parse('[providers.slow]\nmx = ["*.x"]\nmails_per_hour = 60.0\n[providers.ten]\nmx = ["*.y"]\nmails_per_second = 10.0'))
    limits.open(path("r/slow", site="slow"))
    limits.open(path("r/ten", site="ten"))
    assert limits.jobs() == {"r/slow": 1, "r/ten": 20}
    assert limits.start(mail("r/slow"))
    assert limits.jobs() == {"r/slow": 0, "r/ten": 20}
    assert "a mail each 60 s" in limits.closed("r/slow")
    NOW[0] += 60 - NEAR + 0.1
    assert limits.jobs() == {"r/slow": 1, "r/ten": 20}


def test_of_two_sources_one_may_be_suspended(limits):
    """The route's key goes on by the other."""
    for key in ("out@a", "out@b"):
        limits.open(path(key, "in.big.example"))
    limits.heard("out@a", refused("go away"))
    assert limits.held() == {}
    assert limits.jobs() == {}
    assert limits.closed("out@a")
    assert not limits.closed("out@b")


def test_fewer_connections_are_the_pools_at_once(limits, ways):
    """And more again, when the site has been well."""
    limits.open(path("a/big", site="big"))
    limits.open(path("b/big", site="big"))
    limits.heard("a/big", refused("too many connections"))
    assert [ways.routes[key].connections for key in ("a/big", "b/big")] == [1, 1]
    NOW[0] += 125
    limits.heard("b/big", TAKEN)
    assert [ways.routes[key].connections for key in ("a/big", "b/big")] == [2, 2]


def test_words_for_a_connection_count_as_words_for_a_mail(limits, ways):
    """A server that greets with "too many connections" gets fewer; what is no complaint is no sign of its health either."""
    limits.open(path("direct/big", site="big"))
    said = Reply(Phase.CONNECT, 421, "", "too many connections", "rate_limited")
    assert limits.turned_away("direct/big", said).kind == "fewer_connections"
    assert ways.routes["direct/big"].connections == 1
    assert limits.turned_away("direct/big", said) is None
    limits.heard("direct/big", refused("go away"))
    NOW[0] += 61
    assert limits.turned_away("direct/big", said._replace(text="busy")) is None
    assert limits.turned_away("direct/big", Reply(Phase.CONNECT, 0, "", "timed out", "connect")) is None
    assert limits.turned_away("gone", said) is None
    assert limits.held()["direct/big"].reason.startswith("one mail tries")


def test_a_site_s_connections_are_shared_by_its_paths(limits, ways):
    """Evenly, and at least one each; who goes leaves them to the others. Another source has as many of its own."""
    for key in ("a/big", "b/big", "c/big", "a/big@src"):
        limits.open(path(key, site="big"))
    assert {key: route.connections for key, route in ways.routes.items()} == {"a/big": 1, "b/big": 1, "c/big": 1, "a/big@src": 4}
    limits.shut("c/big")
    assert {key: route.connections for key, route in ways.routes.items()} == {"a/big": 2, "b/big": 2, "a/big@src": 4}
    limits.shut("b/big")
    assert ways.routes["a/big"].connections == 4


def test_another_table_reaches_open_paths(limits, ways):
    """Numbers change in the pool; what was learned stays; without a table all is as the route says."""
    limits.open(path("direct/big", site="big"))
    limits.heard("direct/big", refused("go away"))
    limits.use(parse('[providers.big]\nmx = ["*.big.example"]\nconnections = 2'))
    assert ways.routes["direct/big"].connections == 2
    assert limits.closed("direct/big")
    limits.use(NO_SHAPING)
    assert ways.routes["direct/big"].connections == 20


def test_a_path_that_is_shut_is_forgotten(limits, ways):
    """What was learned of its site is not, for as long as it matters."""
    limits.open(path("direct/big", site="big"))
    limits.heard("direct/big", refused("go away"))
    limits.shut("direct/big")
    assert limits.held() == {}
    assert limits.heard("direct/big", TAKEN) is None
    limits.prune()
    limits.open(replace(path("direct/big", site="big")))
    assert limits.closed("direct/big")


def test_no_idle_connection_takes_nothing_of_the_rate(limits, ways):
    """A mail that did not start has not gone."""
    limits.open(path("out/slow", site="slow"))
    ways.idle = False
    assert [limits.start(mail("out/slow")) for _ in range(5)] == [False] * 5
    assert limits.due() == []
    ways.idle = True
    assert limits.start(mail("out/slow"))


@pytest.mark.parametrize("host", ["in.slow.example", "in.big.example"])
def test_a_site_of_other_nodes_is_not_told_as_held(limits, host):
    """Nobody knows until when: what is told of sites has a time, and each gateway's stream broke over an endless one."""
    limits.open(path("direct/it", host))
    key = site_key_of(path("direct/it", host))
    limits.share([("", key, Part(0, 0))])
    assert "other nodes send to it" in limits.closed("direct/it")
    assert all(held.seconds < inf for held in limits.held().values())
    limits.share([("", key, Part(0, 1))])
    assert limits.start(mail("direct/it"))
