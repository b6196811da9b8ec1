"""Mail whose time is over."""

from __future__ import annotations

import asyncio

import pytest

from mailgate.mail import OnDoubt, RecipientState
from tests.unit.gateway.dispatch.world import HOLD, RESEND, World, make_job
from tests.unit.virtual_time import quiet, simulate


class TestTtl:
    """Nobody gets a mail after its ttl, however long it waited and wherever."""

    @pytest.mark.parametrize("where", ["window", "queue"])
    def test_it_expires_while_it_waits(self, where: str):
        """No node for longer than the ttl: EXPIRED, and a node that comes then is not offered it."""

        async def main() -> None:
            world = World(waiting_jobs=10 if where == "queue" else 1000)
            async with world.gateway():
                jobs = [make_job(n, ttl_ms=30_000) for n in range(1, 9)]
                await world.accept(*jobs)
                await asyncio.sleep(36)
                node = await world.node("a", credit=100)
                await asyncio.sleep(10)
                assert node.offers == [], f"{len(node.offers)} mails are sent after their ttl"
                for job in jobs:
                    assert await world.state(job) is RecipientState.EXPIRED

        simulate(main)

    def test_one_that_must_run_alone_expires_as_well(self):
        """It waits in a line of its own, and its ttl passes there."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                job = make_job(ttl_ms=30_000, losses=2)
                await world.accept(job)
                await asyncio.sleep(40)
                assert await world.state(job) is RecipientState.EXPIRED

        simulate(main)

    def test_one_that_has_expired_since_the_last_sweep_is_not_offered(self):
        """A node comes a moment after the ttl, and before anybody has looked round: what may still be sent goes, and nothing else."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                late, good = make_job(1, ttl_ms=16_000), make_job(2)
                await world.accept(late)
                await world.accept(good)
                await asyncio.sleep(16.2)
                node = await world.node("a")
                await quiet()
                assert node.offers == [good]
                assert await world.state(late) is RecipientState.EXPIRED

        simulate(main)

    @pytest.mark.parametrize("on_doubt", [HOLD, RESEND])
    def test_one_whose_ttl_passes_at_the_node_gets_no_commit(self, on_doubt: OnDoubt):
        """The server takes its time to answer DATA: the node must drop the mail, and its caller is told."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                node = await world.node("a")
                late, good = make_job(1, ttl_ms=16_000, on_doubt=on_doubt), make_job(2, on_doubt=on_doubt)
                await world.accept(late, good)
                await asyncio.sleep(16.2)
                node.stream.ready(late, good)
                await quiet()
                assert node.stream.commits == [good.fence]
                assert node.stream.withdraws == [late.fence]
                assert await world.state(late) is RecipientState.EXPIRED
                assert not await world.is_open(late)
                node.stream.hear(withdrawn=(late.fence,))
                node.stream.verdict(good)
                await quiet()
                assert await world.state(good) is RecipientState.DELIVERED
                assert not world.dispatcher.in_hand

        simulate(main)
