"""Lanes in order, keys in turn, never beyond credit or octets; suspects alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.balancing.policies import make_picker
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
        self.feeder = Feeder(
            self.window, Losses(2, 3), Choice(lambda _: make_picker("least_connections", lambda: 0.5)), self.offer, lambda _job: True
        )

    def offer(self, member: Member, job: Job) -> None:
        member.hand.offer(job)
        self.offered.append((member.node_id, job))

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
