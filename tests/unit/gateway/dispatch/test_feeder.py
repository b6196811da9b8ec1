"""Lanes in order, keys in turn, never beyond credit or octets; suspects alone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.balancing.policies import make_picker
from gateway.dispatch import awake
from gateway.dispatch.choice import Choice
from gateway.dispatch.feeder import Feeder
from gateway.dispatch.link import Load
from gateway.dispatch.losses import Losses
from gateway.dispatch.member import Member
from gateway.dispatch.window import Window
from gateway.registry.port import NodeRecord
from mailgate.job import Job
from mailgate.mail import Lane
from tests.unit.gateway.dispatch.world import make_job


class Fed:
    """A feeder and what it offered."""

    def __init__(self) -> None:
        self.window = Window(100_000, 10**9)
        self.offered: list[tuple[str, Job]] = []
        self.in_hand: list[tuple[str, Job]] = []
        self.feeder = Feeder(
            self.window, Losses(2, 3), Choice(lambda _: make_picker("least_connections", lambda: 0.5)), self.offer, lambda _job: True
        )

    def offer(self, member: Member, job: Job) -> None:
        member.hand.offer(job)
        self.offered.append((member.node_id, job))
        self.in_hand.append((member.node_id, job))

    def order(self) -> list[int]:
        return [int.from_bytes(job.id[:16], "big") for _, job in self.offered]


def member(node_id: str, credit: dict[tuple[Lane, str], int], octets: int = 10**6) -> Member:
    """A node that is READY with this credit."""
    made = Member(NodeRecord(node_id, b"b" * 16, "h:1", "1"), octets)
    made.joined(b"b" * 16, "1")
    made.report(Load(False, 1, 0, credit))
    return made


def both(key: str, jobs: int) -> dict[tuple[Lane, str], int]:
    return {(lane, key): jobs for lane in Lane}


KEYS = [f"direct/d{number}" for number in range(4)]
STEPS = st.one_of(
    st.tuples(st.just("put"), st.sampled_from(KEYS), st.sampled_from(list(Lane)), st.sampled_from([10, 200, 600])),
    st.tuples(st.just("settle"), st.integers(0, 50)),
    st.tuples(st.just("credit"), st.sampled_from(KEYS), st.integers(0, 4)),
    st.tuples(st.just("lose"), st.booleans()),
    st.tuples(st.just("stop"), st.booleans()),
)


def do(fed: Fed, members: list[Member], serial: int, step: tuple) -> None:
    match step:
        case ("put", key, lane, octets):
            fed.window.put([make_job(10 * serial + n, key=key, route="direct", lane=lane, octets=octets) for n in range(5)])
        case ("settle", number) if fed.in_hand:
            node, job = fed.in_hand.pop(number % len(fed.in_hand))
            members["ab".index(node)].hand.settle(job.fence)
        case ("credit", key, jobs):
            for each in members:
                each.report(Load(False, 1, 0, both("direct/", 1) | both(key, jobs)))
        case ("lose", which):
            members[which].hand.lose()
            members[which].report(Load(False, 1, 0, both("direct/", 1)))
            fed.in_hand = [(node, job) for node, job in fed.in_hand if node != members[which].node_id]
        case ("stop", which):
            members[which].quiet = not members[which].quiet
    fed.feeder.feed(members, 0.0)


@settings(max_examples=300)
@given(st.lists(STEPS, max_size=60))
def test_a_look_at_few_keys_finds_what_a_look_at_all_does(steps: list[tuple]):
    """In the same order, however keys got their room; the clock stands still, so that there is no other look at all of them."""
    found = []
    for few in (0, 1000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(awake, "FEW", few)
            fed, members = Fed(), [member(each, both("direct/", 1), octets=1000) for each in "ab"]
            for serial, step in enumerate(steps, 1):
                do(fed, members, serial, step)
            found.append([(node, job.id) for node, job in fed.offered])
    assert found[0] == found[1]


@pytest.fixture
def picky(monkeypatch: pytest.MonkeyPatch) -> Fed:
    """It looks at all keys only where it must."""
    monkeypatch.setattr(awake, "FEW", 0)
    return Fed()


@pytest.mark.parametrize(("first", "other"), [(1000, 10), (600, 500)], ids=["full", "too full for it"])
def test_octets_that_become_free_are_every_keys(picky: Fed, first: int, other: int):
    """Of whichever key the job was that has gone."""
    node = member("a", both("big", 5) | both("other", 5), octets=1000)
    node.hand.offer(small := make_job(9, key="other"))
    node.hand.offer(big := make_job(1, key="big", octets=first))
    picky.window.put([make_job(2, key="other", octets=other), make_job(3, key="none")])
    picky.feeder.feed([node], 0.0)
    assert picky.order() == []
    node.hand.settle(big.fence)
    picky.feeder.feed([node], 0.0)
    assert picky.order() == [2]
    assert small.id in node.hand.ids


def test_a_key_that_is_not_listed_any_more_has_what_each_other_has(picky: Fed):
    """It had nothing until now."""
    node = member("a", both("direct/", 1) | both("direct/x", 0))
    picky.window.put([make_job(1, key="direct/x"), make_job(2, key="none")])
    picky.feeder.feed([node], 0.0)
    assert picky.order() == []
    node.report(Load(False, 1, 0, both("direct/", 1)))
    picky.feeder.feed([node], 0.0)
    assert picky.order() == [1]


def test_what_yields_is_asked_for_again(picky: Fed):
    """It has room, and waits for younger ones."""
    node, yields = member("a", both("out", 5)), True
    picky.feeder = Feeder(
        picky.window,
        Losses(2, 3),
        Choice(lambda _: make_picker("least_connections", lambda: 0.5)),
        picky.offer,
        lambda _: not yields,
    )
    picky.window.put([make_job(1), make_job(2, key="none")])
    for _ in range(3):
        picky.feeder.feed([node], 0.0)
    assert picky.order() == []
    yields = False
    picky.feeder.feed([node], 0.0)
    assert picky.order() == [1]


def test_those_that_are_looked_at_keep_their_turns(picky: Fed):
    """First the one that has waited longer for its turn, whatever it is called."""
    node = member("a", both("a", 1) | both("b", 1) | both("c", 1))
    picky.window.put([make_job(n, key=key) for n, key in enumerate("bacbac", 1)])
    picky.feeder.feed([node], 0.0)
    assert picky.order() == [1, 2, 3]
    for _, job in picky.offered[:2]:
        node.hand.settle(job.fence)
    picky.feeder.feed([node], 0.0)
    assert picky.order()[3:] == [4, 5]


def test_in_time_all_keys_are_looked_at():
    """Whatever nobody has told."""
    credit = both("direct/", 1) | both("direct/mx0", 0)
    fed, node = Fed(), member("a", credit)
    fed.window.put([make_job(n + 1, key=f"direct/mx{n}", route="direct") for n in range(2 * awake.FEW)])
    fed.feeder.feed([node], 0.0)
    fed.window.put([make_job(1000 + n, key=f"direct/mx{n + 1}", route="direct") for n in range(2 * awake.FEW)])
    credit |= both("direct/mx0", 1)
    fed.feeder.feed([node], 0.0)
    assert 1 not in fed.order()
    fed.feeder.feed([node], 3 * awake.FEW * awake.WALK)
    assert fed.order()[-1] == 1


def test_transactional_first():
    """However long bulk has waited."""
    fed = Fed()
    fed.window.put([make_job(1, lane=Lane.BULK), make_job(2, lane=Lane.BULK), make_job(3)])
    fed.feeder.feed([member("a", both("out", 2))], 0.0)
    assert fed.order() == [3, 1]


def test_a_key_without_credit_holds_up_nobody():
    """Its jobs wait; the others of the lane go."""
    fed = Fed()
    fed.window.put([make_job(1, key="slow"), make_job(2, key="quick")])
    fed.feeder.feed([member("a", both("quick", 5))], 0.0)
    assert fed.order() == [2]


def test_keys_share_the_octets_in_hand():
    """Large mail of one key fills half of the hand; the other half is another key's, though the first has jobs left."""
    fed = Fed()
    fed.window.put([make_job(n, key="big", octets=400) for n in range(1, 9)])
    fed.window.put([make_job(n, key="other", octets=400) for n in range(11, 14)])
    node = member("a", both("big", 10) | both("other", 10), octets=800)
    fed.feeder.feed([node], 0.0)
    assert fed.order() == [1, 11]
    for _, job in list(fed.offered):
        node.hand.settle(job.fence)
    fed.feeder.feed([node], 0.0)
    assert fed.order()[2:] == [2, 12]


