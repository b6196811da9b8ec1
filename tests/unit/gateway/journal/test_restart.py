"""What one process leaves and the next one finds."""

from __future__ import annotations

from contextlib import closing

import apsw
import pytest

from gateway.journal.journal import FILE
from gateway.ledger.port import Claim, Earlier, Parked
from mailgate.mail import Lane
from tests.contract.backend import accept, nothing_to_take, take
from tests.contract.builders import begin, deferred, delivered, many, parked, untried


async def test_the_gateway_keeps_its_id_and_counts_its_starts(opened):
    """The id is made once; the epoch rises each time; a clean end leaves nothing to suspect."""
    lives = []
    for _ in range(3):
        async with opened() as backend:
            lives.append((backend.journal.gateway_id, backend.journal.epoch, backend.journal.recovering))
    assert [epoch for _, epoch, _ in lives] == [1, 2, 3]
    assert len({gateway_id for gateway_id, _, _ in lives}) == 1
    assert not any(recovering for *_, recovering in lives)


async def test_what_was_not_settled_is_ready_again(opened, clock):
    """Taken or not, in order, with the same content object for all that share it; what was settled is gone."""
    async with opened(window_jobs=4) as backend:
        jobs = await accept(backend, many(30, clock(), content=b"shared by all"))
        taken = await take(backend, 20)
        await backend.ledger.record([delivered(job, clock()) for job in taken[:5]])
    async with opened() as backend:
        again = await take(backend, 25)
        assert again == jobs[5:]
        assert len({id(job.content) for job in again}) == 1
        await nothing_to_take(backend)


async def test_transactional_comes_before_bulk_after_a_restart(opened, clock):
    """Both wait on disk."""
    async with opened() as backend:
        await accept(backend, many(5, clock(), lane=Lane.BULK))
        await accept(backend, many(5, clock(), lane=Lane.TRANSACTIONAL))
    async with opened() as backend:
        first = await backend.queue.take(lambda _lane, _key: 100)
        assert {job.lane for job in first} == {Lane.TRANSACTIONAL}


async def test_an_open_attempt_is_told_and_not_brought(opened, clock):
    """Its job comes only when somebody concludes or keeps it; after the next restart it is ready if it was kept."""
    async with opened() as backend:
        await accept(backend, many(3, clock()))
        taken = await take(backend, 3)
        await backend.ledger.begin([begin(job, 9) for job in taken])
    async with opened() as backend:
        assert [attempt.job for attempt in await backend.ledger.open_attempts()] == taken
        await nothing_to_take(backend)
        later = deferred(taken[0], clock(), clock() + 50)
        await backend.ledger.retract([taken[1].fence])
        await backend.ledger.record([later, untried(taken[2], clock())])
        await nothing_to_take(backend)
        clock.advance(50)
        backend.queue.nudge()
        assert await take(backend, 1) == [later.remaining]
        assert not await backend.ledger.open_attempts()
    async with opened() as backend:
        assert sorted(job.id for job in await take(backend, 3)) == sorted(job.id for job in taken)


async def test_the_latest_time_on_record_is_told(opened, clock):
    """Of the newest mail, the last attempt that was begun, or the last deferral, whichever is later: time must not go on before it."""
    async with opened() as backend:
        assert backend.journal.recorded_ms == 0
        await accept(backend, many(3, clock()))
        accepted = clock()
    async with opened() as backend:
        assert backend.journal.recorded_ms == accepted
        one, two, _ = await take(backend, 3)
        clock.advance(1000)
        await backend.ledger.record([deferred(one, clock(), clock() + 60_000)])
        deferral = clock()
    async with opened() as backend:
        assert backend.journal.recorded_ms == deferral
        clock.advance(1000)
        await backend.ledger.begin([begin(two, clock())])
    async with opened() as backend:
        assert backend.journal.recorded_ms == clock() == deferral + 1000


async def test_a_deferred_job_waits_over_a_restart(opened, clock):
    """For its time, not longer and not shorter."""
    async with opened() as backend:
        await accept(backend, many(1, clock()))
        (job,) = await take(backend, 1)
        later = deferred(job, clock(), clock() + 60_000)
        await backend.ledger.record([later])
    clock.advance(59_999)
    async with opened() as backend:
        await nothing_to_take(backend)
        clock.advance(1)
        backend.queue.nudge()
        assert await take(backend, 1) == [later.remaining]


