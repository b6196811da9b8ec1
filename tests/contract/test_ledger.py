"""The contract of gateway/ledger/port.py, over every backend."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gateway.ledger.port import LOST, Change, Conclusion, Found, Parked, QueueCount, Wait
from mailgate.errors import WrongState
from mailgate.job import Fence
from mailgate.mail import Lane, RecipientState
from tests.contract.backend import Backend, accept, take
from tests.contract.builders import accepted, attempt, begin, deferred, delivered, jobs_of, many, parked, untried

D, Q = RecipientState.DELIVERED, RecipientState.QUEUED


async def states(backend: Backend, mail_id: bytes) -> list[RecipientState]:
    return [recipient.state for recipient in await backend.ledger.recipients(mail_id, -1, 1000)]


async def test_an_accepted_mail_is_there_with_all_it_has(backend: Backend):
    """Every field of the mail, of its recipients and of its jobs comes back as it was given."""
    mail = accepted(backend.clock(), recipients=5, jobs=2, batch_id=b"b" * 16)
    await backend.ledger.accept([mail])
    view = await backend.ledger.mail("acme", mail.mail.id)
    assert view is not None
    assert view.mail == mail.mail._replace(emails=())
    assert view.counts == {Q: 5}
    recipients = await backend.ledger.recipients(mail.mail.id, -1, 100)
    assert [(r.index, r.email, r.state, r.attempts, r.update_ms) for r in recipients] == [
        (i, email, Q, 0, mail.mail.accept_ms) for i, email in enumerate(mail.mail.emails)
    ]
    assert await backend.ledger.describe([mail.mail.id]) == {mail.mail.id: mail.mail}
    assert await backend.ledger.find([job.id for job in mail.jobs]) == {job.id: Found(job, None) for job in mail.jobs}


async def test_a_mail_belongs_to_its_tenant(backend: Backend):
    """Another tenant's mail, and one that never was, are the same nothing."""
    mail = accepted(backend.clock())
    await backend.ledger.accept([mail])
    assert await backend.ledger.mail("other", mail.mail.id) is None
    assert await backend.ledger.mail("acme", b"\0" * 16) is None
    assert not await backend.ledger.recipients(b"\0" * 16, -1, 10)
    assert await backend.ledger.describe([b"\0" * 16]) == {}
    assert await backend.ledger.find([b"\0" * 18]) == {}


async def test_accept_stores_all_or_none(backend: Backend):
    """One mail that cannot be stored keeps out those handed in with it, and no others."""
    known, fresh, bystander = many(3, backend.clock())
    await backend.ledger.accept([known])
    both, alone = await asyncio.gather(
        _outcome(backend.ledger.accept([fresh, known])), _outcome(backend.ledger.accept([bystander])), return_exceptions=True
    )
    assert isinstance(both, WrongState)
    assert alone == {}
    assert await backend.ledger.mail("acme", fresh.mail.id) is None
    assert await backend.ledger.find([fresh.jobs[0].id]) == {}
    assert await backend.ledger.mail("acme", bystander.mail.id) is not None


async def _outcome(awaitable):
    return await awaitable


async def test_one_begin_wins(backend: Backend):
    """The row of an attempt is inserted once, however many ask for it, and at the same time."""
    mails = many(3, backend.clock())
    await backend.ledger.accept(mails)
    jobs = jobs_of(mails)
    asks = [backend.ledger.begin([begin(job, backend.clock(), node) for job in jobs]) for node in ("node-1", "node-2", "node-3")]
    won = [await ask for ask in asks]
    assert won == [frozenset(job.fence for job in jobs), frozenset(), frozenset()]


async def test_begin_wins_what_is_left(backend: Backend):
    """Of several fences those that are free are won, and only those."""
    mails = many(70, backend.clock())
    await backend.ledger.accept(mails)
    jobs = jobs_of(mails)
    assert await backend.ledger.begin([begin(job, 1) for job in jobs[::3]]) == {job.fence for job in jobs[::3]}
    assert await backend.ledger.begin([begin(job, 2) for job in jobs + jobs]) == {job.fence for job in jobs} - {j.fence for j in jobs[::3]}