def test_many_jobs_of_a_key_do_not_keep_others_waiting():
    """A turn is bounded: the second key is served before the first is done."""
    fed = Fed()
    fed.window.put([make_job(n, key="many") for n in range(1, 201)])
    fed.window.put([make_job(1000, key="few")])
    fed.feeder.feed([member("a", both("many", 500) | both("few", 5))], 0.0)
    assert fed.order().index(1000) <= 64
    assert len(fed.order()) == 201


def test_a_large_job_goes_where_it_fits():
    """The node that would be picked has no octets left for it: the next one has."""
    fed = Fed()
    first, second = member("a", both("out", 5), octets=1000), member("b", both("out", 5), octets=1000)
    second.hand.offer(make_job(90, octets=20))
    first.hand.offer(make_job(91, octets=900))
    second.hand.offer(make_job(92, octets=20))
    fed.window.put([make_job(1, octets=500)])
    fed.feeder.feed([first, second], 0.0)
    assert [(node, job.id[15]) for node, job in fed.offered] == [("b", 1)]


def test_a_lone_suspect_keeps_one_node_quiet_and_only_one():
    """The least busy of those that take its key; the others go on."""
    fed = Fed()
    busy, idle = member("a", both("out", 5)), member("b", both("out", 5))
    busy.hand.offer(make_job(90))
    idle.hand.offer(make_job(91))
    busy.hand.offer(make_job(92))
    fed.feeder.put([make_job(1, losses=2), make_job(2, losses=2)])
    fed.window.put([make_job(3), make_job(4)])
    fed.feeder.feed([busy, idle], 0.0)
    assert [(node, job.id[15]) for node, job in fed.offered] == [("a", 3), ("a", 4)]
    idle.hand.settle(make_job(91).fence)
    fed.feeder.feed([busy, idle], 0.0)
    assert fed.offered[2:] == [("b", make_job(1, losses=2))]
    idle.hand.settle(make_job(1).fence)
    fed.feeder.feed([busy, idle], 0.0)
    assert fed.order()[3:] == [2], "one at a time"
    idle.hand.settle(make_job(2).fence)
    fed.window.put([make_job(5)])
    fed.feeder.feed([busy, idle], 0.0)
    assert fed.offered[-1][0] == "b", "the quiet is over"
    assert fed.feeder.alone == 0


