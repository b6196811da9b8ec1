"""Jobs by MX on the bench: what waits for its domain, what comes of it, and what the gateway hears."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from types import SimpleNamespace

import pytest

from mailgate.job import Fence
from mailgate.mail import Lane
from mailgate.route import Route
from mailgate.shaping.shaping import parse
from mailgate.verdict import NotTried, Outcome, Tried
from sender.delivery.direct import PATIENCE
from sender.delivery.mx import Answer, Exchange, Got, Here
from sender.delivery.parts import Part
from sender.delivery.resolver import FAILED_KEPT, Resolver
from tests.unit.sender.delivery.conftest import Bench, make_offer

DIRECT = Route("direct", (), mx=True)
HOST = "mx.example.net"
RECORDS = {
    "MX": Answer(Got.FOUND, exchanges=(Exchange(10, HOST),), ttl=300),
    "A": Answer(Got.FOUND, addresses=("8.8.8.8",), ttl=300),
    "AAAA": Answer(Got.NOTHING, ttl=300),
}


class Stage:
    """A bench whose route goes by MX, and whose DNS answers when it is told to."""

    def __init__(self, clocks: SimpleNamespace) -> None:
        self.answers, self.asked = dict(RECORDS), 0
        self.held = asyncio.Event()
        self.bench = bench = Bench(clocks, resolver=Resolver(self._ask, Here(), clock=lambda: clocks.now))
        bench.delivery.configure(bench.stream, [DIRECT])

    async def _ask(self, _name: str, kind: str) -> Answer:
        self.asked += 1
        await self.held.wait()
        return self.answers[kind]

    def offer(self, number: int = 1, site_key: str = "direct/example.net", **how) -> Fence:
        offer = replace(make_offer(number, route="direct", **how), site_key=site_key)
        self.bench.delivery.offer(self.bench.stream, [offer])
        return offer.fence

    async def answer(self) -> None:
        """What was asked has its answer, and what follows from it has happened."""
        self.held.set()
        for _ in range(20):
            await asyncio.sleep(0)

    @property
    def verdicts(self) -> dict[Fence, object]:
        return dict(self.bench.stream.verdicts)


@pytest.fixture
async def stage(bench: Bench) -> AsyncIterator[Stage]:
    stage = Stage(bench.clocks)
    yield stage
    await stage.bench.delivery.close()


async def test_jobs_of_a_domain_wait_for_one_look_up(stage: Stage):
    """Then all of them go, and the gateway is told the site."""
    fences = [stage.offer(number) for number in range(5)]
    await asyncio.sleep(0)
    assert stage.bench.pool.started == []
    assert len([task for task in asyncio.all_tasks() if task.get_name() == "look up example.net"]) == 1
    await stage.answer()
    assert [handoff.fence for handoff in stage.bench.pool.started] == fences
    assert {handoff.path for handoff in stage.bench.pool.started} == {f"direct/{HOST}"}
    assert stage.asked == 3
    assert stage.bench.stream.sites == {"example.net": HOST}


async def test_a_domain_that_is_known_is_not_waited_for(stage: Stage):
    """And the gateway that has its site already is told nothing."""
    stage.offer(1)
    await stage.answer()
    stage.bench.stream.sites.clear()
    stage.offer(2, f"direct/{HOST}")
    assert len(stage.bench.pool.started) == 2
    assert stage.bench.stream.sites == {}
    credit = stage.bench.delivery.credit(stage.bench.stream)
    assert {key for lane, key in credit if lane is Lane.BULK} == {"out", "direct/", f"direct/{HOST}"}


async def test_a_domain_that_goes_nowhere_ends_its_jobs(stage: Stage):
    """At once, also those that come later; all recipients have the verdict."""
    stage.answers["MX"] = Answer(Got.NO_NAME, ttl=300)
    first = stage.offer(1, recipients=3)
    await stage.answer()
    second = stage.offer(2)
    for fence, indexes in ((first, (0, 1, 2)), (second, (0,))):
        verdict = stage.verdicts[fence]
        assert isinstance(verdict, Tried)
        (only,) = verdict.recipients
        assert (only.indexes, only.outcome, only.reply.enhanced_code) == (indexes, Outcome.BOUNCED, "5.1.2")
    assert stage.bench.pool.started == []


async def test_a_failure_defers_and_the_next_attempt_finds_out(stage: Stage):
    """Not sooner than the failure is kept: until then jobs are deferred without a question."""
    stage.answers["MX"] = Answer(Got.FAILED, why="SERVFAIL")
    first = stage.offer(1)
    await stage.answer()
    second = stage.offer(2)
    assert [stage.verdicts[fence].recipients[0].outcome for fence in (first, second)] == [Outcome.DEFERRED] * 2
    assert stage.asked == 1
    stage.bench.pass_(FAILED_KEPT)
    stage.answers["MX"] = RECORDS["MX"]
    stage.offer(3)
    await stage.answer()
    assert len(stage.bench.pool.started) == 1


async def test_a_job_that_was_withdrawn_while_it_waited_does_not_go(stage: Stage):
    """Nor does one whose stream has ended."""
    fence = stage.offer(1)
    stage.offer(2)
    stage.bench.delivery.withdraw(stage.bench.stream, [fence])
    await stage.answer()
    assert [handoff.fence.attempt for handoff in stage.bench.pool.started] == [1]
    assert stage.bench.pool.started[0].fence != fence


async def test_a_job_does_not_wait_for_ever(stage: Stage):
    """Its gateway gets it back, and no attempt is counted."""
    fence = stage.offer(1)
    await asyncio.sleep(0)
    stage.bench.pass_(PATIENCE + 1)
    late = stage.bench.delivery._placing.late(stage.bench.clocks.now, lambda _key: 0)
    assert [(work.offer.fence, type(verdict)) for work, verdict in late] == [(fence, NotTried)]
    assert stage.bench.delivery._placing.late(stage.bench.clocks.now, lambda _key: 0) == []


async def test_recipients_of_several_domains_go_a_domain_at_a_time(stage: Stage):
    """A job has them that came while its route went by relay. No mail goes to a server that is not its recipient's: the others remain."""
    stage.offer(1, domains=("a.example", "b.example"))
    await stage.answer()
    (handoff,) = stage.bench.pool.started
    assert [recipient.email.partition("@")[2] for recipient in handoff.recipients] == ["a.example"]


