"""What nodes tell of domains, and the keys that jobs have by it."""

from __future__ import annotations

import asyncio

import pytest

from gateway.dispatch.sites import Sites
from mailgate.mail import Lane
from mailgate.verdict import Outcome
from tests.unit.gateway.dispatch.world import World, make_job, tried
from tests.unit.virtual_time import quiet, simulate


def test_a_job_is_counted_by_its_site_once_that_is_known():
    """One of a relay route never is, nor one whose domain is unknown; one that has its site keeps it."""
    sites = Sites()
    by_mx, by_relay = make_job(key="direct/a.example", route="direct"), make_job(key="out")
    assert sites.rekeyed(by_mx) is by_mx
    assert sites.learn("a.example", "big") == [("direct/a.example", "direct/big")]
    assert sites.learn("a.example", "big") == sites.learn("b.example", "b.example") == []
    sites.learn("out", "big")
    assert [sites.key(key) for key in ("direct/a.example", "direct/c.example", "out")] == ["direct/big", "direct/c.example", "out"]
    assert sites.rekeyed(by_mx).site_key == "direct/big"
    assert sites.rekeyed(sites.rekeyed(by_mx)).site_key == "direct/big"
    assert sites.rekeyed(by_relay) is by_relay


def test_the_oldest_domain_goes():
    """When there are too many; one that is told again is young."""
    sites = Sites(most=2)
    for domain in ("a", "b", "a", "c"):
        sites.learn(domain, f"site of {domain}")
    assert [sites.of(domain) for domain in "abc"] == ["site of a", None, "site of c"]
    assert len(sites) == 2


@pytest.mark.parametrize("site", ["", "a/b", "x" * 256, "a\nb"])
def test_what_can_be_no_site_is_passed_over(site: str):
    """Whatever a node says."""
    sites = Sites()
    sites.learn("a.example", site)
    assert sites.of("a.example") is None


def test_what_waits_gets_its_sites_key_too():
    """However it waits: ready in the window or behind it in the queue. The site then has its part of the window, and no more."""

    async def main() -> None:
        world = World(waiting_jobs=20)
        async with world.gateway():
            node = await world.node("a", credit=1, keys=("direct/",))
            jobs = [make_job(number, key=f"direct/{number % 2}.example", route="direct") for number in range(10)]
            await world.accept(*jobs)
            await quiet()
            assert {each.site_key for each in node.offers} == {"direct/0.example", "direct/1.example"}
            node.stream.hear(sites=(("0.example", "big"), ("1.example", "big")))
            assert [world.dispatcher.room(Lane.TRANSACTIONAL, key) for key in ("direct/0.example", "direct/big", "direct/2.example")] == [
                0,
                0,
                2,
            ]
            node.credit, node.keys = 20, ("direct/big",)
            await asyncio.sleep(2)
            assert len(node.offers) == 10
            assert {each.site_key for each in node.offers[2:]} == {"direct/big"}

    simulate(main)


def test_a_job_that_comes_back_has_its_sites_key():
    """So it waits with its site, and goes by the site's credit."""

    async def main() -> None:
        world = World()
        async with world.gateway():
            node = await world.node("a", credit=1, keys=("direct/",))
            job = make_job(key="direct/a.example", route="direct")
            await world.accept(job)
            await quiet()
            assert [each.site_key for each in node.offers] == ["direct/a.example"]
            node.stream.hear(sites=(("a.example", "big"),))
            node.stream.verdict(job, tried(job, Outcome.DEFERRED, 450))
            node.keys = ("direct/a.example",)
            await asyncio.sleep(600)
            assert len(node.offers) == 1
            node.keys = ("direct/big",)
            await asyncio.sleep(10)
            assert [each.site_key for each in node.offers] == ["direct/a.example", "direct/big"]

    simulate(main)
