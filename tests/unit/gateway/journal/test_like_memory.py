"""The journal does what the reference does, whatever is asked of it in whatever order, restarts in between included."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.journal.options import JournalOptions
from gateway.ledger.memory import MemoryLedger
from gateway.ledger.port import Conclusion, Parked
from mailgate.job import Fence, Job
from mailgate.mail import Lane
from tests.contract.backend import JournalBackend, move_due, nothing_to_take, take
from tests.contract.builders import Clock, accepted, begin, deferred, delivered, jobs_of, parked, untried

KEYS = ("a.example", "b.example")


class SmallJournal(JournalBackend):
    """Everything spills at once."""

    options = JournalOptions(reserve_bytes=0, window_jobs=6, window_share=0.5, refill_jobs=2, take_jobs=300, group_rows=3)


class JournalLikeMemory(RuleBasedStateMachine):
    """`ready`, `held` and the reference ledger say what the journal must hold; works run without waiting until something is asked."""

    @initialize()
    def start(self) -> None:
        self.runner = asyncio.Runner()
        self.directory = tempfile.TemporaryDirectory()
        self.clock = Clock()
        self.ready: dict[bytes, Job] = {}
        self.held: dict[bytes, Job] = {}
        self.seen: list[bytes] = []
        self.mails: list[bytes] = []
        self.running: list[tuple[Any, Any]] = []
        self.reference = MemoryLedger()
        self.open()

    def open(self) -> None:
        async def enter() -> SmallJournal:
            return await SmallJournal(Path(self.directory.name), self.clock).__aenter__()

        self.journal = self.runner.run(enter())

    def teardown(self) -> None:
        try:
            self.settle()
        finally:
            self.runner.run(self.journal.__aexit__(None, None, None))
            self.runner.close()
            self.directory.cleanup()

    def submit(self, call: str, argument: object) -> None:
        """Hand the same to both; compare what comes of it later."""

        async def hand_over() -> None:
            self.running.append((getattr(self.journal.ledger, call)(argument), getattr(self.reference, call)(argument)))

        self.runner.run(hand_over())

    def settle(self) -> None:
        async def wait() -> None:
            self.journal.ledger.late.close()
            for ours, theirs in self.running:
                assert await ours == await theirs
            self.running.clear()

        self.runner.run(wait())

    def ripen(self) -> None:
        """What became due is ready in the reference."""

        async def due() -> None:
            self.ready.update((job.id, job) for job in await self.reference.due(self.clock(), 1000))
            await move_due(self.journal)

        self.runner.run(due())

    @rule(count=st.integers(1, 5), jobs=st.integers(1, 2), key=st.sampled_from(KEYS), lane=st.sampled_from(Lane), shared=st.booleans())
    def accept(self, count: int, jobs: int, key: str, lane: Lane, shared: bool) -> None:
        content = b"shared" if shared else None
        mails = [accepted(self.clock(), recipients=3, jobs=jobs, key=key, lane=lane, content=content) for _ in range(count)]
        self.submit("accept", mails)
        self.mails += [each.mail.id for each in mails]
        self.ready.update((job.id, job) for job in jobs_of(mails))
        self.seen += [job.id for job in jobs_of(mails)]

    @rule(key=st.sampled_from(KEYS), count=st.integers(1, 6))
    def take_some(self, key: str, count: int) -> None:
        self.settle()
        self.ripen()
        there = [job for job in self.ready.values() if job.site_key == key]
        counts = {lane: min(count, sum(job.lane is lane for job in there)) for lane in Lane}
        for lane, wanted in counts.items():
            taken = self.runner.run(take(self.journal, wanted, lambda at, name, lane=lane: 100 if (at, name) == (lane, key) else 0))
            self.take_over(taken)
            assert len(taken) == wanted

    @rule()
    def drain(self) -> None:
        """All that is ready comes, and nothing else."""
        self.settle()
        self.ripen()
        taken = self.runner.run(take(self.journal, len(self.ready)))
        self.take_over(taken)
        assert not self.ready
        self.runner.run(nothing_to_take(self.journal))

    def take_over(self, taken: list[Job]) -> None:
        for job in taken:
            assert self.ready.pop(job.id) == job
            self.held[job.id] = job

    def some_held(self, data: st.DataObject) -> list[Job]:
        chosen = data.draw(st.lists(st.sampled_from(sorted(self.held)), min_size=1, max_size=4, unique=True))
        return [self.held[job_id] for job_id in chosen]

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        self.submit("begin", [begin(job, self.clock()) for job in self.some_held(data)])

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def note(self, data: st.DataObject) -> None:
        """Held back until something is asked: until then it may be concluded or retracted."""
        self.submit("note", [begin(job, self.clock()) for job in self.some_held(data)])

    @precondition(lambda self: self.seen)
    @rule(data=st.data(), attempt=st.integers(1, 3), retract=st.booleans())
    def strange_fence(self, data: st.DataObject, attempt: int, retract: bool) -> None:
        """Fences that may be stale, gone or to come change the same in both."""
        job_id = data.draw(st.sampled_from(self.seen))
        job = replace(accepted(1).jobs[0], id=job_id, attempt=attempt)
        current = self.held.get(job_id) or self.ready.get(job_id)
        if retract:
            self.submit("retract", [Fence(job_id, attempt)])
        elif current is None or current.attempt != attempt:
            self.submit("record", [delivered(job, self.clock())])

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def retract(self, data: st.DataObject) -> None:
        self.submit("retract", [job.fence for job in self.some_held(data)])

    @precondition(lambda self: self.held)
    @rule(
        data=st.data(), delay=st.integers(-5, 200), kind=st.sampled_from(["done", "defer", "keep", "untried", "doubt", "dead", "partial"])
    )
    def conclude(self, data: st.DataObject, delay: int, kind: str) -> None:
        now, conclusions = self.clock(), []
        for job in self.some_held(data):
            conclusion = self.conclusion(job, kind, now, delay)
            conclusions.append(conclusion)
            del self.held[job.id]
            if conclusion.remaining is not None and conclusion.due_ms is None and conclusion.parked is None:
                self.held[job.id] = conclusion.remaining
        self.submit("record", conclusions)

    @staticmethod
    def conclusion(job: Job, kind: str, now: int, delay: int) -> Conclusion:
        return {
            "done": lambda: delivered(job, now),
            "defer": lambda: deferred(job, now, now + delay),
            "keep": lambda: deferred(job, now, None),
            "untried": lambda: untried(job, now),
            "doubt": lambda: parked(job, now, Parked.IN_DOUBT),
            "dead": lambda: parked(job, now, Parked.DEAD),
            "partial": lambda: deferred(job, now, now + delay, still=job.recipients[-1:]),
        }[kind]()

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def put_back(self, data: st.DataObject) -> None:
        self.settle()
        jobs = self.some_held(data)

        async def put() -> None:
            await self.journal.queue.put([])
            await self.journal.queue.put(jobs)

        self.forget_unput()
        self.runner.run(put())
        for job in jobs:
            self.ready[job.id] = self.held.pop(job.id)

    def forget_unput(self) -> None:
        """A first put of an accepted job is the one that belongs to its accept."""

        async def put() -> None:
            for job_id in self.seen:
                await self.journal.queue.put([job for job in (self.ready.get(job_id) or self.held.get(job_id),) if job is not None])

        if self.seen:
            self.runner.run(put())
            self.seen.clear()

    @rule(ms=st.sampled_from([0, 1, 7, 100, 1000]))
    def wait(self, ms: int) -> None:
        self.clock.advance(ms)

    @rule()
    def restart(self) -> None:
        """What was in hand is ready again, but for open attempts, which are told apart. It takes time: positions need some to be due."""
        self.settle()
        self.runner.run(self.journal.__aexit__(None, None, None))
        self.clock.advance(1)
        self.open()

        async def open_attempts() -> None:
            ours, theirs = await self.journal.ledger.open_attempts(), await self.reference.open_attempts()
            assert ours == theirs
            held = {attempt.job.id: attempt.job for attempt in theirs}
            self.ready = {**{k: v for k, v in self.ready.items()}, **self.held}
            for job_id in held:
                self.ready.pop(job_id, None)
            self.held = held

        self.runner.run(open_attempts())
        self.seen.clear()

    @rule(data=st.data())
    def look(self, data: st.DataObject) -> None:
        """Every query says the same."""
        self.settle()
        if not self.mails:
            return
        mail_id = data.draw(st.sampled_from(self.mails))

        async def compare() -> None:
            for call, args in (
                ("mail", ("acme", mail_id)),
                ("recipients", (mail_id, -1, 10)),
                ("describe", (self.mails,)),
                ("find", ([job_id for job_id in (*self.held, *self.ready)],)),
                ("doubts", (b"", 100)),
            ):
                assert await getattr(self.journal.ledger, call)(*args) == await getattr(self.reference, call)(*args), call

        self.runner.run(compare())

    @rule()
    def forget(self) -> None:
        self.settle()

        async def compare() -> None:
            before = self.clock() - 100
            assert await self.journal.ledger.forget(before, 1000) == await self.reference.forget(before, 1000)
            self.mails = [each for each in self.mails if await self.reference.mail("acme", each) is not None]

        self.runner.run(compare())

    @invariant()
    def memory_is_bounded(self) -> None:
        """What waits beyond the window waits on disk."""
        assert self.journal.journal.figures().ready_jobs <= SmallJournal.options.window_jobs + SmallJournal.options.refill_jobs


TestJournalLikeMemory = JournalLikeMemory.TestCase
TestJournalLikeMemory.settings = settings(
    max_examples=20, stateful_step_count=30, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate]
)
"""No shrinking: an example takes a second, and one that fails waits for what never comes."""