async def test_begin_of_another_attempt_is_not_won(backend: Backend):
    """Only the job's current attempt can begin: not an old one, not one to come, none of a job that is gone, none of nothing."""
    mails = many(2, backend.clock())
    await backend.ledger.accept(mails)
    job, gone = jobs_of(mails)
    await backend.ledger.record([deferred(job, backend.clock(), backend.clock() + 1000), delivered(gone, backend.clock())])
    stray = accepted(backend.clock()).jobs[0]
    fences = await backend.ledger.begin([begin(each, 1) for each in (job, replace(job, attempt=3), gone, stray)])
    assert fences == frozenset()
    assert await backend.ledger.begin([begin(replace(job, attempt=2), 1)]) == {Fence(job.id, 2)}


async def test_a_parked_job_cannot_begin(backend: Backend):
    """IN_DOUBT and DEAD are the end of it until somebody decides."""
    mails = many(2, backend.clock())
    await backend.ledger.accept(mails)
    doubtful, dead = jobs_of(mails)
    await backend.ledger.record([parked(doubtful, backend.clock(), Parked.IN_DOUBT), parked(dead, backend.clock(), Parked.DEAD)])
    assert await backend.ledger.begin([begin(doubtful, 1), begin(dead, 1)]) == frozenset()


async def test_retract_undoes_begin(backend: Backend):
    """After it the attempt may begin again; retracting what is not current changes nothing."""
    job = accepted(backend.clock())
    await backend.ledger.accept([job])
    (job,) = job.jobs
    await backend.ledger.begin([begin(job, 1)])
    await backend.ledger.retract([Fence(job.id, 2)])
    assert await backend.ledger.begin([begin(job, 2)]) == frozenset()
    await backend.ledger.retract([job.fence])
    assert await backend.ledger.begin([begin(job, 3)]) == {job.fence}


async def test_what_was_noted_is_an_open_attempt_until_it_is_concluded(backend: Backend):
    """Nobody else can begin it, and it is concluded as any other, at whatever time."""
    mails = many(3, backend.clock())
    await backend.ledger.accept(mails)
    slow, quick, returned = jobs_of(mails)
    noted = backend.ledger.note([begin(slow, 1), begin(quick, 1), begin(returned, 1)])
    await backend.ledger.record([delivered(quick, backend.clock())])
    await backend.ledger.retract([returned.fence])
    assert await backend.ledger.begin([begin(slow, 2, "node-2")]) == frozenset()
    await noted
    assert [attempt.job for attempt in await backend.ledger.open_attempts()] == [slow]
    assert await backend.ledger.begin([begin(job, 2, "node-2") for job in (slow, quick, returned)]) == {returned.fence}
    await backend.ledger.record([delivered(slow, backend.clock())])
    assert set(await backend.ledger.find([slow.id, quick.id, returned.id])) == {returned.id}


async def test_retract_leaves_a_doubt_its_node(backend: Backend):
    """A parked job's node and time stay for ListDoubts."""
    mail = accepted(backend.clock())
    await backend.ledger.accept([mail])
    (job,) = mail.jobs
    await backend.ledger.begin([begin(job, 77)])
    await backend.ledger.record([parked(job, backend.clock(), Parked.IN_DOUBT)])
    await backend.ledger.retract([job.fence])
    view = await backend.ledger.doubt(job.id)
    assert view is not None
    assert (view.node_id, view.start_ms) == ("node-1", 77)


async def test_a_queued_recipient_is_sending_while_its_job_has_an_open_attempt(backend: Backend):
    """Only the recipients of that job, and only until the attempt is concluded or retracted."""
    mail = accepted(backend.clock(), recipients=4, jobs=2)
    await backend.ledger.accept([mail])
    first, _ = mail.jobs
    await backend.ledger.begin([begin(first, 1)])
    s = RecipientState.SENDING
    assert await states(backend, mail.mail.id) == [s, Q, s, Q]
    view = await backend.ledger.mail("acme", mail.mail.id)
    assert view is not None
    assert view.counts == {s: 2, Q: 2}
    await backend.ledger.retract([first.fence])
    assert await states(backend, mail.mail.id) == [Q, Q, Q, Q]


