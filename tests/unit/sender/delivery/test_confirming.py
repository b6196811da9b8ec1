"""What a node looks up of its sources, when it says so, and what it does while nobody answers."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address

import pytest
import structlog.testing

from sender.delivery import confirming
from sender.delivery.confirming import Confirming
from sender.delivery.mx import Answer, Got
from sender.delivery.sources import Sources
from sender.pool.source import Source

SEEN = Source("a", "mx.mailgate.dev", "9.9.9.9")
INSIDE = Source("b", "nat.mailgate.dev", "10.0.0.5")
HERE = Source("c", "here.mailgate.dev", "127.0.0.11", "::1")
TEST = Source("d", "mx.example.com", "9.9.9.10")
PTR = ip_address("9.9.9.9").reverse_pointer


class FakeDns:
    """Records by name and kind; a name without any does not exist, unless `silent`."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], tuple[str, ...]] = {}
        self.asked: list[tuple[str, str]] = []
        self.silent = False
        self.prepared = 0

    async def prepare(self) -> None:
        self.prepared += 1

    async def ask(self, name: str, kind: str) -> Answer:
        self.asked.append((name, kind))
        if self.silent:
            return Answer(Got.FAILED, why="no name server answered")
        found = self.records.get((name, kind), ())
        return Answer(Got.FOUND if found else Got.NOTHING, addresses=found, names=found)


@pytest.fixture
def dns() -> FakeDns:
    made = FakeDns()
    made.records = {("mx.mailgate.dev", "A"): ("9.9.9.9",), (PTR, "PTR"): ("mx.mailgate.dev",)}
    return made


@pytest.fixture
def logged():
    """What the log has, each an event and its fields."""
    with structlog.testing.capture_logs() as logs:
        yield lambda: [
            (line["event"], {key: value for key, value in line.items() if key not in ("event", "log_level", "module")}) for line in logs
        ]


def warnings(sources: Sources) -> list[tuple[str, ...]]:
    return [standing.warnings for standing in sources.standings]


async def test_what_agrees_is_passed_over(dns, logged):
    """Nothing is said, and gateways need not be told again."""
    sources = Sources([SEEN])
    before = sources.standings
    assert await Confirming(sources, dns, lambda: 0.5).look(SEEN)
    assert sources.standings is before
    assert logged() == []
    assert dns.asked == [("mx.mailgate.dev", "A"), ("mx.mailgate.dev", "AAAA"), (PTR, "PTR")]


async def test_what_disagrees_is_told_once(dns, logged):
    """A line in the log for each fault when it is new, and one when all is well; a name server that is silent changes nothing."""
    sources = Sources([SEEN])
    looks = Confirming(sources, dns, lambda: 0.5)
    dns.records[PTR, "PTR"] = ("host9.isp.example",)
    assert await looks.look(SEEN)
    assert await looks.look(SEEN)
    ((event, fields),) = logged()
    assert (event, fields["source"], fields["helo"]) == ("source_unconfirmed", "a", "mx.mailgate.dev")
    assert "host9.isp.example" in fields["what"]
    assert warnings(sources) == [(fields["what"],)]
    dns.silent = True
    assert not await looks.look(SEEN)
    assert warnings(sources) == [(fields["what"],)]
    dns.silent = False
    dns.records[PTR, "PTR"] = ("mx.mailgate.dev",)
    assert await looks.look(SEEN)
    assert logged()[1:] == [("source_confirmed", {"source": "a", "helo": "mx.mailgate.dev"})]
    assert warnings(sources) == [()]


async def test_nat_is_no_fault(dns, logged):
    """It is said, and what the name has is looked at instead."""
    dns.records["nat.mailgate.dev", "A"] = ("9.9.9.9",)
    dns.records[PTR, "PTR"] = ("nat.mailgate.dev",)
    sources = Sources([INSIDE])
    assert await Confirming(sources, dns, lambda: 0.5).look(INSIDE)
    ((event, fields),) = logged()
    assert event == "source_behind_nat"
    assert "10.0.0.5" in fields["what"]
    assert warnings(sources) == [()]


async def test_what_nobody_outside_sees_is_not_looked_up(dns):
    """The loopback, and names of tests: not one question, until the node has other sources."""
    sources = Sources([HERE, TEST])
    looks = Confirming(sources, dns, lambda: 0.5)
    task = asyncio.create_task(looks.run())
    await asyncio.sleep(0)
    assert (dns.asked, dns.prepared) == ([], 0)
    sources.use([HERE, SEEN])
    looks.changed.set()
    async with asyncio.timeout(5):
        while len(dns.asked) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    task.cancel()
    assert (dns.asked[-1], dns.prepared) == ((PTR, "PTR"), 1)


async def test_it_looks_again(dns, monkeypatch):
    """Sooner where nobody answered; the default of a node is looked up like its sources."""
    monkeypatch.setattr(confirming, "HOUR", 0.01)
    sources = Sources([], default=Source("(any)", "mx.mailgate.dev", "9.9.9.9"))
    task = asyncio.create_task(Confirming(sources, dns, lambda: 0.5).run())
    async with asyncio.timeout(5):
        while len(dns.asked) < 9:  # noqa: ASYNC110 - rounds, each of three questions
            await asyncio.sleep(0.001)
        dns.records = {}
        while warnings(sources) == [()]:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    task.cancel()
    assert [standing.source.name for standing in sources.standings] == ["(any)"]
