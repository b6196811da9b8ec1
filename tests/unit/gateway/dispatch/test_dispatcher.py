"""Interleavings of promise 3: what is begun, committed, lost, claimed and recorded in every order that a network and a disk can make."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gateway.dispatch.link import Answer, Known
from gateway.ledger.port import Parked
from gateway.rpc.admin_port import Resolution
from gateway.rpc.operations import Operators
from mailgate.errors import StorageBroken
from mailgate.job import Job
from mailgate.mail import EventType, OnDoubt, RecipientState
from mailgate.verdict import Expired, NotTried, Outcome, Phase, RecipientVerdict, Reply, Tried
from tests.unit.gateway.dispatch.world import HOLD, RESEND, Node, World, make_job, sequences, tried
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
            operators = Operators(world.dispatcher, world.members, world.ledger)
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
                operators = Operators(world.dispatcher, world.members, world.ledger)
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
                decided = asyncio.ensure_future(Operators(world.dispatcher, world.members, world.ledger).resolve_doubt(job.id, resolution))
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


class TestVerdicts:
    """What a node says more than once, too late, or for what nobody has."""

    def test_a_verdict_whose_record_is_in_flight_when_the_link_breaks(self):
        """Not acknowledged before it is durable, acknowledged after on the new stream; and counted once."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                node = await world.node("a")
                job = make_job(on_doubt=HOLD)
                await world.accept(job)
                node.stream.ready(job)
                await quiet()
                world.ledger.stopped = True
                node.stream.verdict(job)
                await quiet()
                node.lose()
                await quiet()
                node.back(inventory=[Answer(job.fence, Known.DONE, tried(job))])
                await asyncio.sleep(10)
                assert node.stream.acknowledged == []
                world.ledger.go_on()
                await asyncio.sleep(0.1)
                assert node.stream.acknowledged == [job.fence]
                assert await world.state(job) is RecipientState.DELIVERED
                assert len(world.facts) == 1

        simulate(main)

    def test_a_stale_verdict_is_acknowledged(self):
        """Its job is over: the node may forget it, and nothing changes."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                node = await world.node("a")
                gone = make_job(7)
                node.stream.verdict(gone)
                await quiet()
                assert node.stream.acknowledged == [gone.fence]
                assert world.facts == []

        simulate(main)

    def test_a_late_verdict_of_an_earlier_attempt(self):
        """RESEND went on under the next attempt, which nobody has committed: the server took the first, so there is no second."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                node = await world.node("a")
                job = make_job(on_doubt=RESEND)
                await world.accept(job)
                node.stream.ready(job)
                await quiet()
                node.lose()
                await asyncio.sleep(3)
                assert await world.state(job) is RecipientState.QUEUED
                node.back(inventory=[Answer(job.fence, Known.DONE, tried(job))])
                await asyncio.sleep(4)
                assert await world.state(job) is RecipientState.DELIVERED
                assert await world.found(job) is None
                assert job.fence in node.stream.acknowledged, "when it is recorded, the node may forget it"
                assert node.stream.commits == []
                assert [fact.state for fact in world.facts] == [RecipientState.QUEUED, RecipientState.DELIVERED]

        simulate(main)

    def test_a_late_verdict_of_what_was_given_up(self):
        """DEAD, since its nodes were lost; but one of them lives, and its server took the mail."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                node = await world.node("a")
                job = make_job(on_doubt=RESEND, losses=2)
                await world.accept(job)
                node.stream.ready(job)
                await quiet()
                node.lose()
                await asyncio.sleep(3)
                assert await world.state(job) is RecipientState.DEAD
                node.back(inventory=[Answer(job.fence, Known.DONE, tried(job))])
                await asyncio.sleep(1)
                assert await world.state(job) is RecipientState.DELIVERED
                assert node.stream.acknowledged == [job.fence]

        simulate(main)

    def test_a_late_verdict_that_says_no_more_than_is_known(self):
        """The server deferred the first attempt, and the record is ahead: it is acknowledged, and the second goes on untouched."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                node = await world.node("a")
                job = make_job(on_doubt=RESEND)
                await world.accept(job)
                node.stream.ready(job)
                await quiet()
                node.lose()
                await asyncio.sleep(3)
                node.back(inventory=[Answer(job.fence, Known.DONE, tried(job, Outcome.DEFERRED, 450))])
                await asyncio.sleep(4)
                assert node.stream.acknowledged == [job.fence]
                (again,) = node.offers
                assert again.fence == (job.id, 2)
                node.stream.ready(again)
                await quiet()
                assert node.stream.commits == [again.fence]

        simulate(main)

    @pytest.mark.parametrize("by", ["stream", "inventory"])
    @pytest.mark.parametrize("on_doubt", [HOLD, RESEND])
    def test_a_verdict_that_nobody_can_read_is_a_doubt(self, by: str, on_doubt: OnDoubt):
        """Not under way for ever, and never unsent: `on_doubt` decides. Under HOLD the node keeps it, for a gateway that can read it."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                node = await world.node("a")
                job = make_job(on_doubt=on_doubt)
                await world.accept(job)
                node.stream.ready(job)
                await quiet()
                if by == "stream":
                    node.stream.hear(unreadable=(job.fence,))
                else:
                    node.lose()
                    node.back(inventory=[Answer(job.fence, Known.DONE)])
                await asyncio.sleep(5)
                assert job.fence not in node.stream.asked
                if on_doubt is RESEND:
                    assert node.offers[-1].fence == (job.id, 2)
                    assert (job.fence in node.stream.acknowledged) == (by == "stream")
                    return
                assert await world.state(job) is RecipientState.IN_DOUBT
                assert node.stream.acknowledged == []
                node.lose()
                node.back(inventory=[Answer(job.fence, Known.DONE, tried(job))])
                await asyncio.sleep(3)
                assert await world.state(job) is RecipientState.DELIVERED
                assert node.stream.acknowledged == [job.fence]

        simulate(main)

    def test_a_verdict_that_nobody_can_read_of_what_was_not_committed(self):
        """It was certainly not sent: again after a second, under the same fence, and the node forgets its word."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                node = await world.node("a")
                job = make_job(on_doubt=HOLD)
                await world.accept(job)
                node.stream.hear(unreadable=(job.fence,))
                await asyncio.sleep(7)
                assert [offered.fence for offered in node.offers] == [job.fence] * 2
                assert node.stream.acknowledged == [job.fence]

        simulate(main)

    def test_an_expired_commit_comes_back_after_a_second(self):
        """No attempt is counted, no event told; it is sent again under the same fence."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                node = await world.node("a")
                job = make_job(on_doubt=HOLD)
                await world.accept(job)
                node.stream.ready(job)
                await quiet()
                node.stream.verdict(job, Expired())
                await quiet()
                assert node.stream.acknowledged == [job.fence]
                await asyncio.sleep(0.9)
                assert len(node.offers) == 1
                await asyncio.sleep(6)
                assert [each.fence for each in node.offers] == [job.fence, job.fence]
                assert world.facts == []
                assert world.dispatcher.verdicts.expired == 1
                node.stream.ready(job)
                await quiet()
                assert node.stream.commits == [job.fence, job.fence]

        simulate(main)

    def test_a_hopeless_refusal_is_dead(self):
        """No node can ever compose it: DEAD, acknowledged, and not offered again."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                node = await world.node("a")
                job = make_job()
                await world.accept(job)
                node.stream.verdict(job, NotTried("unreadable", hopeless=True))
                await asyncio.sleep(10)
                assert await world.state(job) is RecipientState.DEAD
                assert len(node.offers) == 1
                assert node.stream.acknowledged == [job.fence]
                assert (await world.ledger.find([job.id]))[job.id].parked is Parked.DEAD

        simulate(main)

    def test_a_ledger_whose_queue_brings_what_is_due_is_asked_once(self):
        """The journal is one: to ask it each five seconds would say nothing new."""

        async def main() -> None:
            world, asked = World(), []

            async def due(now_ms: int, _limit: int) -> None:
                asked.append(now_ms)

            world.ledger.due = due
            async with world.gateway():
                await asyncio.sleep(60)
            assert len(asked) == 1

        simulate(main)

    def test_a_deferred_mail_is_tried_again_when_it_is_due(self):
        """A minute later, as the next attempt; two attempts are counted."""

        async def main() -> None:
            world = World()
            async with world.gateway():
                node = await world.node("a")
                job = make_job()
                await world.accept(job)
                node.stream.ready(job)
                node.stream.verdict(job, tried(job, Outcome.DEFERRED, 451))
                await asyncio.sleep(55)
                assert await world.state(job) is RecipientState.DEFERRED
                assert len(node.offers) == 1
                await asyncio.sleep(12)
                again = node.offers[-1]
                assert again.fence == (job.id, 2)
                node.stream.ready(again)
                await quiet()
                node.stream.verdict(again)
                await quiet()
                assert await world.state(job) is RecipientState.DELIVERED
                assert sequences(world.facts) == {(job.id[:16], 0): [2, 3]}

        simulate(main)


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
            async with world.gateway():
                node = await world.node("a")
                await world.accept(job)
                world.ledger.stopped = True
                node.stream.ready(job)
                await quiet()
                assert node.stream.commits == [job.fence]
            world.ledger.stopped = False
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
                world.ledger.full = {"begin"}
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
