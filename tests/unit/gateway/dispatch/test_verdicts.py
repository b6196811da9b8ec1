"""Verdicts: recorded once, whatever is said twice, late or by whom."""

from __future__ import annotations

import asyncio

import pytest

from gateway.dispatch.link import Answer, Known
from gateway.ledger.port import Parked
from mailgate.mail import OnDoubt, RecipientState
from mailgate.verdict import Expired, NotTried, Outcome
from tests.unit.gateway.dispatch.world import HOLD, RESEND, World, make_job, sequences, tried
from tests.unit.virtual_time import quiet, simulate


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