def test_a_quiet_node_that_leaves_frees_the_suspects():
    """It drains: another node is chosen."""
    fed = Fed()
    first, second = member("a", both("out", 5)), member("b", both("out", 5))
    first.hand.offer(make_job(90))
    second.hand.offer(make_job(91))
    second.hand.offer(make_job(92))
    fed.feeder.put([make_job(1, losses=2)])
    fed.feeder.feed([first, second], 0.0)
    assert (first.quiet, second.quiet) == (True, False)
    first.report(Load(True, 1, 0, {}))
    second.hand.lose()
    second.report(Load(False, 1, 0, both("out", 5)))
    fed.feeder.feed([first, second], 0.0)
    fed.feeder.feed([first, second], 0.0)
    assert [(node, job.id[15]) for node, job in fed.offered] == [("b", 1)]


@given(
    st.lists(st.tuples(st.sampled_from(list(Lane)), st.integers(0, 3), st.integers(11, 400), st.integers(0, 3)), max_size=60),
    st.lists(st.tuples(st.integers(0, 8), st.integers(100, 3000)), min_size=1, max_size=4),
)
def test_never_beyond_credit_or_octets(mails, nodes):
    """Whatever waits and whoever takes it: a job is offered once or waits, and every node stays within its bounds."""
    fed = Fed()
    jobs = [make_job(n, lane=lane, key=f"k{key}", octets=octets, losses=losses) for n, (lane, key, octets, losses) in enumerate(mails, 1)]
    fed.feeder.put(jobs)
    members = [
        member(f"n{n}", {(lane, f"k{key}"): credit - (lane is Lane.BULK) for lane in Lane for key in range(3)}, octets)
        for n, (credit, octets) in enumerate(nodes)
    ]
    fed.feeder.feed(members, 0.0)
    offered = {job.id for _, job in fed.offered}
    assert len(offered) == len(fed.offered)
    assert len(offered) + len(fed.window) + fed.feeder.alone == len(jobs)
    for node, (credit, octets) in zip(members, nodes, strict=True):
        mine = [job for node_id, job in fed.offered if node_id == node.node_id]
        assert len(mine) == 1 or node.hand.size <= 2 * octets
        for key in range(4):
            of_key = [job for job in mine if job.site_key == f"k{key}"]
            assert len(of_key) <= (credit if key < 3 else 0)
            assert sum(job.lane is Lane.BULK for job in of_key) <= max(0, credit - 1)
        if any(job.losses >= 2 for job in mine):
            assert len(mine) == 1


def test_a_node_that_does_not_end_what_it_has_is_kept_quiet_for_some_seconds():
    """A relay that answers nobody: the least busy node waits for three seconds, gets jobs again for ten, and then waits anew."""
    fed = Fed()
    stalled, full = member("a", both("out", 2)), member("b", both("out", 9))
    fed.window.put([make_job(number) for number in range(1, 7)])
    fed.feeder.feed([stalled, full], 0.0)
    assert (len(stalled.hand), len(full.hand)) == (1, 5)
    fed.feeder.put([make_job(50, losses=2)])
    quiet_at = []
    for tenth in range(200):
        fed.feeder.feed([stalled, full], tenth / 10)
        if stalled.quiet:
            quiet_at.append(tenth)
        assert not full.quiet
    assert quiet_at == [*range(30), *range(130, 160)]
    assert fed.feeder.alone == 1
    for index, job in fed.offered[:6]:
        if index == "a":
            stalled.hand.settle(job.fence)
    fed.feeder.feed([stalled, full], 30.0)
    assert fed.offered[-1] == ("a", make_job(50, losses=2))


def test_a_suspect_that_hangs_does_not_keep_its_node():
    """It runs alone for three seconds; by then it has been composed, and its node is fed again beside it."""
    fed = Fed()
    node = member("a", both("out", 9))
    fed.feeder.put([make_job(50, losses=2)])
    fed.feeder.feed([node], 0.0)
    fed.window.put([make_job(1)])
    fed.feeder.feed([node], 2.9)
    assert fed.order() == [50]
    fed.feeder.feed([node], 3.1)
    assert fed.order() == [50, 1]
