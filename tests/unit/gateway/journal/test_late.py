"""Rows of attempts that nobody waits for: held for a moment, and not written at all if the attempt is concluded by then."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gateway.journal import late
from gateway.ledger.port import Parked
from mailgate.errors import StorageBroken
from mailgate.job import Fence
from mailgate.mail import OnDoubt
from tests.contract.backend import SOON, accept, take
from tests.contract.builders import begin, delivered, many, parked

NEVER = 600.0
"""Seconds: no test lasts so long."""


@pytest.fixture
def never_late(monkeypatch):
    """Nothing is written for being late."""
    monkeypatch.setattr(late, "LAG", NEVER)


async def written(awaited):
    """The rows are on disk, or need not be."""
    return await asyncio.wait_for(awaited, SOON)


async def open_attempts(backend):
    return [(attempt.job.id, attempt.node_id) for attempt in await backend.ledger.open_attempts()]


async def test_what_is_concluded_within_the_moment_has_no_row(opened, clock, never_late):
    """Its conclusion counts as it would with one."""
    async with opened() as backend:
        jobs = await accept(backend, many(3, clock()))
        before = backend.journal.figures().rows
        backend.ledger.note([begin(job, 1) for job in jobs])
        await backend.ledger.record([delivered(job, clock()) for job in jobs[:2]])
        figures = backend.journal.figures()
        assert (figures.rows - before, figures.spared) == (2, 2)
        assert set(await backend.ledger.find([job.id for job in jobs])) == {jobs[2].id}
    async with opened() as backend:
        assert await open_attempts(backend) == [(jobs[2].id, "node-1")]


async def test_what_takes_longer_has_one(opened, clock):
    """And whoever noted it hears when it is there."""
    async with opened() as backend:
        (job,) = await accept(backend, many(1, clock()))
        await written(backend.ledger.note([begin(job, 1, "node-7")]))
        assert await open_attempts(backend) == [(job.id, "node-7")]
        assert backend.journal.figures().spared == 0


async def test_each_note_is_done_in_its_time(opened, clock, monkeypatch):
    """Also of rows that were all concluded, and of those that come while others are held."""
    monkeypatch.setattr(late, "LAG", 0.005)
    async with opened() as backend:
        jobs = await accept(backend, many(40, clock()))
        notes = []
        for number, job in enumerate(jobs):
            notes.append(backend.ledger.note([begin(job, 1)]))
            if number % 2:
                await backend.ledger.record([delivered(job, clock())])
            await asyncio.sleep(0.001)
        for note in notes:
            await written(note)
        assert [job_id for job_id, _ in await open_attempts(backend)] == sorted(job.id for job in jobs[::2])


async def test_what_is_held_at_the_end_is_written(opened, clock, never_late):
    """The next process finds a clean stop, and waits for nobody."""
    async with opened() as backend:
        (job,) = await accept(backend, many(1, clock()))
        note = backend.ledger.note([begin(job, 1)])
    await written(note)
    async with opened() as backend:
        assert not backend.journal.recovering
        assert await open_attempts(backend) == [(job.id, "node-1")]


async def test_who_stops_waiting_undoes_nothing(opened, clock):
    """The rows of others share its future, and come all the same."""
    async with opened() as backend:
        jobs = await accept(backend, many(2, clock()))
        for job in jobs:
            note = backend.ledger.note([begin(job, 1)])
        note.cancel()
    async with opened() as backend:
        assert await open_attempts(backend) == [(job.id, "node-1") for job in jobs]


async def test_what_is_retracted_can_begin_elsewhere(opened, clock, never_late):
    """The row that was held does not come after all."""
    async with opened() as backend:
        job, other = await accept(backend, many(2, clock()))
        backend.ledger.note([begin(job, 1), begin(other, 1)])
        await backend.ledger.retract([job.fence, other.fence])
        assert await backend.ledger.begin([begin(job, 2, "node-2")]) == {job.fence}
    async with opened() as backend:
        assert await open_attempts(backend) == [(job.id, "node-2")]


async def test_another_attempt_takes_nothing(opened, clock, never_late):
    """What is said of an earlier one."""
    async with opened() as backend:
        (job,) = await accept(backend, many(1, clock()))
        backend.ledger.note([begin(job, 1)])
        await backend.ledger.retract([Fence(job.id, 2)])
        await backend.ledger.record([delivered(replace(job, attempt=3), clock())])
    async with opened() as backend:
        assert await open_attempts(backend) == [(job.id, "node-1")]


async def test_the_first_note_of_an_attempt_counts(opened, clock, never_late):
    """As with rows: who was first has it."""
    async with opened() as backend:
        jobs = await accept(backend, many(2, clock()))
        for node in ("node-1", "node-2"):
            backend.ledger.note([begin(job, 1, node) for job in jobs])
    async with opened() as backend:
        assert await open_attempts(backend) == [(job.id, "node-1") for job in jobs]


async def test_under_hold_the_row_is_written_at_once(opened, clock, never_late):
    """Without it nobody would know which node to ask, and the mail would be sent again."""
    async with opened() as backend:
        (job,) = await accept(backend, many(1, clock()))
        await written(backend.ledger.note([begin(replace(job, on_doubt=OnDoubt.HOLD), 1)]))
        assert await open_attempts(backend) == [(job.id, "node-1")]


async def test_what_ends_in_doubt_keeps_its_row(opened, clock, never_late):
    """It says of which node to ask."""
    async with opened() as backend:
        (job,) = await accept(backend, many(1, clock()))
        backend.ledger.note([begin(job, 7, "node-7")])
        await backend.ledger.record([parked(job, clock(), Parked.IN_DOUBT)])
        view = await backend.ledger.doubt(job.id)
        assert (view.node_id, view.start_ms) == ("node-7", 7)


async def test_a_note_hears_of_a_broken_journal(opened, clock, never_late):
    """Whoever noted it gives no further COMMIT."""
    async with opened() as backend:
        (job,) = await accept(backend, many(1, clock()))
        await take(backend, 1)
    note = backend.ledger.note([begin(job, 1)])
    backend.ledger.late.close()
    with pytest.raises(StorageBroken):
        await written(note)