async def test_record_tells_what_became_of_each_recipient(backend: Backend):
    """State, attempts, time and the whole last attempt are the recipient's; the job is gone."""
    mail = accepted(backend.clock(), recipients=3)
    await backend.ledger.accept([mail])
    (job,) = mail.jobs
    await backend.ledger.begin([begin(job, 1)])
    at = backend.clock() + 500
    await backend.ledger.record([delivered(job, at, [0, 2])])
    first, second, third = await backend.ledger.recipients(mail.mail.id, -1, 10)
    assert [r.state for r in (first, second, third)] == [D, RecipientState.BOUNCED, D]
    assert (first.attempts, first.update_ms, first.next_attempt_ms, first.last_attempt) == (1, at, None, attempt(1, at))
    assert second.last_attempt == attempt(1, at, 550)
    assert await backend.ledger.find([job.id]) == {}
    assert not await backend.ledger.open_attempts()


async def test_a_stale_conclusion_changes_nothing(backend: Backend):
    """A second verdict for an attempt, or one for another attempt, is heard and forgotten."""
    mail = accepted(backend.clock())
    await backend.ledger.accept([mail])
    (job,) = mail.jobs
    await backend.ledger.record([deferred(job, 10, 2000)])
    before = await backend.ledger.recipients(mail.mail.id, -1, 10)
    await backend.ledger.record([delivered(job, 20), deferred(job, 30, 9000), delivered(replace(job, attempt=3), 40)])
    assert await backend.ledger.recipients(mail.mail.id, -1, 10) == before
    assert (await backend.ledger.find([job.id]))[job.id].job.attempt == 2
    again = replace(job, attempt=2)
    await backend.ledger.record([delivered(again, 50)])
    done = await backend.ledger.recipients(mail.mail.id, -1, 10)
    await backend.ledger.record([deferred(again, 60, 9000)])
    assert await backend.ledger.recipients(mail.mail.id, -1, 10) == done


async def test_conclusions_of_one_call_are_applied_in_order(backend: Backend):
    """Two attempts of a job in one call: the second goes on from the first, whatever lies between."""
    mail, other = many(2, backend.clock())
    await backend.ledger.accept([mail, other])
    (job,) = mail.jobs
    first = deferred(job, 10, None)
    assert first.remaining is not None
    await backend.ledger.record([first, delivered(other.jobs[0], 15), delivered(first.remaining, 20)])
    (recipient,) = await backend.ledger.recipients(mail.mail.id, -1, 10)
    assert (recipient.state, recipient.attempts, recipient.update_ms) == (D, 2, 20)
    assert await backend.ledger.find([job.id]) == {}


async def test_calls_take_effect_in_their_order(backend: Backend):
    """Without waiting between: accept, begin, conclude, begin the next attempt, conclude it."""
    mail = accepted(backend.clock())
    (job,) = mail.jobs
    first = deferred(job, 10, None)
    assert first.remaining is not None
    calls = [
        backend.ledger.accept([mail]),
        backend.ledger.begin([begin(job, 1)]),
        backend.ledger.begin([begin(job, 2)]),
        backend.ledger.record([first]),
        backend.ledger.begin([begin(first.remaining, 3)]),
        backend.ledger.retract([first.remaining.fence]),
        backend.ledger.begin([begin(first.remaining, 4)]),
        backend.ledger.record([delivered(first.remaining, 20)]),
        backend.ledger.begin([begin(first.remaining, 5)]),
    ]
    results = [await call for call in calls]
    won = [result for result in results if isinstance(result, frozenset)]
    assert won == [{job.fence}, frozenset(), {first.remaining.fence}, {first.remaining.fence}, frozenset()]
    assert await states(backend, mail.mail.id) == [D]


