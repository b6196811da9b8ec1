"""A disk that is full, or breaks, while jobs are under way."""

from __future__ import annotations

import asyncio

import pytest

from gateway.dispatch.link import Answer, Known
from mailgate.mail import RecipientState
from tests.unit.gateway.dispatch.world import HOLD, World, make_job
from tests.unit.virtual_time import quiet, simulate


class TestStorageFull:
    """A full disk delays, it loses nothing (promise 8)."""

    def test_no_commit_while_rows_cannot_be_written(self):
        """HOLD: the node drops the job, it is ready again, and is committed when the disk has room."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                node = await world.node("a")
                job = make_job(on_doubt=HOLD)
                await world.accept(job)
                world.ledger.full = {"begin"}
                node.stream.ready(job)
                await quiet()
                assert node.stream.commits == []
                assert node.stream.withdraws == [job.fence]
                await asyncio.sleep(1)
                assert len(node.offers) == 2
                node.stream.ready(job)
                await quiet()
                assert node.stream.commits == []
                world.ledger.full = set()
                await asyncio.sleep(2)
                node.stream.ready(job)
                await quiet()
                assert node.stream.commits == [job.fence]

        simulate(main)

    @pytest.mark.parametrize("lost", [False, True])
    def test_the_row_of_an_adopted_job_names_who_has_it(self, lost: bool):
        """Another node's row can't be deleted when a node claims the job: it is tried again, and the new row follows it."""

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
                world.dispatcher._claims.claim("b", [Answer(job.fence, Known.COMMITTED)])
                await quiet()
                assert first.stream.withdraws == [job.fence]
                world.ledger.go_on()
                if lost:
                    second.lose()
                await asyncio.sleep(1)
                world.ledger.full = set()
                await asyncio.sleep(0.6)
                assert [attempt.node_id for attempt in await world.ledger.open_attempts()] == ["b"]

        simulate(main)

    def test_no_early_commit_after_a_row_was_lost(self):
        """RESEND: the first row that finds the disk full stops further early COMMITs until one is durable again."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                node = await world.node("a")
                first, second = make_job(1), make_job(2)
                await world.accept(first, second)
                world.ledger.full = {"begin", "note"}
                node.stream.ready(first)
                await quiet()
                assert node.stream.commits == [first.fence]
                node.stream.ready(second)
                await quiet()
                assert node.stream.commits == [first.fence]
                node.stream.verdict(first)
                await quiet()
                assert await world.state(first) is RecipientState.DELIVERED

        simulate(main)

    def test_a_verdict_waits_for_room(self):
        """Recorded and acknowledged when the disk has room, once."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                node = await world.node("a")
                job = make_job()
                await world.accept(job)
                node.stream.ready(job)
                world.ledger.full = {"record"}
                node.stream.verdict(job)
                await asyncio.sleep(10)
                assert node.stream.acknowledged == []
                assert world.facts == []
                world.ledger.full = set()
                await asyncio.sleep(1.5)
                assert node.stream.acknowledged == [job.fence]
                assert len(world.facts) == 1

        simulate(main)
