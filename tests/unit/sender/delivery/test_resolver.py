"""What the resolver keeps, and asks once: with answers that the test gives, and a clock that it moves."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from contextlib import suppress

import pytest

from mailgate.verdict import Outcome
from sender.delivery.mx import Answer, Exchange, Got, Here, Host, Nowhere
from sender.delivery.resolver import AT_ONCE, FAILED_KEPT, KEPT_LEAST, KEPT_MOST, NEGATIVE_MOST, PATIENCE, PROMPT, STALE, Resolver, kept
from sender.delivery.stub import Stub, is_own, parse_nameserver
from tests.unit.virtual_time import simulate


class Zone:
    """Answers by name and kind, counted; what is not there is NOTHING. While `hold` is set nobody is answered."""

    def __init__(self, records: dict[tuple[str, str], Answer]) -> None:
        self.records = records
        self.asked: Counter[tuple[str, str]] = Counter()
        self.failing = False
        self.held = asyncio.Event()
        self.held.set()
        self.now = 0.0
        self.resolver = Resolver(self.ask, Here(), clock=lambda: self.now)

    async def ask(self, name: str, kind: str) -> Answer:
        self.asked[name, kind] += 1
        await self.held.wait()
        return Answer(Got.FAILED, why="SERVFAIL") if self.failing else self.records.get((name, kind), Answer(Got.NOTHING, ttl=300))


def big(ttl: float = 300) -> dict[tuple[str, str], Answer]:
    """Two domains at one provider."""
    mail = Answer(Got.FOUND, exchanges=(Exchange(5, "mx.big"),), ttl=ttl)
    return {("a.example", "MX"): mail, ("b.example", "MX"): mail, ("mx.big", "A"): Answer(Got.FOUND, addresses=("8.8.8.8",), ttl=ttl)}


HOSTS = (Host("mx.big", 5, ("8.8.8.8",)),)


async def test_a_question_is_asked_once_by_however_many():
    """A hundred who want the same domain, and two domains of one provider."""
    zone = Zone(big())
    zone.held.clear()
    waiting = [asyncio.ensure_future(zone.resolver.resolve(domain)) for domain in ["a.example", "b.example"] * 50]
    await asyncio.sleep(0)
    zone.held.set()
    assert {(await each).hosts for each in waiting} == {HOSTS}
    assert set(zone.asked.values()) == {1}
    assert zone.resolver.stats().asked == zone.resolver.stats().known == len(zone.asked) == 4


@pytest.mark.parametrize(
    ("seconds", "most"),
    [(PATIENCE / 2, PROMPT), (PATIENCE * 1.5, 2 * PROMPT), (10.0, AT_ONCE)],
    ids=["prompt", "slow", "silent"],
)
def test_questions_take_turns(seconds: float, most: int):
    """A thousand new domains at a stroke: few at once where servers are prompt, and who is silent holds up the others for a moment only."""

    async def main() -> list[int]:
        under_way, most = 0, 0

        async def ask(_name: str, _kind: str) -> Answer:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(seconds)
            under_way -= 1
            return Answer(Got.NO_NAME, ttl=300)

        resolver = Resolver(ask, Here())
        await asyncio.gather(*[resolver.resolve(f"d{number}.example") for number in range(1000)])
        return [most, resolver.stats().asked]

    assert simulate(main) == [most, 1000]


async def test_an_answer_is_kept_as_long_as_its_ttl_says():
    """And `until` of a domain is that of the first of its answers to end."""
    zone = Zone(big(100))
    assert (await zone.resolver.resolve("a.example")).until == 100
    zone.now = 99.0
    await zone.resolver.resolve("a.example")
    assert zone.asked["a.example", "MX"] == 1
    zone.now = 100.0
    await zone.resolver.resolve("a.example")
    assert zone.asked["a.example", "MX"] == 2


@pytest.mark.parametrize(
    ("got", "ttl", "seconds"),
    [
        (Got.FOUND, 0, KEPT_LEAST),
        (Got.FOUND, 600, 600),
        (Got.FOUND, 1e6, KEPT_MOST),
        (Got.NO_NAME, 1e6, NEGATIVE_MOST),
        (Got.NOTHING, 0, KEPT_LEAST),
        (Got.FAILED, 0, FAILED_KEPT),
    ],
)
def test_a_ttl_has_bounds(got: Got, ttl: float, seconds: float):
    """Neither a look-up a mail, nor a day in which a move is not seen."""
    assert kept(Answer(got, ttl=ttl)) == seconds


async def test_a_failure_defers_and_is_not_asked_again_at_once():
    """Then it is, and the mail goes."""
    zone = Zone(big())
    zone.failing = True
    found = await zone.resolver.resolve("a.example")
    assert isinstance(found.hosts, Nowhere)
    assert (found.hosts.outcome, found.until) == (Outcome.DEFERRED, FAILED_KEPT)
    zone.failing = False
    assert (await zone.resolver.resolve("a.example")).hosts == found.hosts
    zone.now = FAILED_KEPT
    assert (await zone.resolver.resolve("a.example")).hosts == HOSTS


async def test_what_was_known_is_used_while_nobody_answers():
    """For an hour past its time; each failure is kept for a while, so that not each mail waits for the next."""
    zone = Zone(big(KEPT_LEAST))
    await zone.resolver.resolve("a.example")
    zone.failing = True
    zone.now = KEPT_LEAST + 1
    stale = await zone.resolver.resolve("a.example")
    assert (stale.hosts, stale.until) == (HOSTS, zone.now + FAILED_KEPT)
    asked = zone.asked.total()
    assert (await zone.resolver.resolve("b.example")).until <= stale.until
    assert zone.asked.total() == asked + 1
    zone.now = KEPT_LEAST + STALE
    assert isinstance((await zone.resolver.resolve("a.example")).hosts, Nowhere)


async def test_the_oldest_answer_goes_when_there_are_too_many():
    """Nothing else ends what is known: no task, no timer."""
    zone = Zone(big())
    zone.resolver = Resolver(zone.ask, Here(), clock=lambda: zone.now, most=3)
    await zone.resolver.resolve("a.example")
    await zone.resolver.resolve("b.example")
    assert zone.resolver.stats().known == 3
    await zone.resolver.resolve("a.example")
    assert zone.asked["a.example", "MX"] == 2


async def test_who_gives_up_waiting_takes_no_answer_from_others():
    """The question goes on for whoever else waits."""
    zone = Zone(big())
    zone.held.clear()
    one, other = (asyncio.ensure_future(zone.resolver.resolve("a.example")) for _ in range(2))
    await asyncio.sleep(0)
    one.cancel()
    zone.held.set()
    assert (await other).hosts == HOSTS
    await asyncio.wait([one])


async def test_closing_ends_what_is_being_asked():
    """No task is left."""
    zone = Zone(big())
    zone.held.clear()
    waiting = asyncio.ensure_future(zone.resolver.resolve("a.example"))
    await asyncio.sleep(0)
    await zone.resolver.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.parametrize("kind", ["MX", "A"])
async def test_a_defect_defers_a_domain_and_holds_up_nobody(kind: str):
    """Whatever an answer does to us: who waits is told, and the next question is asked again."""
    zone = Zone(big())

    async def ask(name: str, of: str) -> Answer:
        if of == kind and zone.failing:
            raise AttributeError("a record of a kind that nobody has seen")
        return zone.records.get((name, of), Answer(Got.NOTHING, ttl=300))

    zone.resolver = Resolver(ask, Here(), clock=lambda: zone.now)
    zone.failing = True
    for _ in range(2):
        found = await zone.resolver.resolve("a.example")
        assert isinstance(found.hosts, Nowhere)
        assert (found.hosts.outcome, found.until) == (Outcome.DEFERRED, FAILED_KEPT)
    zone.failing = False
    assert (await zone.resolver.resolve("a.example")).hosts == HOSTS


async def test_a_literal_asks_nobody():
    """It is its own host."""
    zone = Zone({})
    assert (await zone.resolver.resolve("[8.8.8.8]")).hosts == (Host("8.8.8.8", 0, ("8.8.8.8",)),)
    assert not zone.asked


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("9.9.9.9", ("9.9.9.9", 53)),
        ("127.0.0.1:5353", ("127.0.0.1", 5353)),
        ("2620:fe::fe", ("2620:fe::fe", 53)),
        ("[2620:fe::fe]:5353", ("2620:fe::fe", 5353)),
        ("[::1]", ("::1", 53)),
    ],
)
def test_a_name_server_is_an_address_with_a_port_if_need_be(text: str, pair: tuple[str, int]):
    """IPv6 in brackets where there is a port."""
    assert parse_nameserver(text) == pair


@pytest.mark.parametrize("text", ["", "dns.example", "9.9.9.9:", "9.9.9.9:0", "9.9.9.9:99999", "9.9.9.9:x", "[::1", "[::1]x", "9.9.9:53"])
def test_what_is_no_name_server_is_refused(text: str):
    """A name in particular: nobody could look it up."""
    with pytest.raises(ValueError, match="write the address of a name server"):
        parse_nameserver(text)


def test_own_addresses_are_those_that_a_socket_can_have():
    """What this machine calls itself by; not what nobody has, nor what every machine has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_route, suppress(OSError):  # on a machine without a network
        any_route.connect(("8.8.8.8", 9))  # sends nothing: it only chooses the address to send from
        assert is_own(any_route.getsockname()[0])
    for address in ("240.0.0.7", "2001:db8::7", "127.0.0.1", "::1", "0.0.0.0", "::", "224.0.0.1", "::ffff:127.0.0.1"):
        assert not is_own(address), address


async def test_a_name_that_DNS_cannot_have_does_not_exist():
    """A label of 64 octets is asked of nobody."""
    assert (await Stub(["192.0.2.1"]).ask("x" * 64 + ".example", "MX")).got is Got.NO_NAME
