"""Interleavings of promise 3: what is begun, committed, lost and offered again, in every order that a network and a disk can make."""

from __future__ import annotations

import asyncio

import pytest

from gateway.dispatch.link import Answer, Known
from gateway.rpc.admin_port import SettingsView
from gateway.rpc.operations import Operators
from mailgate.mail import EventType, OnDoubt, RecipientState
from tests.unit.gateway.dispatch.world import HOLD, RESEND, World, make_job, tried
from tests.unit.virtual_time import quiet, simulate


def test_a_mail_goes_its_way():
    """Offered, READY, COMMIT, verdict: recorded, then acknowledged, then told."""

    async def main() -> None:
        world = World()
        async with world.gateway():
            node = await world.node("a")
            job = make_job()
            await world.accept(job)
            assert node.offers == [job]
            node.stream.ready(job)
            await quiet()
            assert node.stream.commits == [job.fence]
            assert await world.state(job) is RecipientState.SENDING
            node.stream.verdict(job)
            assert node.stream.acknowledged == [], "a verdict is acknowledged only when it is recorded"
            await quiet()
            assert node.stream.acknowledged == [job.fence]
            assert await world.state(job) is RecipientState.DELIVERED
            assert [(fact.sequence, fact.type) for fact in world.facts] == [(2, EventType.DELIVERED)]
            assert len(world.members["a"].hand) == 0

    simulate(main)


def test_everything_that_waits_is_counted():
    """What dispatch has in memory waits as well as what the queue has; a node has it, or its outcome is open: then it is in flight."""

    async def main() -> None:
        world = World(waiting_jobs=30)
        async with world.gateway():
            operators = Operators(world.dispatcher, world.fleet, world.members, world.ledger, lambda: SettingsView("v1", 0))
            await world.accept(*(make_job(number) for number in range(1, 21)))
            assert [(each.ready, each.deferred) for each in (await operators.queue()).waiting] == [(20, 0)]
            node = await world.node("a", credit=5)
            await asyncio.sleep(0.3)
            job = node.offers[0]
            node.stream.ready(job)
            await quiet()
            for _ in range(2):  # with the node, and in doubt
                view = await operators.queue()
                assert [each.ready for each in view.waiting] == [15 if node.link else 19]
                assert view.in_flight == (5 if node.link else 1)
                node.lose()
                await quiet()
            world.ledger.stopped = True
            node.back(inventory=[Answer(job.fence, Known.DONE, tried(job))])
            node.credit = 0
            await asyncio.sleep(1)
            assert (await operators.queue()).in_flight == 1, "not yet recorded"
            world.ledger.go_on()
            await quiet()
            view = await operators.queue()
            assert ([each.ready for each in view.waiting], view.in_flight) == ([19], 0)

    simulate(main)


def test_hold_waits_for_its_row_and_resend_does_not():
    """An embedded ledger lets COMMIT of a RESEND mail leave before its row is on disk; a HOLD mail's waits."""

    async def main() -> None:
        world = World()
        async with world.gateway():
            node = await world.node("a")
            held, resent = make_job(1, on_doubt=HOLD), make_job(2, on_doubt=RESEND)
            await world.accept(held, resent)
            world.ledger.stopped = True
            node.stream.ready(held, resent)
            await quiet()
            assert node.stream.commits == [resent.fence]
            world.ledger.go_on()
            await quiet()
            assert node.stream.commits == [resent.fence, held.fence]

    simulate(main)


def test_a_shared_ledger_is_always_awaited():
    """Where others may have the job as well (cluster), no COMMIT leaves before its row, whatever the mail says."""

    async def main() -> None:
        world = World(early=False)
        async with world.gateway():
            node = await world.node("a")
            job = make_job(on_doubt=RESEND)
            await world.accept(job)
            world.ledger.stopped = True
            node.stream.ready(job)
            await quiet()
            assert node.stream.commits == []
            world.ledger.go_on()
            await quiet()
            assert node.stream.commits == [job.fence]

    simulate(main)


