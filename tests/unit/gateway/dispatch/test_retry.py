"""What becomes of a job: the case list of conclude, and what holds of every ruling."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dispatch.retry import Backoff, Ruling, bury, conclude, decide_doubt, expire, postpone, resend, resolve
from gateway.ledger.port import Parked
from mailgate.job import Job
from mailgate.mail import EventType, OnDoubt, RecipientState
from mailgate.verdict import Outcome, Phase, RecipientVerdict, Reply, Tried
from tests.unit.gateway.dispatch.world import HOLD, RESEND, make_job

BACKOFF = Backoff(60_000, 1_800_000, 0.2)
S = RecipientState


def said(*outcomes: tuple[tuple[int, ...], Outcome]) -> Tried:
    return Tried(tuple(RecipientVerdict(indexes, outcome, Reply(Phase.BODY, 250, text=outcome.name)) for indexes, outcome in outcomes))


def ruled(job: Job, tried: Tried, now_ms: int | None = None) -> Ruling:
    return conclude(job, tried, "node", job.accept_ms if now_ms is None else now_ms, BACKOFF, 0.5)


def states(ruling: Ruling) -> dict[int, RecipientState]:
    return {index: change.state for change in ruling.conclusion.changes for index in change.indexes}


def test_all_final():
    """Delivered and bounced: the job is gone."""
    ruling = ruled(make_job(recipients=3), said(((0, 2), Outcome.DELIVERED), ((1,), Outcome.BOUNCED)))
    assert states(ruling) == {0: S.DELIVERED, 1: S.BOUNCED, 2: S.DELIVERED}
    assert ruling.conclusion.remaining is None
    assert ruling.back is None
    assert {fact.type for fact in ruling.facts()} == {EventType.DELIVERED, EventType.BOUNCED}


def test_mixed():
    """What is deferred goes on alone, under the next attempt, after the backoff."""
    job = make_job(recipients=4)
    ruling = ruled(job, said(((0,), Outcome.DELIVERED), ((1, 3), Outcome.DEFERRED), ((2,), Outcome.BOUNCED)))
    remaining = ruling.conclusion.remaining
    assert remaining is not None
    assert (remaining.recipients, remaining.partial, remaining.attempt, remaining.events) == ((1, 3), True, 2, 2)
    assert ruling.conclusion.due_ms == job.accept_ms + 60_000
    assert states(ruling)[1] is S.DEFERRED


def test_what_is_deferred_remembers_its_source():
    """The last one, and each attempt's record has its own; a wait before any attempt changes nothing."""
    ruling = ruled(
        replace(make_job(recipients=2), source="old"), said(((0,), Outcome.DELIVERED), ((1,), Outcome.DEFERRED))._replace(source="s1")
    )
    assert ruling.conclusion.remaining is not None
    assert ruling.conclusion.remaining.source == "s1"
    assert [change.attempt.source for change in ruling.conclusion.changes if change.attempt] == ["s1", "s1"]
    assert postpone(ruling.conclusion.remaining, 5, 0).conclusion.remaining == ruling.conclusion.remaining


def test_not_mentioned_counts_as_deferred():
    """A node that forgets a recipient costs it a wait, not its mail; unknown and repeated indexes change nothing."""
    ruling = ruled(make_job(recipients=3), said(((0, 0, 9), Outcome.DELIVERED), ((0,), Outcome.BOUNCED)))
    assert states(ruling) == {0: S.DELIVERED, 1: S.DEFERRED, 2: S.DEFERRED}
    assert ruling.conclusion.remaining.recipients == (1, 2)


def test_what_would_be_due_after_its_ttl_expires():
    """No try after the ttl, and no wait for it either."""
    job = make_job(ttl_ms=59_000, recipients=2)
    ruling = ruled(job, said(((0,), Outcome.DELIVERED), ((1,), Outcome.DEFERRED)))
    assert states(ruling) == {0: S.DELIVERED, 1: S.EXPIRED}
    assert ruling.conclusion.remaining is None
    assert ruling.conclusion.changes[-1].attempt.text == "DEFERRED", "the last reply says why"