async def test_some_recipients_remain(backend: Backend):
    """The job goes on with those that are not settled, and knows it."""
    mail = accepted(backend.clock(), recipients=4)
    await backend.ledger.accept([mail])
    (job,) = mail.jobs
    conclusion = deferred(job, 10, 5000, still=[1, 3])
    await backend.ledger.record([conclusion])
    assert await backend.ledger.find([job.id]) == {job.id: Found(conclusion.remaining, None)}
    recipients = await backend.ledger.recipients(mail.mail.id, -1, 10)
    assert [(r.state, r.next_attempt_ms) for r in recipients] == [
        (D, None),
        (RecipientState.DEFERRED, 5000),
        (D, None),
        (RecipientState.DEFERRED, 5000),
    ]


async def test_what_an_attempt_was_sent_from(backend: Backend):
    """Each recipient shows its last attempt's, and a job that goes on keeps it; a later attempt without one takes it away."""
    first = accepted(backend.clock(), recipients=2)
    await backend.ledger.accept([first])
    (job,) = first.jobs
    for source in ("s1", "s2", ""):
        conclusion = deferred(job, backend.clock(), backend.clock() + 60_000)
        assert conclusion.remaining is not None
        changes = tuple(change._replace(attempt=change.attempt and change.attempt._replace(source=source)) for change in conclusion.changes)
        job = replace(conclusion.remaining, source=source)
        await backend.ledger.record([conclusion._replace(changes=changes, remaining=job)])
        shown = await backend.ledger.recipients(first.mail.id, -1, 10)
        assert [each.last_attempt and each.last_attempt.source for each in shown] == [source, source]
        assert (await backend.ledger.find([job.id]))[job.id].job == job


async def test_a_change_without_an_attempt_leaves_the_attempts(backend: Backend):
    """What no attempt brought does not count as one, and the last attempt is still to be seen."""
    mail = accepted(backend.clock())
    await backend.ledger.accept([mail])
    (job,) = mail.jobs
    first = deferred(job, 10, None)
    assert first.remaining is not None
    await backend.ledger.record([first])
    await backend.ledger.record([parked(first.remaining, 30, Parked.DEAD)])
    (recipient,) = await backend.ledger.recipients(mail.mail.id, -1, 10)
    assert (recipient.state, recipient.attempts, recipient.last_attempt) == (RecipientState.DEAD, 1, attempt(1, 10, 451))
    assert (recipient.update_ms, recipient.next_attempt_ms) == (30, None)


async def test_doubts_are_listed_until_somebody_decides(backend: Backend):
    """A job IN_DOUBT has its node, time, reason and remaining addresses; DEAD ones are not doubts; a decision ends it."""
    mail, dead = accepted(backend.clock(), recipients=3), accepted(backend.clock())
    await backend.ledger.accept([mail, dead])
    (job,) = mail.jobs
    await backend.ledger.begin([begin(job, 123, "node-7")])
    await backend.ledger.record([parked(replace(job, recipients=(0, 2)), 10, Parked.IN_DOUBT), parked(dead.jobs[0], 10, Parked.DEAD)])
    (view,) = await backend.ledger.doubts(b"", 10)
    assert view == await backend.ledger.doubt(job.id)
    assert (view.job.id, view.node_id, view.start_ms, view.reason) == (job.id, "node-7", 123, "IN_DOUBT of 1")
    assert view.emails == (mail.mail.emails[0], mail.mail.emails[2])
    assert view.job.content == job.content
    assert (await backend.ledger.find([job.id]))[job.id].parked is Parked.IN_DOUBT
    assert await backend.ledger.doubt(dead.jobs[0].id) is None
    assert not await backend.ledger.open_attempts()
    await backend.ledger.record([deferred(view.job, 20, backend.clock())])
    assert not await backend.ledger.doubts(b"", 10)
    assert await backend.ledger.doubt(job.id) is None
    assert await backend.ledger.begin([begin(replace(job, attempt=2), 1)]) == {Fence(job.id, 2)}


