"""The contract of gateway/queue/port.py, over every backend and the ledger that it belongs to."""

from __future__ import annotations

import asyncio

import pytest

from gateway.ledger.port import Parked
from mailgate.mail import Lane
from tests.contract.backend import MOMENT, SOON, Backend, accept, move_due, nothing_to_take, take
from tests.contract.builders import deferred, delivered, jobs_of, many, parked, plenty, untried


async def test_jobs_come_in_the_order_in_which_they_became_ready(backend: Backend):
    """Within a lane and site key, also when they are more than memory holds, and when they come while others are taken."""
    first = await accept(backend, many(20, backend.clock()))
    taken = await take(backend, 7)
    second = await accept(backend, many(20, backend.clock()))
    taken += await take(backend, 20)
    third = await accept(backend, many(3, backend.clock()))
    taken += await take(backend, 16)
    assert taken == first + second + third


async def test_transactional_comes_before_bulk(backend: Backend):
    """Whatever was put first."""
    await accept(backend, many(2, backend.clock(), lane=Lane.BULK))
    await accept(backend, many(2, backend.clock(), lane=Lane.TRANSACTIONAL))
    taken = await take(backend, 4, lambda _lane, _key: 2)
    assert [job.lane for job in taken] == [Lane.TRANSACTIONAL] * 2 + [Lane.BULK] * 2


async def test_no_more_of_a_key_than_its_room(backend: Backend):
    """The room is of a lane and key; a key without room holds up no other."""
    jobs = await accept(backend, many(4, backend.clock(), key="slow.example") + many(4, backend.clock(), key="fast.example"))
    room = {"slow.example": 0, "fast.example": 3}
    taken = await asyncio.wait_for(backend.queue.take(lambda _lane, key: room[key]), SOON)
    assert list(taken) == jobs[4:7]
    room = {"slow.example": 1, "fast.example": 0}
    assert await take(backend, 1, lambda _lane, key: room[key]) == jobs[:1]


async def test_two_routes_share_the_room_of_a_key(backend: Backend):
    """Room is asked for lane and key: two routes to one domain do not double it."""
    await accept(backend, many(3, backend.clock(), route="a", key="example.com") + many(3, backend.clock(), route="b", key="example.com"))
    assert len(await asyncio.wait_for(backend.queue.take(lambda _lane, _key: 4), SOON)) <= 4


async def test_a_slow_site_never_fills_the_window(backend: Backend):
    """Many jobs of keys without room, and yet those of another key come."""
    for number in range(6):
        await accept(backend, many(10, backend.clock(), key=f"slow{number}.example"))
    fast = await accept(backend, many(10, backend.clock(), key="fast.example"))
    assert await take(backend, 10, lambda _lane, key: 10 if key == "fast.example" else 0) == fast
    rest = await take(backend, 60)
    assert len({job.id for job in rest}) == 60


async def test_take_waits_until_there_is_a_job(backend: Backend):
    """At least one, as soon as it is put."""
    waiting = asyncio.ensure_future(backend.queue.take(plenty))
    await asyncio.sleep(MOMENT)
    assert not waiting.done()
    jobs = await accept(backend, many(1, backend.clock()))
    assert list(await asyncio.wait_for(waiting, SOON)) == jobs


async def test_take_looks_again_when_room_has_grown(backend: Backend):
    """After a nudge, and not before there is room."""
    jobs = await accept(backend, many(2, backend.clock()))
    room = 0
    waiting = asyncio.ensure_future(backend.queue.take(lambda _lane, _key: room))
    await asyncio.sleep(MOMENT)
    assert not waiting.done()
    room = 1
    backend.queue.nudge()
    assert list(await asyncio.wait_for(waiting, SOON)) == jobs[:1]


async def test_take_gives_a_few_hundred_at_most(backend: Backend):
    """However many there are."""
    await accept(backend, many(700, backend.clock()))
    seen: set[bytes] = set()
    while len(seen) < 700:
        taken = await asyncio.wait_for(backend.queue.take(plenty), SOON)
        assert 0 < len(taken) <= 500
        assert not seen & {job.id for job in taken}
        seen |= {job.id for job in taken}


