"""Mail whose time is over."""

from __future__ import annotations

import asyncio

import pytest

from mailgate.mail import RecipientState
from tests.unit.gateway.dispatch.world import World, make_job
from tests.unit.virtual_time import simulate


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