async def test_a_parked_job_stays_parked(opened, clock):
    """And is still listed, with its node."""
    async with opened() as backend:
        await accept(backend, many(2, clock()))
        doubtful, dead = await take(backend, 2)
        await backend.ledger.begin([begin(doubtful, 9)])
        await backend.ledger.record([parked(doubtful, clock(), Parked.IN_DOUBT), parked(dead, clock(), Parked.DEAD)])
    async with opened() as backend:
        (view,) = await backend.ledger.doubts(b"", 10)
        assert (view.job.id, view.node_id) == (doubtful.id, "node-1")
        assert not await backend.ledger.open_attempts()
        await nothing_to_take(backend)


async def test_new_mail_does_not_wait_for_a_clock_that_went_back(opened, clock):
    """Accepted before or after the jump, before or after a restart, in order."""
    async with opened() as backend:
        before = await accept(backend, many(3, clock()))
        clock.advance(-3_600_000)
        after = await accept(backend, many(3, clock()))
        assert await take(backend, 6) == before + after
    clock.advance(-3_600_000)
    async with opened() as backend:
        last = await accept(backend, many(3, clock()))
        assert await take(backend, 9) == before + after + last


async def test_nothing_is_kept_of_what_was_settled(opened, clock, tmp_path):
    """Jobs, attempts and contents go; the mails stay until they are forgotten."""
    async with opened() as backend:
        await accept(backend, many(70, clock(), content=b"shared") + many(70, clock()))
        jobs = await take(backend, 140)
        await backend.ledger.begin([begin(job, 1) for job in jobs])
        await backend.ledger.record([delivered(job, clock()) for job in jobs])
        assert backend.journal.figures().lines == 0
        clock.advance(1000)
        assert await backend.ledger.forget(clock(), 1000) == 140
    size = (tmp_path / "data" / "journal.db").stat().st_size
    async with opened() as backend:
        await accept(backend, many(70, clock(), content=b"shared") + many(70, clock()))
    assert (tmp_path / "data" / "journal.db").stat().st_size <= size + 8192


async def test_a_large_backlog_takes_little_memory(opened, clock):
    """What exceeds the window waits on disk, and so it does after a restart."""
    async with opened(window_jobs=100, window_share=0.5, refill_jobs=50) as backend:
        await backend.ledger.accept(many(2000, clock()))
        assert backend.journal.figures().ready_jobs <= 50
    async with opened(window_jobs=100, window_share=0.5, refill_jobs=50) as backend:
        assert backend.journal.figures().ready_jobs == 0
        seen = await take(backend, 2000)
        assert len({job.id for job in seen}) == 2000
        assert backend.journal.figures().ready_jobs <= 100


async def test_large_jobs_are_bounded_by_their_octets(opened, clock):
    """A window of a few large mails: they come one after the other, all of them."""
    async with opened(window_bytes=1_000_000, window_share=0.5) as backend:
        jobs = await accept(backend, many(20, clock(), content=b"x" * 300_000))
        assert backend.journal.figures().ready_bytes <= 1_000_000
        seen = []
        while len(seen) < 20:
            seen += await take(backend, 1)
            assert backend.journal.figures().ready_bytes <= 1_500_000
        assert seen == jobs


async def test_a_key_is_kept(opened, clock):
    """The mail of the process before has it, also when the storing of another mail with it failed as a whole."""
    first, second, third = [
        each._replace(claim=Claim("key", bytes([number]) * 32, clock() + 9)) for number, each in enumerate(many(3, clock()))
    ]
    evil = second._replace(mail=second.mail._replace(expire_ms=1 << 70))
    async with opened() as backend:
        with pytest.raises(OverflowError):
            await backend.ledger.accept([evil])
        assert await backend.ledger.accept([first]) == {}
    async with opened() as backend:
        assert await backend.ledger.accept([third]) == {third.mail.id: Earlier(first.mail.id, clock(), bytes(32), None)}


async def test_a_clean_end_before_all_is_known_leaves_as_much_to_suspect(opened, tmp_path):
    """A stop soon after an unclean one: the nodes have not said what they have, and the next process must wait for them as well."""
    async with opened():
        pass
    with closing(apsw.Connection(str(tmp_path / "data" / FILE))) as unclean:
        unclean.execute("update meta set value = 0 where name = 'clean'")
    async with opened() as backend:
        assert backend.journal.recovering
    async with opened() as backend:
        assert backend.journal.recovering
        backend.journal.recovered()
    async with opened() as backend:
        assert not backend.journal.recovering
