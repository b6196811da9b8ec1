"""Domains, sites and destinations: what is shared, what ends, what has a bound."""

from __future__ import annotations

import gc
import tracemalloc

from mailgate.verdict import Outcome, Phase, Reply
from sender.delivery.mx import Host, Nowhere
from sender.delivery.sites import SHUT_AFTER, Destination, InUse, Sites, name_of

BIG = (Host("a.mx.big", 5, ("8.8.8.8",)), Host("c.mx.big", 10, ("8.8.8.9",)), Host("b.mx.big", 10, ("8.8.8.7",)))
NOWHERE = Nowhere(Outcome.BOUNCED, Reply(Phase.CONNECT))


def test_domains_with_the_same_hosts_share_a_destination():
    """Ten thousand domains of a provider cost one."""
    sites = Sites()
    first = sites.learn("a.example", BIG, 10.0)
    assert sites.learn("b.example", tuple(BIG), 10.0) is first
    assert isinstance(first, Destination)
    assert first.site == "a.mx.big"


def test_what_is_known_ends():
    """Also that a domain goes nowhere."""
    sites = Sites()
    sites.learn("a.example", NOWHERE, 10.0)
    assert sites.get("a.example", 9.9) is NOWHERE
    assert sites.get("a.example", 10.0) is None
    assert sites.get("b.example", 0.0) is None


def test_the_provider_names_the_site_and_hosts_name_the_destination():
    """A provider that gives each customer a host has one site and many destinations."""
    sites = Sites(lambda _domain, hosts: "outlook" if hosts[0].endswith(".outlook.example") else None)
    one, other = (sites.learn(f"{name}.example", (Host(f"{name}.outlook.example", 0, ("8.8.8.8",)),), 1.0) for name in "xy")
    assert (one.site, other.site) == ("outlook", "outlook")
    assert (one.name, other.name) == ("x.outlook.example", "y.outlook.example")


def test_a_backup_makes_nobody_a_providers():
    """Only the best hosts are asked about, all of them: a domain with a server of its own before them is its own."""
    asked: list[tuple[str, ...]] = []
    sites = Sites(lambda _domain, hosts: asked.append(hosts))
    own = (Host("own.example", 5, ("8.8.8.8",)), Host("mx.provider.example", 10, ("8.8.8.9",)))
    assert sites.learn("a.example", own, 10.0).site == "own.example"
    sites.learn("b.example", BIG[1:], 10.0)
    assert list(dict.fromkeys(asked)) == [("own.example",), ("c.mx.big", "b.mx.big")]


def test_a_destinations_name_is_that_of_its_hosts_in_their_order():
    """Not of numbers, addresses, or the order of equal ones; but another order of preference is another way."""
    same = (Host("a.mx.big", 1, ("1.1.1.1",)), Host("b.mx.big", 7, ()), Host("c.mx.big", 7, ()))
    other = (Host("a.mx.big", 1, ()), Host("b.mx.big", 7, ()), Host("c.mx.big", 8, ()))
    assert name_of(BIG) == name_of(same)
    assert name_of(BIG).startswith("a.mx.big~")
    assert name_of(other) != name_of(BIG)
    assert name_of(BIG[:1]) == "a.mx.big"


def test_another_table_names_sites_anew():
    """And what is known is asked for again."""
    providers: list[str] = []
    sites = Sites(lambda _domain, _hosts: next(iter(providers), None))
    sites.learn("a.example", BIG, 10.0)
    providers.append("big")
    sites.forget()
    assert sites.get("a.example", 0.0) is None
    assert sites.learn("a.example", BIG, 10.0).site == "big"


def test_the_oldest_domain_goes():
    """When there are too many; one that was learnt again is young."""
    sites = Sites(most=2)
    for name in ("a", "b", "a", "c"):
        sites.learn(name, NOWHERE, 10.0)
    assert [sites.get(name, 0.0) is None for name in "abc"] == [False, True, False]
    assert len(sites) == 2


def test_ten_thousand_domains_of_their_own_hosts_take_little_memory():
    """Under 2 KB each, with two hosts and three addresses."""
    gc.collect()
    tracemalloc.start()
    sites = Sites()
    for number in range(10_000):
        hosts = tuple(
            Host(f"mx{n}.domain{number}.example", 10, tuple(f"8.{number >> 8}.{number & 255}.{n}{m}" for m in range(3))) for n in "12"
        )
        sites.learn(f"domain{number}.example", hosts, 3600.0)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(sites) == 10_000
    assert taken < 20_000_000


def test_a_way_is_shut_when_it_was_long_of_no_use():
    """Not while it has work or a connection, nor soon after."""
    use = InUse()
    use.used("a", 0.0)
    use.used("b", 0.0)
    assert use.idle(lambda key: key == "a", SHUT_AFTER) == ["b"]
    use.shut("b")
    assert "b" not in use
    assert use.idle(lambda _key: False, 2 * SHUT_AFTER - 1) == []
    assert use.idle(lambda _key: False, 2 * SHUT_AFTER) == ["a"]