async def test_what_a_lost_node_could_still_say(backend: Backend):
    """Doubts of this boot of this node of which no verdict came, in pages by id; not those that are decided, nor another's."""
    mails = many(6, backend.clock())
    await backend.ledger.accept(mails)
    jobs = sorted(jobs_of(mails), key=lambda job: job.id)
    await backend.ledger.begin([begin(job, 5, "node-2" if job is jobs[1] else "node-1") for job in jobs])
    lost = [parked(job, 10, Parked.IN_DOUBT)._replace(reason=LOST) for job in jobs[:4]]
    await backend.ledger.record([*lost, parked(jobs[4], 10, Parked.IN_DOUBT)])
    boot = b"boot of node-1"
    assert await backend.ledger.lost_to("node-1", boot, b"", 10) == [jobs[0].fence, jobs[2].fence, jobs[3].fence]
    assert await backend.ledger.lost_to("node-1", boot, b"", 2) == [jobs[0].fence, jobs[2].fence]
    assert await backend.ledger.lost_to("node-1", boot, jobs[2].id, 2) == [jobs[3].fence]
    assert await backend.ledger.lost_to("node-1", b"another boot", b"", 10) == []
    found = await backend.ledger.find([jobs[0].id, jobs[4].id, jobs[5].id])
    assert [found[job.id].reason for job in (jobs[0], jobs[4], jobs[5])] == [LOST, "IN_DOUBT of 1", ""]
    await backend.ledger.record([delivered(jobs[0], 20)])
    assert await backend.ledger.lost_to("node-1", boot, b"", 10) == [jobs[2].fence, jobs[3].fence]


async def test_what_each_recipient_waits_with(backend: Backend):
    """Its job's route, key, losses and why it is parked, for the recipients that are asked for; those whose job is over are left out."""
    mail, other = accepted(backend.clock(), recipients=9, jobs=3, route="a"), accepted(backend.clock(), recipients=9)
    await backend.ledger.accept([mail, other])
    first, second, _ = mail.jobs
    await backend.ledger.record([delivered(first, 10), parked(second, 10, Parked.DEAD)])
    await backend.ledger.note_losses({second.id: 2})
    waits = await backend.ledger.waits(mail.mail.id, [0, 1, 2, 4, 99])
    key = first.site_key
    assert waits == {1: Wait("a", 2, Parked.DEAD, key), 4: Wait("a", 2, Parked.DEAD, key), 2: Wait("a", 0, None, key)}
    assert not await backend.ledger.waits(mail.mail.id, [])
    assert not await backend.ledger.waits(b"\0" * 16, [0])


async def test_what_is_deferred_beside_a_doubt_is_found_when_its_time_is_over(backend: Backend):
    """With the doubt's reason; other jobs of the same mail, doubts of which all are in doubt, and what has time left are not."""
    mail, whole = accepted(backend.clock(), recipients=6, jobs=2), accepted(backend.clock())
    await backend.ledger.accept([mail, whole])
    job, other = mail.jobs
    mixed = parked(job, 10, Parked.IN_DOUBT)
    deferred_change = Change((0, 4), RecipientState.DEFERRED, attempt(1, 10, 451))
    await backend.ledger.record(
        [
            mixed._replace(changes=(deferred_change, mixed.changes[0]._replace(indexes=(2,)))),
            deferred(other, 10, 5000),
            parked(whole.jobs[0], 10, Parked.IN_DOUBT),
        ]
    )
    assert not await backend.ledger.expiring(job.expire_ms - 1, 10)
    ((found, indexes, reason),) = await backend.ledger.expiring(job.expire_ms, 10)
    assert (found, indexes, reason) == (mixed.remaining, (0, 4), mixed.reason)
    left = replace(found, recipients=(2,), partial=True)
    expired = Conclusion(found.fence, 20, (Change((0, 4), RecipientState.EXPIRED),), left, parked=Parked.IN_DOUBT, reason=reason)
    await backend.ledger.record([expired])
    assert not await backend.ledger.expiring(job.expire_ms, 10)
    view = await backend.ledger.doubt(job.id)
    assert view is not None
    assert (view.job, view.reason, len(view.emails)) == (left, reason, 1)
    assert (await states(backend, mail.mail.id))[::2] == [RecipientState.EXPIRED, RecipientState.IN_DOUBT, RecipientState.EXPIRED]


