"""Which nodes are fed."""

from __future__ import annotations

import asyncio

import pytest

from gateway.dispatch.member import NodeState
from gateway.registry.port import Drain
from mailgate.errors import StorageBroken
from mailgate.mail import RecipientState
from tests.unit.gateway.dispatch.world import World, make_job
from tests.unit.virtual_time import quiet, simulate


class TestHealth:
    """A node is judged by its own stream."""

    def test_a_silent_node_gets_nothing_and_is_then_lost(self):
        """Suspect at two missed frames, out at three: its uncommitted jobs are elsewhere within a second."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                first, second = await world.node("a"), await world.node("b", credit=0)
                job = make_job()
                await world.accept(job)
                second.credit = 10
                first.silent = True
                first.stream.ended.add_done_callback(lambda _: None)
                await asyncio.sleep(0.7)
                await world.accept(make_job(2))
                assert len(first.offers) == 1, "a suspect gets no new jobs"
                await asyncio.sleep(0.6)
                assert {each.id for each in second.offers} == {job.id, make_job(2).id}

        simulate(main)

    def test_a_draining_node_gets_nothing_and_keeps_what_it_has(self):
        """It finishes what is in hand."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                node = await world.node("a")
                job = make_job(1)
                await world.accept(job)
                node.draining = True
                await asyncio.sleep(0.5)
                await world.accept(make_job(2))
                await asyncio.sleep(1)
                assert node.offers == [job]
                node.stream.ready(job)
                await quiet()
                node.stream.verdict(job)
                await quiet()
                assert await world.state(job) is RecipientState.DELIVERED

        simulate(main)

    def test_a_drained_node_gets_nothing_until_it_is_resumed(self):
        """What it has ends; drained it stays when it comes back with another boot; nobody else's drain is touched."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                node = await world.node("a")
                await world.fleet.drain("other", Drain("away"))
                job = make_job(1)
                await world.accept(job)
                await world.fleet.drain("a", Drain("new kernel"))
                await world.accept(make_job(2))
                await asyncio.sleep(1)
                assert node.offers == [job]
                node.stream.ready(job)
                await quiet()
                node.stream.verdict(job)
                await quiet()
                assert await world.state(job) is RecipientState.DELIVERED
                node.lose(down=False)
                await asyncio.sleep(3)
                assert world.members["a"].state is NodeState.DRAINING
                assert node.offers == []
                assert await world.fleet.resume("a")
                await asyncio.sleep(0.3)
                assert [each.id for each in node.offers] == [make_job(2).id]
                assert world.fleet.drains == {"other": Drain("away")}
                assert not await world.fleet.resume("a")

        simulate(main)

    @pytest.mark.parametrize("where", ["heard", "dial"])
    def test_a_fault_in_one_keeper_is_that_nodes(self, monkeypatch, where: str):
        """Something that nobody has foreseen: the node's jobs go elsewhere, other nodes go on, and it is dialled again after a pause."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                first, second = await world.node("a"), await world.node("b", credit=0)
                job = make_job(1)
                await world.accept(job)
                second.credit = 10

                def fail(*_):
                    raise RuntimeError("nobody has foreseen this")

                if where == "heard":
                    monkeypatch.setattr(first.stream.listener, "heard", fail)
                    await asyncio.sleep(0.3)
                else:
                    dial = world.fleet._dial
                    monkeypatch.setattr(world.fleet, "_dial", fail)
                    first.lose(down=False)
                    await asyncio.sleep(0.3)
                    monkeypatch.setattr(world.fleet, "_dial", dial)
                assert [offered.id for offered in second.offers] == [job.id]
                assert world.members["a"].link is None, "it is not dialled at once"
                assert world.fleet.losses["fault"] == 1
                await asyncio.sleep(3)
                assert world.members["a"].takes_jobs
                second.stream.ready(job)
                await quiet()
                second.stream.verdict(job)
                await quiet()
                assert await world.state(job) is RecipientState.DELIVERED

        simulate(main)

    def test_a_broken_storage_is_nobodys_node(self, monkeypatch):
        """It ends the fleet, and with it the gateway."""

        async def main() -> None:
            world = World()

            def fail(*_):
                raise StorageBroken("the disk is gone")

            async def live() -> None:
                async with world.gateway():
                    node = await world.node("a")
                    monkeypatch.setattr(node.stream.listener, "heard", fail)
                    await asyncio.sleep(1)

            with pytest.raises(ExceptionGroup) as ended:
                await live()
            assert ended.group_contains(StorageBroken)

        simulate(main)

    def test_an_entry_that_goes_while_the_stream_is_healthy_removes_nothing(self):
        """Shown as unregistered, used on; gone when the stream ends."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                node = await world.node("a")
                record = await world.registry.find("a")
                assert record is not None
                await world.registry.remove(record)
                await world.accept(make_job())
                assert len(node.offers) == 1
                assert not world.members["a"].registered
                node.lose()
                await asyncio.sleep(3)
                assert world.members == {}

        simulate(main)
