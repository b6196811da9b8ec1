"""Promises 2 and 3 on random walks: nodes and the gateway die, freeze, are cut off; nothing is lost, and nothing doubled but by excuse."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from random import Random

import pytest

from gateway.dispatch.dispatcher import Dispatcher
from gateway.dispatch.hand import Hand, Loss
from mailgate.mail import EventType, OnDoubt, RecipientState
from tests.simulation.machine import EPOCH_MS, Receiver, SimFleet, real_job, use_virtual_clocks
from tests.unit.gateway.dispatch.world import World
from tests.unit.virtual_time import simulate

JOBS = 200
SECONDS = 20.0
NODES = ("a", "b", "c")


class Story:
    """One random walk."""

    def __init__(self, seed: int, on_doubt: OnDoubt, *, early: bool, deaths: str) -> None:
        self.random = Random(seed)
        self.on_doubt, self.early, self.deaths = on_doubt, early, deaths
        self.receiver = Receiver()
        self.excused: set[bytes] = set()

    async def tell(self) -> None:
        """Chaos, then peace until nothing moves any more; then the accounts."""
        # DEAD after three losses is another test's: here a mail must always arrive.
        self.world = World(
            latency=0.005, early=self.early, losses_dead=10**6, retry_first=timedelta(seconds=2), retry_max=timedelta(seconds=4)
        )
        self.fleet = SimFleet(self.world.registry, self.receiver, self.random)
        self.world.dial = self.fleet.dial
        self.jobs = []
        for node in NODES:
            await self.fleet.start(node)
        async with AsyncExitStack() as life:
            dispatcher = await life.enter_async_context(self.world.gateway())
            loop = asyncio.get_running_loop()
            end = loop.time() + SECONDS
            while loop.time() < end:
                await self.send()
                await asyncio.sleep(self.random.expovariate(3))
                happening = self.random.choice(self.deaths.split())
                if happening == "gateway":
                    self.excuse(dispatcher)
                    await life.aclose()
                    await asyncio.sleep(self.random.uniform(0, 1))
                    self.fleet.epoch += 1
                    dispatcher = await life.enter_async_context(self.world.gateway(recovering=True))
                else:
                    await self.happen(happening)
            await self.peace()
            await asyncio.sleep(120)
            self.check(dispatcher)
            await self.check_states()
        for process in self.fleet.processes.values():
            await process.kill()

    async def send(self) -> None:
        """Some new mail."""
        for _ in range(self.random.randrange(24)):
            if len(self.jobs) < JOBS:
                now_ms = EPOCH_MS + int((asyncio.get_running_loop().time() - 1000) * 1000)
                job = real_job(len(self.jobs) + 1, self.on_doubt, now_ms)
                self.jobs.append(job)
                await self.world.accept(job)

    async def happen(self, what: str) -> None:  # noqa: C901  # a list of what can happen
        """To a random node, or to the disk."""
        node = self.random.choice(NODES)
        process = self.fleet.processes[node]
        match what:
            case "kill" if process.dead:
                await self.fleet.start(node)
            case "kill":
                self.excused |= await self.fleet.kill(node)
            case "cut":
                self.fleet.cut(node)
            case "partition":
                self.fleet.cut(node)
                self.fleet.cut_off ^= {node}
            case "freeze":
                process.frozen = not process.frozen
            case "drain":
                process.delivery.drop_uncommitted()
            case "full":
                self.world.ledger.full ^= {"begin", "retract", "record", "note_losses"}
            case "slow":
                self.world.ledger.latency = self.random.choice([0.0, 0.005, 0.05, 0.4, 1.0])

    def excuse(self, dispatcher: Dispatcher) -> None:
        """What is between COMMIT and record as the gateway dies."""
        for member in dispatcher._members.values():
            self.excused |= set(member.hand._committed)
        self.excused |= {fence.job_id for fence in dispatcher._doubts._doubts}
        self.excused |= {fence.job_id for fence in dispatcher.settler._under_way}
        for process in self.fleet.processes.values():
            self.excused |= process.unrecorded

    async def peace(self) -> None:
        """All is well again."""
        self.fleet.cut_off.clear()
        self.world.ledger.full = set()
        self.world.ledger.latency = 0.005
        for node in NODES:
            process = self.fleet.processes[node]
            process.frozen = False
            if process.dead:
                await self.fleet.start(node)
        for process in self.fleet.processes.values():
            process.pool.clean = True

    def check(self, dispatcher: Dispatcher) -> None:
        """Nothing is doubled, nothing is kept that nobody needs."""
        resent = {fact.mail_id + b"\0\0" for fact in self.world.facts if fact.type is EventType.RESENT}
        doubled = {job_id for job_id, copies in self.receiver.copies.items() if copies > 1}
        if self.on_doubt is OnDoubt.HOLD:
            assert doubled == set(), "doubled under HOLD"
        else:
            assert doubled - self.excused - self.receiver.lies - resent == set(), "doubled without an excuse"
        assert dispatcher.in_hand == 0, f"{dispatcher!r} {dispatcher._members}"
        assert len(dispatcher._window) == len(dispatcher._doubts) == 0, repr(dispatcher)
        for process in self.fleet.processes.values():
            assert process.delivery.unsettled == 0, "a verdict that nobody acknowledges"
            assert process.delivery.in_hand == 0
            assert len(process.delivery._keep) == 0

    async def check_states(self) -> None:
        """Nothing is lost, and nobody is told an untruth."""
        for job in self.jobs:
            state = await self.world.state(job)
            copies = self.receiver.copies[job.id]
            if self.on_doubt is OnDoubt.HOLD:
                assert state in (RecipientState.DELIVERED, RecipientState.IN_DOUBT), f"{job.id.hex()} is {state.name}"
                knows = {(process.node_id, process.boot) for process in self.fleet.processes.values()}
                if state is RecipientState.IN_DOUBT and job.id not in self.receiver.lies:
                    opened = self.world.ledger.inner._jobs[job.id].open
                    assert opened is not None
                    assert (opened.node_id, opened.node_boot) not in knows, "in doubt, though its node is there and knows"
            else:
                assert state is RecipientState.DELIVERED, f"{job.id.hex()} is {state.name}"
            if state is RecipientState.DELIVERED:
                assert copies >= 1, "told as delivered, and nobody has it"
        told: dict[tuple[bytes, int], int] = {}
        for fact in self.world.facts:
            key = (fact.mail_id, fact.index)
            assert fact.sequence > told.get(key, 1), "a fact twice, or out of order"
            told[key] = fact.sequence


NODE_DEATHS = "kill kill cut partition freeze drain nothing"
DISK = NODE_DEATHS + " full slow slow"
EVERYTHING = DISK + " gateway gateway"


@pytest.mark.parametrize("early", [True, False], ids=["embedded", "shared"])
@pytest.mark.parametrize("on_doubt", [OnDoubt.HOLD, OnDoubt.RESEND])
@pytest.mark.parametrize(
    "deaths", [NODE_DEATHS, DISK, EVERYTHING, "gateway nothing cut", "cut drain freeze nothing", "drain slow nothing", "full nothing"]
)
@pytest.mark.parametrize("seed", range(2))
def test_nothing_is_lost_and_nothing_doubled(monkeypatch, seed: int, deaths: str, on_doubt: OnDoubt, early: bool):
    """Whatever dies, and whenever."""
    use_virtual_clocks(monkeypatch)
    simulate(Story(seed, on_doubt, early=early, deaths=deaths).tell)


def test_the_control_finds_doubles(monkeypatch):
    """With COMMIT forgotten (a lost node's committed jobs count as unsent) the same walk must find doubles under HOLD."""
    use_virtual_clocks(monkeypatch)
    lose = Hand.lose

    def forget(hand: Hand) -> Loss:
        loss = lose(hand)
        return Loss(loss.unsent, loss.begun + loss.doubtful, ())

    monkeypatch.setattr(Hand, "lose", forget)
    with pytest.raises(AssertionError, match="doubled under HOLD"):
        simulate(Story(1, OnDoubt.HOLD, early=True, deaths="kill cut").tell)