async def test_a_cancelled_take_loses_nothing(backend: Backend):
    """Whatever it was about to give is still there, in order."""
    jobs = await accept(backend, many(30, backend.clock()))
    for pause in (0.0, 0.0, 0.001, 0.002):
        waiting = asyncio.ensure_future(backend.queue.take(lambda _lane, _key: 0))
        await asyncio.sleep(pause)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    waiting = asyncio.ensure_future(backend.queue.take(plenty))
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert await take(backend, 30) == jobs


async def test_what_was_taken_is_not_given_again(backend: Backend):
    """Until it is settled, and after."""
    await accept(backend, many(12, backend.clock()))
    taken = await take(backend, 12)
    await nothing_to_take(backend)
    await backend.ledger.record([delivered(job, backend.clock()) for job in taken])
    await backend.queue.settle(taken)
    await nothing_to_take(backend)


async def test_a_deferred_job_comes_back_when_it_is_due(backend: Backend):
    """Not before, once, and as it goes on."""
    await accept(backend, many(3, backend.clock()))
    taken = await take(backend, 3)
    now = backend.clock()
    later = [deferred(job, now, now + 60_000 - 1000 * number) for number, job in enumerate(taken)]
    await backend.ledger.record(later)
    await move_due(backend)
    await nothing_to_take(backend)
    backend.clock.advance(57_999)
    await move_due(backend)
    await nothing_to_take(backend)
    backend.clock.advance(10_000)
    await move_due(backend)
    assert await take(backend, 3) == [conclusion.remaining for conclusion in reversed(later)]
    await move_due(backend)
    await nothing_to_take(backend)


async def test_new_jobs_and_due_ones_both_come(backend: Backend):
    """A job that is due is not passed over because newer ones went by, however few or many they were."""
    now = backend.clock()
    await accept(backend, many(6, now))
    old = await take(backend, 6)
    await backend.ledger.record([deferred(job, now, now + 10 + number) for number, job in enumerate(old)])
    seen: list[bytes] = []
    for _ in range(10):
        backend.clock.advance(3)
        fresh = await accept(backend, many(2, backend.clock()))
        await move_due(backend)
        seen += [job.id for job in await take(backend, 2)]
        assert fresh
    backend.clock.advance(1000)
    await move_due(backend)
    seen += [job.id for job in await take(backend, 6)]
    assert len(seen) == len(set(seen)) == 26
    assert {job.id for job in old} <= set(seen)


async def test_a_job_kept_in_hand_is_not_given(backend: Backend):
    """A conclusion without a time leaves the job with its holder, until the holder puts it back."""
    await accept(backend, many(9, backend.clock()))
    taken = await take(backend, 9)
    conclusions = [deferred(job, backend.clock(), None) for job in taken[:5]] + [untried(job, backend.clock()) for job in taken[5:]]
    await backend.ledger.record(conclusions)
    backend.clock.advance(3_600_000)
    await move_due(backend)
    await nothing_to_take(backend)
    back = [conclusion.remaining for conclusion in conclusions if conclusion.remaining is not None]
    await backend.queue.put(back)
    assert await take(backend, 9) == back


async def test_a_parked_job_is_not_given(backend: Backend):
    """Until a decision sends it on."""
    await accept(backend, many(2, backend.clock()))
    doubtful, dead = await take(backend, 2)
    now = backend.clock()
    await backend.ledger.record([parked(doubtful, now, Parked.IN_DOUBT), parked(dead, now, Parked.DEAD)])
    backend.clock.advance(3_600_000)
    await move_due(backend)
    await nothing_to_take(backend)
    resend = deferred(doubtful, backend.clock(), backend.clock())
    await backend.ledger.record([resend])
    await move_due(backend)
    assert await take(backend, 1) == [resend.remaining]


@pytest.mark.parametrize("size", [1, 1000])
async def test_the_last_of_many_callers_is_heard(backend: Backend, size: int):
    """Accepts that run at the same time all arrive, each once."""
    batches = [many(size // 10 or 1, backend.clock(), key=f"k{number % 3}") for number in range(10)]
    await asyncio.gather(*(accept(backend, batch) for batch in batches))
    wanted = {job.id for batch in batches for job in jobs_of(batch)}
    assert {job.id for job in await take(backend, len(wanted))} == wanted
    await nothing_to_take(backend)