async def test_doubts_come_in_pages(backend: Backend):
    """By id, each once."""
    mails = many(5, backend.clock())
    await backend.ledger.accept(mails)
    await backend.ledger.record([parked(job, 10, Parked.IN_DOUBT) for job in jobs_of(mails)])
    seen, after = [], b""
    while page := await backend.ledger.doubts(after, 2):
        assert len(page) <= 2
        seen += [view.job.id for view in page]
        after = seen[-1]
    assert seen == sorted(job.id for job in jobs_of(mails))


async def test_recipients_come_in_pages(backend: Backend):
    """By index, each once, over more than a statement's rows."""
    mail = accepted(backend.clock(), recipients=150, jobs=3)
    await backend.ledger.accept([mail])
    seen, after = [], -1
    while page := await backend.ledger.recipients(mail.mail.id, after, 40):
        assert len(page) <= 40
        seen += page
        after = page[-1].index
    assert [r.email for r in seen] == list(mail.mail.emails)


async def test_losses_are_noted(backend: Backend):
    """The count goes with the job from then on; jobs that are gone are passed over."""
    mails = many(3, backend.clock())
    await backend.ledger.accept(mails)
    first, second, third = jobs_of(mails)
    await backend.ledger.note_losses({first.id: 2, second.id: 1, b"\0" * 18: 5})
    found = await backend.ledger.find([first.id, second.id, third.id])
    assert [found[job.id].job.losses for job in (first, second, third)] == [2, 1, 0]


async def test_open_attempts_are_those_begun_and_not_concluded(backend: Backend):
    """With node, boot, time and the whole job."""
    mails = many(4, backend.clock())
    await backend.ledger.accept(mails)
    untouched, retracted, concluded, left = jobs_of(mails)
    await backend.ledger.begin([begin(job, 55, "node-3") for job in (retracted, concluded, left)])
    await backend.ledger.retract([retracted.fence])
    await backend.ledger.record([untried(concluded, 60)])
    (attempt_,) = await backend.ledger.open_attempts()
    assert (attempt_.job, attempt_.node_id, attempt_.node_boot, attempt_.at_ms) == (left, "node-3", b"boot of node-3", 55)
    assert untouched.fence in await backend.ledger.begin([begin(untouched, 61), begin(left, 61)])


async def test_counts_tell_what_waits(backend: Backend):
    """By lane and route: ready and deferred; what is in hand, parked or gone is neither, and the queue's having given it says nothing."""
    now = backend.clock()
    bulk = await accept(backend, many(5, now))
    await accept(backend, many(2, now, lane=Lane.TRANSACTIONAL, route="codes", key="codes"))
    assert sorted(await backend.ledger.counts(()), key=lambda c: c.lane) == [
        QueueCount(Lane.TRANSACTIONAL, "codes", "codes", 2, 0, now),
        QueueCount(Lane.BULK, "default", "default", 5, 0, now),
    ]
    taken = await take(backend, 4, lambda lane, _: 4 if lane is Lane.BULK else 0)
    assert taken == bulk[:4]
    await backend.ledger.begin([begin(job, now) for job in taken])
    backend.clock.advance(100)
    await backend.ledger.record(
        [
            delivered(taken[0], now),
            deferred(taken[1], now, now + 60_000),
            parked(taken[2], now, Parked.IN_DOUBT),
        ]
    )
    for in_hand, ready in (((), 2), ([taken[3].id, taken[1].id], 1), ([job.id for job in bulk], 0)):
        counts = {count.lane: count for count in await backend.ledger.counts(in_hand)}
        bulk_count = counts[Lane.BULK]
        assert (bulk_count.ready, bulk_count.deferred, bulk_count.oldest_ms) == (ready, 1, now if ready else None)


