"""A gateway that comes back, and nodes that remember."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

import pytest

from gateway.dispatch.link import Answer, Known
from gateway.ledger.port import Found
from mailgate.job import Job
from mailgate.mail import OnDoubt, RecipientState
from mailgate.verdict import Expired
from tests.unit.gateway.dispatch.world import HOLD, RESEND, Node, World, make_job, tried
from tests.unit.virtual_time import quiet, simulate


async def committed(world: World, job: Job) -> Node:
    """A life in which the job's COMMIT left, and its row was lost."""
    async with world.gateway():
        node = await world.node("a")
        await world.accept(job)
        world.ledger.stopped = True
        node.stream.ready(job)
        await quiet()
        assert node.stream.commits == [job.fence]
    world.ledger.stopped = False
    return node


async def claimed(world: World, job: Job, read: asyncio.Event) -> Node:
    """The same; the node will say so, and the ledger is not read before `read`."""
    node = await committed(world, job)
    node.inventory = [Answer(job.fence, Known.COMMITTED)]
    find = world.ledger.find

    async def slow(job_ids: Collection[bytes]) -> Mapping[bytes, Found]:
        await read.wait()
        return await find(job_ids)

    world.ledger.find = slow
    return node


class TestRestart:
    """The gateway is killed and starts over the same ledger."""

    @pytest.mark.parametrize("answer", [Known.DONE, Known.COMMITTED, None])
    def test_open_attempts_are_asked_for(self, answer: Known | None):
        """A row on disk, no verdict: the node's inventory or its answer says what became of it; nothing is sent twice."""

        async def main() -> None:
            world = World()
            job = make_job(on_doubt=HOLD)
            async with world.gateway():
                node = await world.node("a")
                await world.accept(job)
                node.stream.ready(job)
                await quiet()
                assert node.stream.commits == [job.fence]
            node.inventory = [] if answer is None else [Answer(job.fence, answer, tried(job) if answer is Known.DONE else None)]
            async with world.gateway(recovering=True):
                await asyncio.sleep(1)
                if answer is None:
                    assert node.stream.asked == [job.fence]
                    node.stream.hear(found=(Answer(job.fence, Known.UNKNOWN),))
                    await quiet()
                    assert [each.fence for each in node.offers] == [job.fence]
                    return
                assert node.offers == []
                if answer is Known.COMMITTED:
                    await asyncio.sleep(20)
                    node.stream.verdict(job)
                    await quiet()
                assert await world.state(job) is RecipientState.DELIVERED
                assert node.stream.acknowledged == [job.fence]
                await asyncio.sleep(20)
                assert node.offers == []

        simulate(main)

    @pytest.mark.parametrize("on_doubt", [HOLD, RESEND])
    def test_a_node_that_is_gone_as_well(self, on_doubt: OnDoubt):
        """Gateway and node are killed at once: after recovery_wait on_doubt decides."""

        async def main() -> None:
            world = World()
            job = make_job(on_doubt=on_doubt)
            async with world.gateway():
                node = await world.node("a")
                other = await world.node("b", credit=0)
                await world.accept(job)
                node.stream.ready(job)
                await quiet()
            node.lose()
            other.credit = 10
            async with world.gateway(recovering=True):
                await asyncio.sleep(4.8)
                assert other.offers == []
                await asyncio.sleep(1)
                if on_doubt is HOLD:
                    assert await world.state(job) is RecipientState.IN_DOUBT
                else:
                    assert [each.fence for each in other.offers] == [(job.id, 2)]

        simulate(main)

    @pytest.mark.parametrize("answer", [Known.DONE, Known.COMMITTED])
    @pytest.mark.parametrize("small", [False, True])
    def test_a_claim_for_what_looks_ready(self, answer: Known, small: bool):
        """COMMIT of a RESEND mail had left and its row was lost in the crash: the node's word takes the job out of what is ready."""

        async def main() -> None:
            world = World(waiting_jobs=10 if small else 1000)
            others = [make_job(n, accept_ms=1) for n in range(2, 6)] if small else []
            job = make_job(1, on_doubt=RESEND)
            node = await committed(world, job)
            await world.ledger.accept([])
            for other in others:
                await world.accept(other)
            node.inventory = [Answer(job.fence, answer, tried(job) if answer is Known.DONE else None)]
            async with world.gateway(recovering=True):
                await asyncio.sleep(1)
                assert node.offers == [], "recovered jobs wait for the inventories"
                await asyncio.sleep(10)
                assert job.fence not in [each.fence for each in node.offers]
                if answer is Known.COMMITTED:
                    assert await world.is_open(job)
                    node.stream.verdict(job)
                    await quiet()
                assert await world.state(job) is RecipientState.DELIVERED
                assert node.stream.acknowledged == [job.fence]
                assert node.all_commits.count(job.fence) == 1

        simulate(main)

    @pytest.mark.parametrize("lost_again", [False, True])
    def test_a_verdict_that_comes_while_the_claim_is_looked_up(self, lost_again: bool):
        """The node said COMMITTED and then, before the ledger was read, what came of it: the verdict counts, and is not forgotten."""

        async def main() -> None:
            world, job, read = World(), make_job(on_doubt=RESEND), asyncio.Event()
            node = await claimed(world, job, read)
            async with world.gateway(recovering=True):
                await asyncio.sleep(1)
                node.stream.verdict(job)
                await quiet()
                read.set()
                await asyncio.sleep(1)
                assert await world.state(job) is RecipientState.DELIVERED
                assert node.stream.acknowledged == [job.fence]
                assert world.dispatcher.in_hand == 0
                if lost_again:
                    node.lose()
                    node.back()
                await asyncio.sleep(20)
                assert node.offers == []

        simulate(main)

    def test_a_verdict_of_unsent_that_comes_while_the_claim_is_looked_up(self):
        """The node has done with it: it is not waited for any longer, and goes again."""

        async def main() -> None:
            world, job, read = World(), make_job(on_doubt=RESEND), asyncio.Event()
            node = await claimed(world, job, read)
            async with world.gateway(recovering=True):
                await asyncio.sleep(1)
                node.stream.verdict(job, Expired())
                await quiet()
                read.set()
                await asyncio.sleep(20)
                assert node.stream.acknowledged == [job.fence]
                assert [each.fence for each in node.offers] == [(job.id, 2)]
                node.stream.ready(*node.offers)
                node.stream.verdict(node.offers[0])
                await quiet()
                assert await world.state(job) is RecipientState.DELIVERED
                assert world.dispatcher.in_hand == 0

        simulate(main)

    def test_new_mail_does_not_wait(self):
        """Only what was accepted before the start is held back."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                await world.accept(make_job(1))
            async with world.gateway(recovering=True):
                await asyncio.sleep(0.5)
                node = await world.node("a")
                new = make_job(2, accept_ms=world.dispatcher.now_ms())
                await world.accept(new)
                assert [job.id for job in node.offers] == [new.id]
                await asyncio.sleep(6)
                assert len(node.offers) == 2

        simulate(main)

    def test_a_claim_that_is_read_late_takes_no_later_attempt(self):
        """While the ledger is asked about a claim, the attempt is concluded and the next is ready: the old word must not swallow it."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                node = await world.node("a")
                job = make_job(on_doubt=RESEND)
                await world.accept(job)
                node.stream.ready(job)
                await quiet()
                late = await world.node("late", credit=0)
                asked, answered = asyncio.Event(), asyncio.Event()
                find = world.ledger.inner.find

                async def slow(ids):
                    found = await find(ids)
                    asked.set()
                    await answered.wait()
                    return found

                world.ledger.find = slow
                node.credit = 0
                node.lose()
                await asyncio.sleep(1.99)
                # Just before the doubt is decided another node claims the attempt: a copy of an earlier life of this gateway.
                world.dispatcher._claims.claim("late", [Answer(job.fence, Known.DONE, tried(job))])
                await asked.wait()
                await asyncio.sleep(1)
                answered.set()
                await quiet()
                del world.ledger.find
                late.credit = 10
                await asyncio.sleep(1)
                assert [each.fence for each in late.offers] == [(job.id, 2)], "the job is lost until the next start"
                assert late.stream.acknowledged == [job.fence]

        simulate(main)