def test_nothing_expires_while_the_time_cannot_be_trusted():
    """The clock has jumped: it waits as any deferral does."""
    job = make_job(ttl_ms=59_000)
    ruling = conclude(job, said(((0,), Outcome.DEFERRED)), "node", job.expire_ms + 1, BACKOFF, 0.5, may_expire=False)
    assert states(ruling) == {0: S.DEFERRED}
    assert ruling.conclusion.due_ms == job.expire_ms + 60_001


def test_in_doubt_under_resend_waits_like_a_deferral():
    """A server that always closes after the dot must not get a copy a second."""
    ruling = ruled(make_job(on_doubt=RESEND), said(((0,), Outcome.IN_DOUBT)))
    assert states(ruling) == {0: S.DEFERRED}
    assert ruling.conclusion.due_ms is not None


@pytest.mark.parametrize("ttl_ms", [3_600_000, 10])
def test_in_doubt_under_hold_parks(ttl_ms: int):
    """With it whatever is deferred in the same job, also past the ttl: nothing is sent until somebody decides."""
    job = make_job(on_doubt=HOLD, recipients=3, ttl_ms=ttl_ms)
    ruling = ruled(job, said(((0,), Outcome.DELIVERED), ((1,), Outcome.IN_DOUBT), ((2,), Outcome.DEFERRED)))
    assert states(ruling) == {0: S.DELIVERED, 1: S.IN_DOUBT, 2: S.DEFERRED}
    conclusion = ruling.conclusion
    assert conclusion.parked is Parked.IN_DOUBT
    assert conclusion.due_ms is None
    assert conclusion.reason == "IN_DOUBT"
    assert (conclusion.remaining.recipients, conclusion.remaining.attempt) == ((1, 2), 1), "the attempt in doubt stays the current one"
    assert ruling.back is None


def test_resolve_decides_some_and_sends_the_rest():
    """An operator's word on the doubtful; those that only were deferred with them go on, with no event of their own."""
    job = make_job(on_doubt=HOLD, recipients=3)
    parked = ruled(job, said(((0,), Outcome.DELIVERED), ((1,), Outcome.IN_DOUBT), ((2,), Outcome.DEFERRED))).conclusion.remaining
    ruling = resolve(parked, (1,), S.DELIVERED, job.accept_ms)
    assert states(ruling) == {1: S.DELIVERED}
    assert ruling.back == ruling.conclusion.remaining
    assert (ruling.back.recipients, ruling.back.attempt, ruling.back.events) == ((2,), 2, parked.events)
    assert resolve(parked, (1, 2), S.BOUNCED, 0).conclusion.remaining is None


@pytest.mark.parametrize(("on_doubt", "state"), [(RESEND, S.QUEUED), (HOLD, S.IN_DOUBT)])
def test_a_doubt_that_nobody_can_end(on_doubt: OnDoubt, state: RecipientState):
    """RESEND goes again at once, HOLD is parked; the attempt is kept with what is known of it."""
    job = make_job(on_doubt=on_doubt, recipients=2)
    ruling = decide_doubt(job, "node", job.accept_ms, job.accept_ms + 2000, 3)
    assert states(ruling) == {0: state, 1: state}
    (change,) = ruling.conclusion.changes
    assert (change.attempt.node_id, change.attempt.bounce_class, change.attempt.duration_ms) == ("node", "node_lost", 2000)
    assert (ruling.back is not None) == (on_doubt is RESEND)


def test_dead_keeps_all_that_remain():
    """They stay in the ledger, with their content, for who looks into it."""
    ruling = bury(make_job(recipients=2), "why", 0)
    assert states(ruling) == {0: S.DEAD, 1: S.DEAD}
    assert ruling.conclusion.parked is Parked.DEAD
    assert ruling.conclusion.remaining.recipients == (0, 1)


def test_postponed_counts_nothing():
    """No attempt, no event, the same fence."""
    job = make_job()
    ruling = postpone(job, 1000, 0)
    assert list(ruling.facts()) == []
    assert (ruling.conclusion.remaining, ruling.conclusion.due_ms, ruling.conclusion.changes) == (job, 1000, ())


OUTCOMES = st.lists(st.tuples(st.lists(st.integers(0, 6), max_size=4).map(tuple), st.sampled_from(Outcome)), max_size=6)


