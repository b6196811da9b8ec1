"""Recovered jobs wait for the inventories, new mail does not, and what a node claims never goes out again."""

from __future__ import annotations

from gateway.dispatch.recovery import Recovery
from tests.unit.gateway.dispatch.world import after, make_job

OLD, NEW = make_job(1, accept_ms=100), make_job(2, accept_ms=200)


def test_after_a_clean_stop_nothing_waits():
    """There is nothing that anybody could claim."""
    recovery = Recovery(None, 150)
    assert list(recovery.sift([OLD, NEW])) == [OLD, NEW]
    assert list(recovery.over(10**9)) == []


def test_recovered_jobs_wait_once():
    """Until the time is over, and then all at once, and never again."""
    recovery = Recovery(5.0, 150)
    assert list(recovery.sift([OLD, NEW])) == [NEW]
    assert len(recovery) == 1
    assert list(recovery.over(4.9)) == []
    assert list(recovery.over(5.0)) == [OLD]
    assert list(recovery.over(6.0)) == []
    assert list(recovery.sift([OLD])) == [OLD]


def test_a_claim_takes_it_out_of_what_waits():
    """It is the node's."""
    recovery = Recovery(5.0, 150)
    recovery.sift([OLD])
    recovery.claim(OLD)
    assert list(recovery.over(5.0)) == []


def test_a_claim_that_comes_before_the_queue_brings_the_job():
    """It is dropped when it comes, once: a later attempt is another matter."""
    recovery = Recovery(None, 150)
    recovery.claim(OLD)
    again = after(OLD, attempt=2)
    assert list(recovery.sift([OLD, again])) == [again]
    assert list(recovery.sift([OLD])) == [OLD]


def test_what_waits_is_counted_by_key():
    """It takes room from its own key alone: the new mail of others need not wait for it."""
    recovery = Recovery(5.0, 150)
    recovery.sift([OLD, make_job(3, accept_ms=100, key="other"), NEW])
    assert recovery.of(OLD.lane, OLD.site_key) == (1, OLD.size)
    recovery.claim(OLD)
    assert recovery.of(OLD.lane, OLD.site_key) == (0, 0)
    assert recovery.of(OLD.lane, "other")[0] == 1
    recovery.over(5.0)
    assert recovery.of(OLD.lane, "other") == (0, 0)
