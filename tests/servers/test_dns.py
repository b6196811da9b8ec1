"""Domains looked up at a real name server: what it says, how it says it, and what it does not say."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mailgate.verdict import Outcome
from sender.delivery.mx import Got, Here, Host, Nowhere
from sender.delivery.resolver import Resolver
from sender.delivery.stub import Stub
from tests.servers.name_server import NameServer, name_server

MANY = 200
ZONE = (
    "good MX 20 mx2",
    "good MX 10 mx1",
    "mx1 A 127.0.0.2",
    "mx1 AAAA ::1",
    "mx2 A 127.0.0.3",
    "bare A 127.0.0.4",
    "7.2.0.192 CNAME 7.half-a-net",
    "7.half-a-net PTR Mx7",
    "7.half-a-net PTR other",
    "none MX 0 .",
    "empty TXT nothing",
    "alias CNAME good",
    "loop1 CNAME loop2",
    "loop2 CNAME loop1",
    "away CNAME x.broken.",
    "nohost MX 10 missing",
    "half MX 10 x.broken.",
    "half MX 20 mx2",
    "lost MX 10 x.broken.",
    "me MX 10 node",
    "me MX 20 mx2",
    "node A 127.0.0.5",
    *[f"many MX {number} host-with-a-rather-long-name-{number:03}" for number in range(MANY)],
    *[f"host-with-a-rather-long-name-{number:03} A 127.1.0.{number}" for number in range(MANY)],
)
HERE = Here(frozenset({"node.test"}), private=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NameServer]:
    with name_server(tmp_path_factory.mktemp("dns"), *ZONE) as server:
        yield server


@pytest.fixture
async def resolver(server: NameServer) -> AsyncIterator[Resolver]:
    resolver = Resolver(Stub([server.address]).ask, HERE)
    yield resolver
    await resolver.close()


@contextmanager
def stopped(server: NameServer) -> Iterator[None]:
    """All its processes are; they go on after."""
    pids = server.pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize(
    ("domain", "hosts"),
    [
        ("good.test", (Host("mx1.test", 10, ("127.0.0.2", "::1")), Host("mx2.test", 20, ("127.0.0.3",)))),
        ("GOOD.test", (Host("mx1.test", 10, ("127.0.0.2", "::1")), Host("mx2.test", 20, ("127.0.0.3",)))),
        ("alias.test", (Host("mx1.test", 10, ("127.0.0.2", "::1")), Host("mx2.test", 20, ("127.0.0.3",)))),
        ("bare.test", (Host("bare.test", 0, ("127.0.0.4",)),)),
        ("half.test", (Host("mx2.test", 20, ("127.0.0.3",)),)),
    ],
)
async def test_where_mail_goes(resolver: Resolver, domain: str, hosts: tuple[Host, ...]):
    """By preference, by an alias, without MX, and past a host that nobody can look up."""
    assert (await resolver.resolve(domain)).hosts == hosts


@pytest.mark.parametrize(
    ("domain", "outcome", "code"),
    [
        ("missing.test", Outcome.BOUNCED, "5.1.2"),
        ("none.test", Outcome.BOUNCED, "5.1.10"),
        ("empty.test", Outcome.BOUNCED, "5.1.2"),
        ("nohost.test", Outcome.BOUNCED, "5.4.4"),
        ("me.test", Outcome.BOUNCED, "5.4.6"),
        ("lost.test", Outcome.DEFERRED, "4.4.3"),
        ("x.broken", Outcome.DEFERRED, "4.4.3"),
        ("elsewhere.example", Outcome.DEFERRED, "4.4.3"),
        ("away.test", Outcome.DEFERRED, "4.4.3"),
        ("loop1.test", Outcome.DEFERRED, "4.4.3"),
    ],
)
async def test_where_mail_does_not_go(resolver: Resolver, domain: str, outcome: Outcome, code: str):
    """Never for what the server does not know, or does not want to say (SERVFAIL, REFUSED); aliases in a circle end."""
    found = (await resolver.resolve(domain)).hosts
    assert isinstance(found, Nowhere), found
    assert (found.outcome, found.reply.enhanced_code) == (outcome, code)


async def test_an_answer_that_is_too_large_comes_by_tcp(server: NameServer):
    """Two hundred MX, of which ten are used."""
    answer = await Stub([server.address]).ask("many.test", "MX")
    assert len(answer.exchanges) == MANY
    hosts = (await Resolver(Stub([server.address]).ask, HERE).resolve("many.test")).hosts
    assert [host.preference for host in hosts] == list(range(10))


async def test_loopback_is_refused_unless_a_test_allows_it(server: NameServer):
    """Every address of the zone is one."""
    for domain in ("good.test", "bare.test"):
        found = (await Resolver(Stub([server.address]).ask, Here()).resolve(domain)).hosts
        assert isinstance(found, Nowhere)
        assert (found.outcome, found.reply.enhanced_code) == (Outcome.BOUNCED, "5.4.4")


async def test_a_name_server_that_is_silent_defers(server: NameServer, monkeypatch: pytest.MonkeyPatch):
    """Stopped, it takes questions and answers none."""
    monkeypatch.setattr("sender.delivery.stub.TRY", 0.2)
    monkeypatch.setattr("sender.delivery.stub.WHOLE", 1.0)
    with stopped(server):
        answer = await Stub([server.address]).ask("good.test", "MX")
        assert answer.got is Got.FAILED
        assert "no name server answered" in answer.why
    assert (await Stub([server.address]).ask("good.test", "MX")).got is Got.FOUND


async def test_the_next_name_server_is_asked(server: NameServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Where one is silent, and where one refuses."""
    monkeypatch.setattr("sender.delivery.stub.TRY", 0.2)
    with name_server(tmp_path, "good MX 10 other") as other:
        with stopped(server):
            answer = await Stub([server.address, other.address]).ask("good.test", "MX")
        assert [exchange.host for exchange in answer.exchanges] == ["other.test"]


async def test_a_record_that_changed_is_seen_when_its_time_is_over(tmp_path: Path):
    """Not before: a clock that the test moves."""
    now = 0.0
    with name_server(tmp_path, "good MX 10 mx1", "mx1 A 127.0.0.2", "mx2 A 127.0.0.3") as server:
        resolver = Resolver(Stub([server.address]).ask, HERE, clock=lambda: now)
        first = await resolver.resolve("good.test")
        server.reload("good MX 10 mx2", "mx1 A 127.0.0.2", "mx2 A 127.0.0.3")
        assert await resolver.resolve("good.test") == first
        now = first.until
        assert [host.name for host in (await resolver.resolve("good.test")).hosts] == ["mx2.test"]


async def test_the_names_of_an_address(server: NameServer) -> None:
    """By PTR, also where its records are with somebody else (RFC 2317): all of them, in lower case."""
    stub = Stub([server.address])
    await stub.prepare()
    found = await stub.ask("7.2.0.192.test", "PTR")
    assert (found.got, sorted(found.names)) == (Got.FOUND, ["mx7.test", "other.test"])
    assert (await stub.ask("bare.test", "PTR")).got is Got.NOTHING
    assert (await stub.ask("8.2.0.192.test", "PTR")).got is Got.NO_NAME