async def test_closing_leaves_no_task(stage: Stage):
    """Whatever was being looked up."""
    stage.offer(1)
    await asyncio.sleep(0)
    await stage.bench.delivery.close()
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("look up")]


async def test_a_job_of_a_site_whose_home_is_elsewhere(stage: Stage):
    """It came before its gateway knew the site: back at once, with the site. What comes again under the same key is sent: no circle."""
    delivery, stream = stage.bench.delivery, stage.bench.stream
    delivery.limits.use(parse("[default]\nconnections = 5"))
    delivery.limits.share([("", "", Part(0, 2))])
    fence = stage.offer()
    await stage.answer()
    assert stream.said == [("withdrawn", fence)]
    assert (stream.sites, stage.verdicts, delivery.in_hand) == ({"example.net": HOST}, {}, 0)
    assert stage.offer() == fence
    assert [handoff.fence for handoff in stage.bench.pool.started] == [fence]


async def test_a_home_sends_what_comes_under_another_key(stage: Stage):
    """The site's part was told; likewise a site without limits, a node that is alone with its sources, and a route without homes."""
    delivery = stage.bench.delivery
    stage.held.set()

    async def sends(number: int) -> bool:
        stage.offer(number)
        await stage.answer()
        return stage.bench.stream.said == []

    delivery.limits.share([("", "", Part(0, 2))])
    assert await sends(1)
    delivery.limits.use(parse("[default]\nconnections = 5"))
    delivery.limits.share([("", f"direct/{HOST}", Part(0, 1))])
    assert await sends(2)
    delivery.limits.share([("", f"direct/{HOST}", Part(0, 0)), ("", "", Part(0, 1))])
    stage.bench.pass_(120)
    delivery.limits.prune()
    assert await sends(3)
    delivery.limits.share([("", "", Part(0, 2))])
    delivery.configure(stage.bench.stream, [replace(DIRECT, policy="round_robin")])
    assert await sends(4)
    assert len(stage.bench.pool.started) == 4
