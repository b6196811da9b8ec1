"""Doubts: a node is lost after COMMIT, and only it, or nobody, knows."""

from __future__ import annotations

import asyncio

import pytest

from gateway.dispatch.link import Answer, Known
from gateway.rpc.admin_port import Resolution, SettingsView
from gateway.rpc.operations import Operators
from mailgate.job import Job
from mailgate.mail import EventType, OnDoubt, RecipientState
from mailgate.verdict import Expired, Outcome, Phase, RecipientVerdict, Reply, Tried
from tests.unit.gateway.dispatch.world import HOLD, RESEND, Node, World, make_job, sequences, tried
from tests.unit.virtual_time import quiet, simulate


class TestDoubt:
    """A node is lost after COMMIT."""

    @staticmethod
    async def committed(world: World, on_doubt: OnDoubt) -> tuple[Node, Job]:
        node = await world.node("a")
        job = make_job(on_doubt=on_doubt)
        await world.accept(job)
        node.stream.ready(job)
        await quiet()
        assert node.stream.commits == [job.fence]
        return node, job

    @pytest.mark.parametrize("on_doubt", [HOLD, RESEND])
    def test_done(self, on_doubt: OnDoubt):
        """The same process comes back with the verdict: recorded and acknowledged, nothing is sent again."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                node, job = await self.committed(world, on_doubt)
                node.lose()
                await asyncio.sleep(1)
                node.back(inventory=[Answer(job.fence, Known.DONE, tried(job))])
                await asyncio.sleep(0.9)
                assert await world.state(job) is RecipientState.DELIVERED
                assert node.stream.acknowledged == [job.fence]
                assert node.offers == []
                await asyncio.sleep(10)
                assert len(world.facts) == 1

        simulate(main)

    @pytest.mark.parametrize("on_doubt", [HOLD, RESEND])
    def test_committed(self, on_doubt: OnDoubt):
        """The same process is still at it: the job is in its hand again, and its verdict counts, however late."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                node, job = await self.committed(world, on_doubt)
                node.lose()
                await asyncio.sleep(1)
                node.back(inventory=[Answer(job.fence, Known.COMMITTED)])
                await asyncio.sleep(30)
                assert world.members["a"].hand.committed == 1
                assert world.facts == []
                node.stream.verdict(job)
                await quiet()
                assert await world.state(job) is RecipientState.DELIVERED
                assert node.stream.acknowledged == [job.fence]

        simulate(main)

    @pytest.mark.parametrize("on_doubt", [HOLD, RESEND])
    @pytest.mark.parametrize("known", [Known.UNKNOWN, Known.HELD])
    def test_not_in_the_inventory(self, on_doubt: OnDoubt, known: Known):
        """The same process never got COMMIT: it is asked, and what it does not know as committed was never sent, also under HOLD."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                node, job = await self.committed(world, on_doubt)
                node.lose()
                await asyncio.sleep(1)
                node.back()
                await asyncio.sleep(0.9)
                assert node.stream.asked == [job.fence]
                assert node.offers == [], "asked is not answered"
                node.stream.hear(found=(Answer(job.fence, known),))
                await quiet()
                assert [offered.fence for offered in node.offers] == [job.fence], "the same attempt: none was concluded"
                assert not await world.is_open(job)
                node.stream.ready(job)
                await quiet()
                node.stream.verdict(job)
                await quiet()
                assert await world.state(job) is RecipientState.DELIVERED

        simulate(main)

    @pytest.mark.parametrize("how", ["never back", "another boot"])
    def test_resend(self, how: str):
        """Nobody can know: after doubt_wait, and not before, RESEND sends it again under the next attempt."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                node, job = await self.committed(world, RESEND)
                other = await world.node("b")
                node.lose()
                if how == "another boot":
                    node.back(boot=b"z" * 16)
                await asyncio.sleep(1.8)
                assert other.offers == []
                await asyncio.sleep(0.5)
                offered = [*other.offers, *(node.offers if node.link else [])]
                assert [each.fence for each in offered] == [(job.id, 2)]
                assert offered[0].events == 2
                assert [fact.type for fact in world.facts] == [EventType.RESENT]

        simulate(main)

    @pytest.mark.parametrize("how", ["never back", "another boot"])
    def test_hold(self, how: str):
        """Nobody can know: HOLD parks it, and nothing sends it again."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                node, job = await self.committed(world, HOLD)
                other = await world.node("b")
                node.lose()
                if how == "another boot":
                    node.back(boot=b"z" * 16)
                await asyncio.sleep(60)
                assert other.offers == []
                assert await world.state(job) is RecipientState.IN_DOUBT
                assert [fact.type for fact in world.facts] == [EventType.IN_DOUBT]
                (doubt,) = await world.ledger.doubts(b"", 10)
                assert (doubt.job.id, doubt.node_id) == (job.id, "a")

        simulate(main)

    def test_a_late_verdict_resolves_a_parked_doubt(self):
        """The node was only cut off for long: what it knows ends the doubt."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                node, job = await self.committed(world, HOLD)
                node.lose()
                await asyncio.sleep(10)
                assert await world.state(job) is RecipientState.IN_DOUBT
                node.back(inventory=[Answer(job.fence, Known.DONE, tried(job))])
                await asyncio.sleep(5)
                assert await world.state(job) is RecipientState.DELIVERED
                assert node.stream.acknowledged == [job.fence]
                assert sequences(world.facts) == {(job.id[:16], 0): [2, 3]}

        simulate(main)

    def test_a_late_verdict_on_the_stream_resolves_a_parked_doubt(self):
        """It was COMMITTED in the inventory of a node that came back too late; the verdict follows."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                node, job = await self.committed(world, HOLD)
                node.lose()
                await asyncio.sleep(10)
                node.back(inventory=[Answer(job.fence, Known.COMMITTED)])
                await asyncio.sleep(5)
                assert await world.state(job) is RecipientState.IN_DOUBT
                node.stream.verdict(job)
                await quiet()
                assert await world.state(job) is RecipientState.DELIVERED
                assert node.stream.acknowledged == [job.fence]

        simulate(main)

    def test_a_certain_word_resolves_a_parked_doubt(self):
        """COMMIT came too late at a node that was cut off: EXPIRED is certainly unsent, so the doubt ends and the mail is sent."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                node, job = await self.committed(world, HOLD)
                node.lose()
                await asyncio.sleep(10)
                assert await world.state(job) is RecipientState.IN_DOUBT
                node.back(inventory=[Answer(job.fence, Known.DONE, Expired())])
                await asyncio.sleep(5)
                assert node.stream.acknowledged == [job.fence], "the node keeps a verdict that nobody acknowledges for ever"
                assert [offered.id for offered in node.offers] == [job.id]
                node.stream.ready(node.offers[0])
                await quiet()
                node.stream.verdict(node.offers[0])
                await quiet()
                assert await world.state(job) is RecipientState.DELIVERED
                told = sequences(world.facts)[job.id[:16], 0]
                assert told == list(range(2, 2 + len(told)))

        simulate(main)

    @pytest.mark.parametrize("expired", [False, True])
    def test_what_is_deferred_beside_a_doubt_waits_for_it_until_its_ttl(self, expired: bool):
        """It says why, and expires; the doubt stays. When it is decided before, both go again."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                node = await world.node("a")
                job = make_job(on_doubt=HOLD, recipients=3, ttl_ms=60_000)
                await world.accept(job)
                node.stream.ready(job)
                await quiet()
                outcomes = {Outcome.DEFERRED: (0, 2), Outcome.IN_DOUBT: (1,)}
                reply = Reply(Phase.BODY, 0)
                node.stream.verdict(job, Tried(tuple(RecipientVerdict(who, outcome, reply) for outcome, who in outcomes.items())))
                await quiet()
                waits = await world.ledger.waits(job.id[:16], [0, 1, 2])
                said = {i: world.dispatcher.wait_reason(await world.state(job, i), wait) for i, wait in waits.items()}
                beside = "in doubt: another recipient of the same transaction"
                assert said == {0: beside, 1: "", 2: beside}
                await asyncio.sleep(100 if expired else 30)
                waiting = RecipientState.EXPIRED if expired else RecipientState.DEFERRED
                assert [await world.state(job, i) for i in range(3)] == [waiting, RecipientState.IN_DOUBT, waiting]
                operators = Operators(world.dispatcher, world.fleet, world.members, world.ledger, lambda: SettingsView("v1", 0))
                if expired:
                    await operators.resolve_doubt(job.id, Resolution.DELIVERED)
                    assert await world.found(job) is None
                else:
                    await operators.resolve_doubt(job.id, Resolution.RESEND)
                    assert node.offers[-1].recipients == (0, 1, 2)
                assert sequences(world.facts) == {(job.id[:16], i): [2, 3] for i in range(3)}

        simulate(main)

    @pytest.mark.parametrize("known", [Known.UNKNOWN, Known.HELD])
    def test_a_parked_doubt_is_asked_for_when_its_node_is_back(self, known: Known):
        """COMMIT never reached the node, which was cut off for longer than a doubt waits: it knows, so nobody has to decide."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                node, job = await self.committed(world, HOLD)
                node.lose()
                await asyncio.sleep(10)
                assert await world.state(job) is RecipientState.IN_DOUBT
                node.back()
                await asyncio.sleep(3)
                assert node.stream.asked == [job.fence]
                assert await world.state(job) is RecipientState.IN_DOUBT
                node.stream.hear(found=(Answer(job.fence, known),))
                await quiet()
                (again,) = node.offers
                assert again.fence == (job.id, 2)
                node.stream.ready(again)
                await quiet()
                node.stream.verdict(again)
                await quiet()
                assert await world.state(job) is RecipientState.DELIVERED
                assert sequences(world.facts) == {(job.id[:16], 0): [2, 3, 4]}

        simulate(main)

    @pytest.mark.parametrize("how", ["another boot", "another node", "not asked"])
    def test_a_parked_doubt_is_asked_of_its_boot_alone(self, how: str):
        """UNKNOWN of another process says nothing, nor does what nobody asked for."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                node, job = await self.committed(world, HOLD)
                node.lose()
                await asyncio.sleep(10)
                if how == "another boot":
                    node.back(boot=b"z" * 16)
                    await asyncio.sleep(3)
                elif how == "another node":
                    node = await world.node("b")
                else:
                    node.back(inventory=[Answer(job.fence, Known.COMMITTED)])
                    await asyncio.sleep(3)
                assert node.stream.asked == []
                node.stream.hear(found=(Answer(job.fence, Known.UNKNOWN),))
                await quiet()
                assert await world.state(job) is RecipientState.IN_DOUBT
                assert node.offers == []

        simulate(main)

    def test_what_a_verdict_put_in_doubt_is_not_asked_for(self):
        """The connection broke after the dot; the node's word is recorded, so it has forgotten: its UNKNOWN would not mean unsent."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                node, job = await self.committed(world, HOLD)
                node.stream.verdict(job, tried(job, Outcome.IN_DOUBT, 0))
                await quiet()
                assert await world.state(job) is RecipientState.IN_DOUBT
                node.lose(down=False)
                await asyncio.sleep(3)
                assert node.stream.asked == []
                node.stream.hear(found=(Answer(job.fence, Known.UNKNOWN),))
                await asyncio.sleep(1)
                assert await world.state(job) is RecipientState.IN_DOUBT

        simulate(main)

    @pytest.mark.parametrize("resolution", Resolution)
    def test_an_answer_that_comes_after_an_operator_has_decided(self, resolution: Resolution):
        """The decision stands."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                node, job = await self.committed(world, HOLD)
                node.lose()
                await asyncio.sleep(10)
                node.back()
                node.credit = 0
                await asyncio.sleep(3)
                world.ledger.stopped = True
                decided = asyncio.ensure_future(
                    Operators(world.dispatcher, world.fleet, world.members, world.ledger, lambda: SettingsView("v1", 0)).resolve_doubt(
                        job.id, resolution
                    )
                )
                await quiet()
                node.stream.hear(found=(Answer(job.fence, Known.UNKNOWN),))
                await asyncio.sleep(0.2)
                world.ledger.go_on()
                await decided
                await asyncio.sleep(1)
                told = {Resolution.RESEND: RecipientState.QUEUED, Resolution.DELIVERED: RecipientState.DELIVERED}
                assert await world.state(job) is told.get(resolution, RecipientState.BOUNCED)
                assert sequences(world.facts) == {(job.id[:16], 0): [2, 3]}
                found = await world.found(job)
                assert found is None or found.attempt == 2

        simulate(main)

    @pytest.mark.parametrize("when", ["before it is back", "after it was asked"])
    def test_an_answer_to_what_is_being_parked(self, when: str):
        """The doubt is decided, the disk is slow, and the node speaks: it is asked, and its word counts when the ledger shows the doubt."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                node, job = await self.committed(world, HOLD)
                node.lose()
                world.ledger.stopped = True
                if when == "after it was asked":
                    await asyncio.sleep(1)
                    node.back()
                await asyncio.sleep(4)
                node.back()
                await asyncio.sleep(3)
                assert node.stream.asked == [job.fence]
                node.stream.hear(found=(Answer(job.fence, Known.UNKNOWN),))
                await asyncio.sleep(1)
                assert node.offers == []
                world.ledger.go_on()
                await asyncio.sleep(1)
                assert [offered.fence for offered in node.offers] == [(job.id, 2)]

        simulate(main)

    def test_many_parked_doubts_are_asked_for_in_pages(self):
        """Each once."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                node = await world.node("a", credit=1000)
                jobs = [make_job(number, on_doubt=HOLD) for number in range(1, 502)]
                await world.accept(*jobs)
                await asyncio.sleep(1)
                node.stream.ready(*jobs)
                await quiet()
                node.lose()
                await asyncio.sleep(10)
                node.back()
                await asyncio.sleep(3)
                assert sorted(node.stream.asked) == sorted(job.fence for job in jobs)

        simulate(main)

    @pytest.mark.parametrize("by", ["inventory", "stream"])
    @pytest.mark.parametrize("on_doubt", [HOLD, RESEND])
    def test_a_word_that_comes_while_the_doubt_is_being_recorded(self, by: str, on_doubt: OnDoubt):
        """Decided, not yet durable, and now the node speaks: HOLD ends in the verdict, and the node is acknowledged in any case."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                node, job = await self.committed(world, on_doubt)
                node.lose()
                await asyncio.sleep(1.5)
                world.ledger.stopped = True
                if by == "stream":
                    node.back()
                await asyncio.sleep(4)
                assert "record" in world.ledger.calls
                if by == "stream":
                    node.stream.verdict(job)
                else:
                    node.back(inventory=[Answer(job.fence, Known.DONE, tried(job))])
                    await asyncio.sleep(3)
                assert node.stream.acknowledged == []
                world.ledger.go_on()
                await asyncio.sleep(1)
                assert node.stream.acknowledged == [job.fence]
                if on_doubt is HOLD:
                    assert await world.state(job) is RecipientState.DELIVERED

        simulate(main)