@given(
    st.sets(st.integers(0, 6), min_size=1),
    OUTCOMES,
    st.sampled_from(OnDoubt),
    st.integers(1, 40),
    st.floats(0, 1, exclude_max=True),
    st.integers(1, 10**8),
)
def test_every_ruling_is_whole(remaining: set[int], outcomes, on_doubt: OnDoubt, attempt: int, random: float, ttl_ms: int):
    """Each remaining recipient gets one change; all that go on have had the same events; who is final does not go on."""
    job = replace(make_job(on_doubt=on_doubt, ttl_ms=ttl_ms, attempt=attempt, events=attempt), recipients=tuple(sorted(remaining)))
    for ruling in (
        conclude(job, said(*outcomes), "n", job.accept_ms, BACKOFF, random),
        decide_doubt(job, "n", 0, 0, 3),
        expire(job, 0),
        bury(job, "why", 0),
        resend(job, None, 0),
    ):
        conclusion = ruling.conclusion
        changed = [index for change in conclusion.changes for index in change.indexes]
        assert sorted(changed) == list(job.recipients)
        facts = list(ruling.facts())
        assert sorted(fact.index for fact in facts) == list(job.recipients)
        assert {fact.sequence for fact in facts} == {job.events + 1}
        final = {index for index, state in states(ruling).items() if state.final and state is not S.DEAD}
        left = set(conclusion.remaining.recipients) if conclusion.remaining else set()
        assert left == remaining - final
        assert conclusion.fence == job.fence
        if conclusion.remaining:
            assert conclusion.remaining.events == job.events + 1
            assert conclusion.remaining.attempt == job.attempt + (conclusion.parked is None)
            assert conclusion.remaining.partial == (job.partial or bool(final))
        if conclusion.due_ms is not None:
            assert job.accept_ms < conclusion.due_ms < job.expire_ms


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_backoff(attempt: int, random: float):
    """Doubles from the first to the longest, with jitter of a fifth each way."""
    base = min(1_800_000, 60_000 * 2 ** min(attempt - 1, 30))
    assert 0.8 * base - 1 <= BACKOFF.wait(attempt, random) <= 1.2 * base


def deferred(job: Job, *replies: Reply, attempt: int = 1, random: float = 0.0) -> int:
    """Milliseconds until it is tried again."""
    tried = Tried(tuple(RecipientVerdict((index,), Outcome.DEFERRED, reply) for index, reply in enumerate(replies)))
    job = replace(job, attempt=attempt)
    ruling = conclude(job, tried, "node", job.accept_ms, BACKOFF, random)
    assert ruling.conclusion.due_ms is not None
    return ruling.conclusion.due_ms - job.accept_ms


def later(seconds: int, bounce_class: str = "rate_limited") -> Reply:
    """A server's no for now."""
    return Reply(Phase.RCPT, 450, "4.7.1", "", bounce_class, seconds)


def test_a_server_is_not_asked_sooner_than_it_wants():
    """Its word is stretched, never shortened; where the backoff is longer, that counts; several recipients wait for the last."""
    assert deferred(make_job(), later(600)) == 600_000
    assert deferred(make_job(), later(600), random=0.5) == 660_000
    assert deferred(make_job(), later(20)) == 48_000
    assert deferred(make_job(), later(600), attempt=6) == 1_440_000
    assert deferred(make_job(recipients=3), later(0), later(600), later(300)) == 600_000


def test_greylisting_ends_when_it_says():
    """That may be sooner than the backoff, but not for ever, and not where another recipient is deferred for another reason."""
    grey = later(20, "greylisted")
    assert deferred(make_job(), grey) == 20_000
    assert deferred(make_job(), grey, attempt=5) == 20_000
    assert deferred(make_job(), grey, attempt=6) == 1_440_000
    assert deferred(make_job(recipients=2), grey, later(0, "greylisted")) == 48_000
    assert deferred(make_job(recipients=2), grey, later(0)) == 48_000


def test_a_wish_beyond_the_ttl_is_not_followed():
    """The mail is tried at its own pace until its ttl is over, rather than given up unasked."""
    job = make_job()
    left = (job.expire_ms - job.accept_ms) // 1000
    assert deferred(job, later(left + 1)) == 48_000
    assert deferred(job, later(left - 1)) == (left - 1) * 1000
