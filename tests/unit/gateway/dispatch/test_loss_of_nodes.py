"""Promise 6: a poison mail does not walk through the fleet, and the innocent live."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from mailgate.job import Job
from mailgate.mail import RecipientState
from tests.unit.gateway.dispatch.world import RESEND, Node, World, make_job
from tests.unit.virtual_time import quiet, simulate


def deliver_all_but(poison: Job, node: Node) -> bool:
    """The node does its work, and falls when it meets the poison. Whether it still stands."""
    for job in list(node.offers):
        if job.id == poison.id:
            node.lose()
            return False
        node.offers.remove(job)
        node.stream.ready(job)
        node.stream.verdict(job)
    return True


class TestLosses:
    """Promise 6: a poison mail does not walk through the fleet, and the innocent live."""

    def test_three_losses_are_dead_and_innocents_survive(self):
        """After two losses a job runs alone; the third names the culprit."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                nodes = [await world.node(name) for name in "abcd"]
                poison = make_job(1)
                innocents = [make_job(n) for n in range(2, 9)]
                await world.accept(poison, *innocents)
                fallen = 0
                for _ in range(200):
                    for node in nodes:
                        if node.link is None:
                            node.back(boot=fallen.to_bytes(16, "big"))
                        else:
                            fallen += not deliver_all_but(poison, node)
                    await asyncio.sleep(0.05)
                assert await world.state(poison) is RecipientState.DEAD
                for job in innocents:
                    assert await world.state(job) is RecipientState.DELIVERED
                assert fallen == 3, "three nodes fell, no more"
                assert all(node.link for node in nodes)

        simulate(main)

    def test_a_suspect_runs_with_nothing_else_in_hand(self):
        """After two losses it is offered only to a node that has nothing, and that node gets nothing else for some seconds."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                node = await world.node("a")
                other, suspect = make_job(1), make_job(2, losses=2)
                await world.accept(other)
                await world.accept(suspect)
                third = make_job(3)
                await world.accept(third)
                assert node.offers == [other]
                node.stream.verdict(other)
                await quiet()
                assert [job.id for job in node.offers] == [other.id, suspect.id]
                await asyncio.sleep(2.5)
                assert len(node.offers) == 2
                node.stream.verdict(suspect)
                await quiet()
                assert [job.id for job in node.offers] == [other.id, suspect.id, third.id]

        simulate(main)

    def test_a_node_that_only_lost_its_link_is_forgiven(self):
        """The same boot comes back each time: no mail is DEAD of a bad network, wherever the job is by then."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                nodes = [await world.node("a"), await world.node("b")]
                job = make_job()
                await world.accept(job)
                for _ in range(6):
                    holder = next(node for node in nodes if node.link and any(each.id == job.id for each in node.offers))
                    other = nodes[1 - nodes.index(holder)]
                    holder.lose()
                    await asyncio.sleep(0.5)
                    assert other.offers, "elsewhere at once"
                    holder.back()
                    await asyncio.sleep(4)
                assert await world.state(job) is RecipientState.QUEUED
                found = await world.found(job)
                assert found is not None
                assert found.losses == 0

        simulate(main)

    def test_a_node_that_only_lost_its_link_is_forgiven_what_was_committed(self):
        """COMMIT was lost with the link each time, for longer than a doubt waits: the mail goes again, and is not DEAD of a bad network."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                node = await world.node("a")
                job = make_job(on_doubt=RESEND)
                await world.accept(job)
                for number in range(1, 6):
                    node.stream.ready(replace(job, attempt=number))
                    await quiet()
                    node.lose()
                    await asyncio.sleep(3)
                    node.back()
                    await asyncio.sleep(4)
                    assert node.offers[-1].fence == (job.id, number + 1)
                found = await world.found(job)
                assert found is not None
                assert found.losses == 0

        simulate(main)

    def test_a_suspect_of_an_unknown_route_blocks_nobody(self):
        """No node takes its key: it waits by itself, and no node is kept quiet for it."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                node = await world.node("a")
                await world.accept(make_job(1, key="gone", route="gone", losses=2), make_job(2, losses=2))
                await asyncio.sleep(1)
                await world.accept(make_job(3))
                for _ in range(5):
                    for job in node.offers:
                        if job.fence not in node.stream.acknowledged:
                            node.stream.verdict(job)
                    await asyncio.sleep(1)
                assert [job.id[15] for job in node.offers] == [2, 3]

        simulate(main)