async def test_the_oldest_that_waits_is_told(backend: Backend):
    """It is the first that became due of those that no node has, whether the queue has given it or not."""
    first, second = await accept(backend, [accepted(backend.clock())]), []
    for _ in range(3):
        backend.clock.advance(1000)
        second += await accept(backend, [accepted(backend.clock())])
    assert await take(backend, 3) == [*first, *second[:2]]
    for in_hand, ready, oldest in (
        ((), 4, first[0]),
        ([first[0].id], 3, second[0]),
        ([job.id for job in first + second[:2]], 1, second[2]),
    ):
        (count,) = await backend.ledger.counts(in_hand)
        assert (count.ready, count.oldest_ms) == (ready, oldest.accept_ms)


async def test_what_is_kept_as_ready_waits(backend: Backend):
    """A job that goes again at once is in its holder's memory, and waits there until a node has it."""
    (job,) = await accept(backend, [accepted(backend.clock())])
    assert await take(backend, 1) == [job]
    backend.clock.advance(500)
    await backend.ledger.record([untried(job, backend.clock())])
    assert await backend.ledger.counts(()) == [QueueCount(Lane.BULK, "default", "default", 1, 0, job.accept_ms)]
    assert not await backend.ledger.counts([job.id])


async def test_no_counts_when_nothing_waits(backend: Backend):
    """Lanes and routes without work are not told."""
    assert not await backend.ledger.counts(())
    assert not await backend.ledger.counts([b"x" * 18])


async def test_forget_deletes_old_mails_without_jobs(backend: Backend):
    """Only those accepted before, only without a job, at most so many; the rest stays whole."""
    old = many(4, backend.clock())
    await backend.ledger.accept(old)
    backend.clock.advance(10_000)
    young = accepted(backend.clock())
    await backend.ledger.accept([young])
    await backend.ledger.record([delivered(job, backend.clock()) for job in jobs_of([*old[:3], young])])
    before = old[0].mail.accept_ms + 1
    assert await backend.ledger.forget(before, 2) == 2
    assert await backend.ledger.forget(before, 2) == 1
    assert await backend.ledger.forget(before, 2) == 0
    known = [each.mail.id for each in [*old, young] if await backend.ledger.mail("acme", each.mail.id) is not None]
    assert known == [old[3].mail.id, young.mail.id]
    assert not await backend.ledger.recipients(old[0].mail.id, -1, 10)
    assert await states(backend, old[3].mail.id) == [Q]


async def test_a_cancelled_caller_does_not_undo_its_work(backend: Backend):
    """What was handed over takes effect."""
    mail = accepted(backend.clock())

    async def call() -> None:
        await backend.ledger.accept([mail])

    task = asyncio.ensure_future(call())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await backend.ledger.note_losses({})
    assert await backend.ledger.mail("acme", mail.mail.id) is not None


async def test_a_mail_with_a_large_content_comes_back_whole(backend: Backend):
    """Octets of all values, more than a page, shared by jobs of one call."""
    content = bytes(range(256)) * 2000
    mails = many(3, backend.clock(), content=content, jobs=2, recipients=2)
    await backend.ledger.accept(mails)
    jobs = jobs_of(mails)
    found = await backend.ledger.find([job.id for job in jobs])
    assert [found[job.id].job for job in jobs] == jobs
    await backend.ledger.record([delivered(job, 1) for job in jobs[:-1]])
    assert (await backend.ledger.find([jobs[-1].id]))[jobs[-1].id].job.content == content


@pytest.mark.parametrize("empty", ["accept", "begin", "retract", "record"])
async def test_nothing_to_do_is_done(backend: Backend, empty: str):
    """An empty call is no special case for the caller."""
    assert not await getattr(backend.ledger, empty)([])