def test_a_node_lost_between_ready_and_commit_gives_its_job_to_another():
    """HOLD, the row is being written: it is retracted, the job goes elsewhere, and only that node gets COMMIT."""

    async def main() -> None:
        world = World()
        async with world.gateway():
            first, second = await world.node("a"), await world.node("b", credit=0)
            job = make_job(on_doubt=HOLD)
            await world.accept(job)
            second.credit = 10
            world.ledger.stopped = True
            first.stream.ready(job)
            await quiet()
            first.lose()
            await quiet()
            world.ledger.go_on()
            await asyncio.sleep(0.3)
            assert [offered.fence for offered in second.offers] == [job.fence]
            assert not await world.is_open(job), "the row of the lost node is retracted"
            second.stream.ready(second.offers[0])
            await quiet()
            assert first.all_commits == []
            assert second.all_commits == [job.fence]
            second.stream.verdict(job)
            await quiet()
            assert await world.state(job) is RecipientState.DELIVERED

    simulate(main)


def test_a_slow_row_of_an_earlier_stream_commits_nothing_on_the_next():
    """READY, loss, the same node again with the same job READY: the row that is durable must be the one that COMMIT left for."""

    async def main() -> None:
        world = World()
        async with world.gateway():
            node = await world.node("a")
            job = make_job(on_doubt=HOLD)
            await world.accept(job)
            world.ledger.stopped = True
            node.stream.ready(job)
            await quiet()
            node.lose(down=False)
            await asyncio.sleep(1.0)
            if node.offers:
                node.stream.ready(node.offers[0])
            world.ledger.go_on()
            await asyncio.sleep(0.3)
            if not node.stream.commits:
                node.stream.ready(node.offers[0])
                await quiet()
            assert node.all_commits == [job.fence]
            assert await world.is_open(job), "COMMIT left under a row that is not there"

    simulate(main)


@pytest.mark.parametrize("on_doubt", [HOLD, RESEND])
def test_a_dropped_connection_makes_a_job_ready_twice(on_doubt: OnDoubt):
    """A node whose connection broke after 354 tries once more and says READY again: the second READY must end in a COMMIT, not in limbo."""

    async def main() -> None:
        world = World()
        async with world.gateway():
            node = await world.node("a")
            job = make_job(on_doubt=on_doubt)
            await world.accept(job)
            world.ledger.stopped = True
            node.stream.ready(job)
            await quiet()
            commits = len(node.stream.commits)
            node.stream.ready(job)
            world.ledger.go_on()
            await quiet()
            assert node.stream.withdraws == []
            assert len(node.stream.commits) > commits, "the READY that the node acts on is the second"
            node.stream.verdict(job)
            await quiet()
            assert await world.state(job) is RecipientState.DELIVERED

    simulate(main)


@pytest.mark.parametrize("on_doubt", [HOLD, RESEND])
@pytest.mark.parametrize("durable", [True, False])
def test_what_a_leaving_node_drops_goes_elsewhere(on_doubt: OnDoubt, durable: bool):
    """WITHDRAWN crosses COMMIT (or its row): the node says that it dropped the job, so its row goes, and another node sends it."""

    async def main() -> None:
        world = World()
        async with world.gateway():
            first, second = await world.node("a"), await world.node("b", credit=0)
            job = make_job(on_doubt=on_doubt)
            await world.accept(job)
            world.ledger.stopped = not durable
            first.stream.ready(job)
            await quiet()
            first.draining = True
            first.stream.hear(load=first.load(), withdrawn=(job.fence,))
            second.credit = 10
            world.ledger.go_on()
            await asyncio.sleep(0.5)
            assert [offered.fence for offered in second.offers] == [job.fence]
            second.stream.ready(second.offers[0])
            await quiet()
            assert second.stream.commits == [job.fence], "the job is stranded behind the row of a node that dropped it"
            second.stream.verdict(job)
            await quiet()
            assert await world.state(job) is RecipientState.DELIVERED

    simulate(main)


def test_a_disk_that_is_full_when_a_row_is_retracted_strands_nothing():
    """The row of a lost node can't be deleted: it is tried again, and the job goes elsewhere once it is gone."""

    async def main() -> None:
        world = World()
        async with world.gateway():
            first, second = await world.node("a"), await world.node("b", credit=0)
            job = make_job(on_doubt=HOLD)
            await world.accept(job)
            world.ledger.stopped = True
            first.stream.ready(job)
            await quiet()
            world.ledger.full = {"retract"}
            first.lose()
            await quiet()
            second.credit = 10
            world.ledger.go_on()
            await asyncio.sleep(2)
            if second.offers:
                second.stream.ready(second.offers[0])
            world.ledger.full = set()
            await asyncio.sleep(4)
            if not second.stream.commits:
                second.stream.ready(second.offers[-1])
                await quiet()
            assert second.stream.commits == [job.fence]

    simulate(main)
