"""The routes in force, and what of dispatch follows when they change."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from gateway.balancing.policies import make_picker
from gateway.dispatch.choice import Choice
from gateway.dispatch.feeder import Feeder
from gateway.dispatch.link import Load
from gateway.dispatch.losses import Losses
from gateway.dispatch.member import Member
from gateway.dispatch.reasons import BESIDE_DOUBT, Reasons
from gateway.dispatch.rules import Rules, VerdictRule
from gateway.dispatch.sites import Sites
from gateway.dispatch.table import RouteTable
from gateway.dispatch.window import Window
from gateway.ledger.port import Parked, Wait
from gateway.registry.port import NodeRecord
from mailgate.job import Job
from mailgate.mail import Lane, RecipientState
from mailgate.route import Relay, Route
from mailgate.verdict import Outcome
from tests.unit.gateway.dispatch.world import World, make_job, tried
from tests.unit.virtual_time import quiet, simulate

OUT = Route("out", (Relay("mx"),))


def test_names_of_what_is_new_changed_or_gone():
    """What is as before is not among them."""
    table = RouteTable({"out": OUT, "old": OUT, "same": OUT}, "v1")
    new = {"out": replace(OUT, policy="round_robin"), "same": replace(OUT), "new": OUT}
    assert table.use(new, "v2") == {"out", "old", "new"}
    assert (table.version, table.policy("out"), table.policy("old")) == ("v2", "round_robin", "least_connections")
    assert "old" not in table
    new.clear()
    assert "out" in table


class Fed:
    """A feeder over a table, with one node that has credit for all."""

    def __init__(self) -> None:
        self.table = RouteTable({"out": OUT}, "v1")
        self.window = Window(1000, 10**9)
        self.offered: list[Job] = []
        self.policies: list[str] = []
        self.feeder = Feeder(self.window, Losses(2, 3), Choice(self.picker), self.offer, lambda _: True, self.table.__contains__)
        self.member = Member(NodeRecord("a", b"b" * 16, "h:1", "1"), 10**6)
        self.member.joined(b"b" * 16, "1")
        self.member.report(Load(False, 1, 0, {(lane, "out"): 10 for lane in Lane}))

    def picker(self, route: str):
        self.policies.append(self.table.policy(route))
        return make_picker(self.policies[-1], lambda: 0.5)

    def offer(self, member: Member, job: Job) -> None:
        member.hand.offer(job)
        self.offered.append(job)

    def feed(self) -> int:
        """How many were offered by now."""
        self.feeder.feed([self.member], 0.0)
        return len(self.offered)


def test_a_job_whose_route_is_gone_waits_and_goes_when_it_is_back():
    """Though the node still has credit for it, for it has not heard yet."""
    fed = Fed()
    fed.table.use({"other": OUT}, "v2")
    fed.window.put([make_job(1), make_job(2)])
    assert fed.feed() == 0
    assert len(fed.window) == 2
    fed.table.use({"out": OUT}, "v3")
    assert fed.feed() == 2


def test_a_suspect_whose_route_is_gone_keeps_no_node_quiet():
    """Nothing could come of it."""
    fed = Fed()
    fed.table.use({}, "v2")
    fed.feeder.put([make_job(1, losses=2)])
    assert fed.feed() == 0
    assert not fed.member.quiet
    fed.table.use({"out": OUT}, "v3")
    assert fed.feed() == 1


def test_another_policy_counts_from_the_next_job_on():
    """Pickers of other routes keep what they know."""
    fed = Fed()
    fed.window.put([make_job(1)])
    fed.feed()
    fed.feeder.reroute(fed.table.use({"out": replace(OUT, policy="round_robin")}, "v2"), Sites())
    fed.window.put([make_job(2), make_job(3)])
    assert fed.feed() == 3
    assert fed.policies == ["least_connections", "round_robin"]


def test_what_waits_for_a_route_that_comes_to_go_by_mx_and_back():
    """It is counted as the route's new jobs are, so that it has credit: those of no known domain together, those of one by relay again."""
    fed = Fed()
    sites = Sites(by_mx=fed.table.by_mx)
    assert [sites.key(key) for key in ("out", "gone", "gone/a.example")] == ["out", "gone", "gone/a.example"]
    fed.window.put([make_job(1), make_job(2, key="out/a.example")])
    fed.feeder.put([make_job(3, losses=2)])
    fed.feeder.reroute(fed.table.use({"out": replace(OUT, relays=(), mx=True)}, "v2"), sites)
    fed.member.report(Load(False, 1, 0, {(lane, "out/"): 1 for lane in Lane}))
    assert fed.feed() == 1
    fed.feeder.feed([fed.member], 4.0)
    assert [job.site_key for job in fed.offered] == ["out/*", "out/a.example"]
    assert [job.site_key for job in fed.window] == ["out/*"]
    fed.feeder.reroute(fed.table.use({"out": OUT}, "v3"), sites)
    assert [job.site_key for job in fed.window] == ["out"]
    assert sites.rekeyed(make_job(4, key="out/a.example")).site_key == "out"


def test_a_recipient_whose_route_is_gone_is_told_so():
    """Before whatever else may be lacking, and while it waits for its next try too; what is over has no reason to wait."""
    table = RouteTable({"out": OUT})
    reasons = Reasons({}, Losses(2, 3), has_route=table.__contains__)
    gone = "route gone: direct is not in the settings any more"
    assert reasons(RecipientState.QUEUED, Wait("direct")) == gone
    assert reasons(RecipientState.DEFERRED, Wait("direct")) == gone
    assert reasons(RecipientState.QUEUED, Wait("out")) == "no node"
    assert reasons(RecipientState.DEFERRED, Wait("out")) == ""
    assert reasons(RecipientState.DEFERRED, Wait("direct", parked=Parked.IN_DOUBT)) == BESIDE_DOUBT
    assert reasons(RecipientState.DELIVERED, Wait("direct")) == ""


def test_other_rules_and_waits_count_for_the_next_verdict():
    """And every node with a stream is told of the routes."""

    async def main() -> None:
        world = World()
        async with world.gateway() as dispatcher:
            node = await world.node("a")
            options = replace(world.options, retry_first=timedelta(seconds=7), retry_jitter=0.0)
            dispatcher.reload(["out"], Rules([VerdictRule(code="550", outcome="deferred")]), options)
            assert node.stream.routes_told == 1
            job = make_job()
            await world.accept(job)
            node.stream.ready(job)
            await quiet()
            node.stream.verdict(job, tried(job, Outcome.BOUNCED, 550))
            await asyncio.sleep(6)
            assert len(node.offers) == 1
            await asyncio.sleep(10)
            assert len(node.offers) == 2

    simulate(main)
