"""The hand neither loses nor doubles a job, whatever happens in whatever order."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gateway.dispatch.hand import Hand
from mailgate.job import Fence
from mailgate.mail import Lane
from tests.unit.gateway.dispatch.world import ROUTE, make_job

ACTIONS = ("offer", "begin", "commit", "settle", "take_back", "adopt", "lose", "stale", "amend")


@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(1, 6)), max_size=80))
def test_a_random_walk(steps: list[tuple[str, int]]):  # noqa: C901, PLR0912  # a case each action
    """Against a plain model: each job is in one state, counts and octets follow, and a fence is committed once."""
    hand = Hand(10_000)
    jobs = {n: make_job(n, octets=50 + n, key=f"k{n % 2}") for n in range(1, 7)}
    states: dict[int, str] = {}
    for action, n in steps:
        job = jobs[n]
        state = states.get(n)
        match action:
            case "offer" if state is None:
                hand.offer(job)
                states[n] = "offered"
            case "adopt" if state is None:
                hand.adopt(job)
                states[n] = "committed"
            case "begin":
                assert (hand.begin(job.fence) is job) == (state == "offered")
                states.update({n: "begun"} if state == "offered" else {})
            case "commit":
                assert (hand.commit(job.fence) is job) == (state == "begun")
                states.update({n: "committed"} if state == "begun" else {})
            case "settle":
                assert (hand.settle(job.fence) is job) == (state is not None)
                states.pop(n, None)
            case "take_back":
                assert (hand.take_back(job.fence) is job) == (state in ("offered", "begun"))
                if state != "committed":
                    states.pop(n, None)
            case "amend":
                changed = hand.amend(job.id, lambda job: replace(job, losses=job.losses + 1))
                assert (changed is not None) == (state == "offered")
                jobs[n] = changed or job
            case "stale":
                other = Fence(job.id, job.attempt + 1)
                for act in (hand.begin, hand.commit, hand.settle):
                    assert act(other) is None
                if state != "committed":
                    assert hand.take_back(other) is None
            case "lose":
                loss = hand.lose()
                told = {"offered": loss.unsent, "begun": loss.begun, "committed": loss.doubtful}
                for name, lost in told.items():
                    assert {job.id for job in lost} == {jobs[n].id for n, state in states.items() if state == name}
                states.clear()
        assert len(hand) == len(states)
        assert hand.size == sum(jobs[n].size for n in states)
        assert hand.committed == sum(state == "committed" for state in states.values())
        for each, job in jobs.items():
            assert hand.has_committed(job.fence) == (states.get(each) == "committed")
            assert hand.is_begun(job.fence) == (states.get(each) == "begun")


def test_credit_is_absolute_and_shared_by_the_lanes():
    """Room is the lane's credit less the key's jobs of both lanes: what only one lane has stays free for it."""
    hand = Hand(10_000)
    hand.grant({(Lane.TRANSACTIONAL, ROUTE): 10, (Lane.BULK, ROUTE): 9})
    for n in range(9):
        hand.offer(make_job(n, lane=Lane.BULK))
    assert hand.room(Lane.BULK, ROUTE) == 0
    assert hand.room(Lane.TRANSACTIONAL, ROUTE) == 1
    assert hand.room(Lane.TRANSACTIONAL, "elsewhere") == 0
    hand.grant({(Lane.TRANSACTIONAL, ROUTE): 2})
    assert hand.room(Lane.TRANSACTIONAL, ROUTE) == 0, "less credit than jobs means no room, never less than none"
    hand.lose()
    assert hand.room(Lane.TRANSACTIONAL, ROUTE) == 0, "the credit of a lost node is gone"


def test_octets_bound_what_is_in_hand():
    """At the bound there is no room; a job larger than the bound is admitted to an empty hand only."""
    hand = Hand(1000)
    hand.grant({(Lane.TRANSACTIONAL, ROUTE): 10})
    huge = make_job(1, octets=5000)
    assert hand.admits(huge)
    small = make_job(2, octets=600)
    hand.offer(small)
    assert not hand.admits(huge)
    assert not hand.admits(make_job(3, octets=600))
    assert hand.admits(make_job(4, octets=400))
    hand.offer(make_job(4, octets=400))
    assert hand.room(Lane.TRANSACTIONAL, ROUTE) == 0
    hand.settle(small.fence)
    assert hand.room(Lane.TRANSACTIONAL, ROUTE) == 9


def test_large_mails_of_a_slow_site_leave_room_for_others():
    """Half of the octets for a site key at most; whoever has nothing gets one job in spite of full hands."""
    hand = Hand(1000)
    hand.grant({(Lane.TRANSACTIONAL, key): 10 for key in ("slow", "slower", "quick")})
    hand.offer(make_job(1, key="slow", octets=500))
    assert hand.room(Lane.TRANSACTIONAL, "slow") == 0
    assert hand.room(Lane.TRANSACTIONAL, "quick") == 10
    hand.offer(make_job(2, key="slower", octets=500))
    small = make_job(3, key="quick")
    assert hand.room(Lane.TRANSACTIONAL, "quick") == 1
    assert hand.admits(small)
    hand.offer(small)
    assert hand.room(Lane.TRANSACTIONAL, "quick") == 0
    assert not hand.admits(make_job(4, key="quick"))
    hand.settle(small.fence)
    assert hand.room(Lane.TRANSACTIONAL, "quick") == 1
    assert not hand.admits(make_job(5, key="quick", octets=1100)), "twice the bound is the end"


def test_a_key_by_mx_that_is_not_listed_has_what_its_route_gives_each():
    """One that is listed has its own, also none; a route's own name is no such key."""
    hand = Hand(10_000)
    lane = Lane.BULK
    hand.grant({(lane, "direct/"): 2, (lane, "direct/big"): 7, (lane, "direct/slow"): 0, (lane, "out"): 3})
    rooms = {key: hand.room(lane, key) for key in ("direct/a.example", "direct/big", "direct/slow", "out", "other/a.example", "direct")}
    assert rooms == {"direct/a.example": 2, "direct/big": 7, "direct/slow": 0, "out": 3, "other/a.example": 0, "direct": 0}
    assert {key for key in rooms if hand.has_credit(lane, key)} == {"direct/a.example", "direct/big", "out"}
    hand.offer(make_job(1, lane=lane, key="direct/a.example", route="direct"))
    assert hand.room(lane, "direct/a.example") == 1
    assert hand.room(lane, "direct/b.example") == 2
    assert hand.room(Lane.TRANSACTIONAL, "direct/b.example") == 0
