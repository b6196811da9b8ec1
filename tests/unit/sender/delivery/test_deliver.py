"""The node's half of promise 3: what is written on COMMIT, what is dropped, and what is kept until it is settled."""

from __future__ import annotations

import asyncio
import threading

import pytest

from mailgate.mail import Lane
from mailgate.rpc.jobs import decode_body
from mailgate.verdict import Expired, NotTried, Outcome, Phase, Reply, Tried
from sender.compose.message import LARGE
from sender.delivery import deliver
from sender.delivery.judge import PATIENCE, UNREACHABLE_AFTER
from sender.delivery.keep import Known
from sender.pool.relays import Trouble
from tests.unit.sender.delivery.conftest import ROUTE, Bench, dead, make_offer, tried


def test_a_mail_goes_its_way(bench: Bench):
    """Composed, started, READY, COMMIT, verdict, settled, forgotten."""
    fence = bench.offer()
    handoff = bench.ready()
    assert bench.stream.said == [("ready", fence)]
    assert bench.pool.committed == [], "the body's end waits for COMMIT"
    bench.delivery.commit(bench.stream, [fence])
    assert bench.pool.committed == [handoff]
    bench.delivery.done(handoff, tried(handoff))
    assert bench.stream.verdicts == [(fence, tried(handoff))]
    assert (bench.delivery.in_hand, bench.delivery.unsettled) == (0, 1)
    bench.delivery.settled([fence])
    assert bench.delivery.unsettled == 0
    bench.attach()
    assert bench.inventory == {}


@pytest.mark.parametrize(("after", "in_time"), [(0.0, True), (0.74, True), (0.76, False), (60.0, False)])
def test_a_commit_is_valid_for_750_ms(bench: Bench, after: float, in_time: bool):
    """On the clock that also runs while the process is stopped; a late one is answered EXPIRED, and nothing is written."""
    fence = bench.offer()
    handoff = bench.ready()
    bench.pass_(after)
    bench.delivery.commit(bench.stream, [fence])
    assert bench.pool.committed == ([handoff] if in_time else [])
    assert bench.pool.withdrawn == ([] if in_time else [handoff])
    assert bench.stream.verdicts == ([] if in_time else [(fence, Expired())])
    assert bench.delivery.tally.expired == (not in_time)


def test_a_node_that_is_stopped_amid_commits_ends_no_more_bodies(bench: Bench):
    """Each COMMIT's time is looked at by itself, though many come in one frame."""
    fences = [bench.offer(1), bench.offer(2)]
    mails = [bench.ready(0), bench.ready(1)]
    bench.pool.on_commit = lambda: bench.pass_(4.0)
    bench.delivery.commit(bench.stream, fences)
    assert (bench.pool.committed, bench.pool.withdrawn) == (mails[:1], mails[1:])
    assert bench.stream.verdicts == [(fences[1], Expired())]


def test_a_second_commit_writes_nothing(bench: Bench):
    """COMMIT of one READY acts once."""
    fence = bench.offer()
    bench.ready()
    bench.delivery.commit(bench.stream, [fence, fence])
    bench.delivery.commit(bench.stream, [fence])
    assert len(bench.pool.committed) == 1


def test_a_commit_before_ready_writes_nothing(bench: Bench):
    """It can only be for an earlier life of this attempt."""
    fence = bench.offer()
    bench.delivery.commit(bench.stream, [fence])
    bench.ready()
    assert bench.pool.committed == []
    bench.delivery.commit(bench.stream, [fence])
    assert len(bench.pool.committed) == 1


def test_a_lost_stream_drops_what_is_uncommitted_at_once(bench: Bench):
    """Waiting, under way, READY: all withdrawn; what is committed goes on."""
    bench.pool.idle = 3
    committed, ready, under_way, waiting = (bench.offer(n) for n in range(1, 5))
    bench.ready(0)
    bench.delivery.commit(bench.stream, [committed])
    bench.ready(1)
    bench.delivery.detach(bench.stream)
    assert [handoff.fence for handoff in bench.pool.withdrawn] == [ready, under_way]
    assert bench.delivery.in_hand == 1
    bench.pool.idle = 5
    bench.delivery.idle("out")
    assert waiting not in [handoff.fence for handoff in bench.pool.started]
    stream = bench.attach()
    assert bench.inventory == {committed: Known.COMMITTED}
    bench.delivery.done(bench.pool.started[0], tried(bench.pool.started[0]))
    assert [fence for fence, _ in stream.verdicts] == [committed]


def test_commits_of_an_old_stream_act_on_nothing(bench: Bench):
    """The gateway has a new stream, and the same attempt on it; a frame of the old one is read late."""
    fence = bench.offer()
    bench.ready()
    old = bench.stream
    bench.delivery.detach(old)
    bench.delivery.commit(old, [fence])
    new = bench.attach()
    bench.offer(stream=new)
    bench.ready()
    bench.delivery.commit(old, [fence])
    assert bench.pool.committed == []
    bench.delivery.commit(new, [fence])
    assert bench.pool.committed == [bench.pool.started[1]]


def test_a_late_word_of_a_dropped_handoff_counts_for_nothing(bench: Bench):
    """The pool's callback for the mail of the old stream must not speak for the same attempt on the new one."""
    fence = bench.offer()
    first = bench.pool.started[0]
    bench.delivery.detach(bench.stream)
    new = bench.attach()
    bench.offer(stream=new)
    bench.delivery.ready(first)
    bench.delivery.done(first, tried(first))
    assert new.said == []
    assert new.verdicts == []
    bench.delivery.commit(new, [fence])
    assert bench.pool.committed == []


@pytest.mark.parametrize("ready", [False, True])
def test_a_dead_connection_costs_no_attempt_once(bench: Bench, ready: bool):
    """Tried on another connection, before other mail; the second time it is a verdict."""
    bench.pool.idle = 1
    fence = bench.offer()
    other = bench.offer(2)
    if ready:
        bench.ready()
    bench.pool.idle = 1
    first = bench.pool.started[0]
    bench.delivery.done(first, dead(first))
    assert [handoff.fence for handoff in bench.pool.started] == [fence, fence]
    assert bench.stream.verdicts == []
    bench.delivery.commit(bench.stream, [fence])
    assert bench.pool.committed == [], "a COMMIT for the lost 354 acts on nothing"
    bench.ready()
    assert bench.stream.said[-1] == ("ready", fence)
    bench.pool.idle = 1
    second = bench.pool.started[1]
    bench.delivery.done(second, dead(second))
    assert bench.stream.verdicts == [(fence, dead(second))]
    bench.delivery.idle("out")
    assert bench.pool.started[-1].fence == other


@pytest.mark.parametrize(
    "ending",
    [
        (Outcome.DEFERRED, Phase.MAIL, 451),
        (Outcome.BOUNCED, Phase.RCPT, 550),
        (Outcome.DEFERRED, Phase.BODY, 0),
        (Outcome.DEFERRED, Phase.CONNECT, 0),
    ],
)
def test_what_a_server_has_said_is_a_verdict(bench: Bench, ending: tuple[Outcome, Phase, int]):
    """Only a connection on which nothing was said of the mail is tried again."""
    fence = bench.offer()
    handoff = bench.pool.started[0]
    bench.delivery.done(handoff, tried(handoff, *ending))
    assert bench.stream.verdicts == [(fence, tried(handoff, *ending))]
    assert len(bench.pool.started) == 1


def test_a_committed_mail_is_never_tried_again_here(bench: Bench):
    """Though the connection was dead before the end of the body got out."""
    fence = bench.offer()
    handoff = bench.ready()
    bench.delivery.commit(bench.stream, [fence])
    bench.delivery.done(handoff, dead(handoff))
    assert bench.stream.verdicts == [(fence, dead(handoff))]
    assert len(bench.pool.started) == 1


def test_a_verdict_is_kept_over_streams_until_it_is_settled(bench: Bench):
    """Told in every inventory of its gateway, and in no other's."""
    fence = bench.offer()
    handoff = bench.ready()
    bench.delivery.commit(bench.stream, [fence])
    bench.delivery.detach(bench.stream)
    bench.delivery.done(handoff, tried(handoff))
    for _ in range(3):
        stream = bench.attach()
        assert bench.inventory == {fence: Known.DONE}
        bench.delivery.detach(stream)
    bench.attach("another")
    assert bench.inventory == {}
    bench.attach()
    bench.delivery.settled([fence])
    bench.attach()
    assert bench.inventory == {}


def test_an_attempt_that_is_here_is_not_taken_twice(bench: Bench):
    """Offered again: while it is under way its verdict will come; when it is done it is told again."""
    fence = bench.offer()
    handoff = bench.ready()
    bench.offer()
    assert len(bench.pool.started) == 1
    bench.delivery.commit(bench.stream, [fence])
    bench.delivery.done(handoff, tried(handoff))
    bench.offer()
    assert bench.stream.verdicts == [(fence, tried(handoff))] * 2
    assert len(bench.pool.started) == 1


def test_lookup(bench: Bench):
    """HELD is dropped thereby, so that it can't be sent after the answer; the others are said as they are."""
    held, committed, done = (bench.offer(n) for n in (1, 2, 3))
    for place in range(3):
        bench.ready(place)
    bench.delivery.commit(bench.stream, [committed, done])
    bench.delivery.done(bench.pool.started[2], tried(bench.pool.started[2]))
    unknown = make_offer(9).fence
    bench.delivery.lookup(bench.stream, [held, committed, done, unknown])
    assert bench.stream.answers == [(held, Known.HELD), (committed, Known.COMMITTED), (done, Known.DONE), (unknown, Known.UNKNOWN)]
    bench.delivery.commit(bench.stream, [held])
    assert [handoff.fence for handoff in bench.pool.committed] == [committed, done]
    bench.delivery.lookup(bench.stream, [held])
    assert bench.stream.answers[-1] == (held, Known.UNKNOWN)


def test_withdraw_drops_what_is_uncommitted(bench: Bench):
    """And says so; what is committed is too late to withdraw."""
    first, second = bench.offer(1), bench.offer(2)
    bench.ready(0)
    bench.ready(1)
    bench.delivery.commit(bench.stream, [second])
    bench.delivery.withdraw(bench.stream, [first, second])
    assert bench.stream.said[2:] == [("withdrawn", first)]
    assert [handoff.fence for handoff in bench.pool.withdrawn] == [first]
    assert bench.offer(1) == first, "and may come again"
    assert len(bench.pool.started) == 3


def test_a_leaving_node_gives_back_what_is_uncommitted(bench: Bench):
    """Told on each stream; committed mail ends as usual; no credit while draining."""
    first, second = bench.offer(1), bench.offer(2)
    bench.ready(0)
    bench.ready(1)
    bench.delivery.commit(bench.stream, [second])
    bench.delivery.draining = True
    assert bench.delivery.credit(bench.stream) == bench.delivery.all_credit() == {}
    bench.delivery.drop_uncommitted()
    assert ("withdrawn", first) in bench.stream.said
    assert bench.delivery.in_hand == 1
    bench.delivery.done(bench.pool.started[1], tried(bench.pool.started[1]))
    assert bench.delivery.in_hand == 0


def test_an_undecodable_job_is_refused_alone(bench: Bench):
    """The others of its frame go on."""
    bad = make_offer(1)
    bad = type(bad)(bad.fence, bad.route, bad.lane, bad.remaining, b"\xff\xff\xff")
    good = make_offer(2)
    bench.delivery.offer(bench.stream, [bad, good])
    ((fence, verdict),) = bench.stream.verdicts
    assert fence == bad.fence
    assert isinstance(verdict, NotTried)
    assert verdict.hopeless
    assert [handoff.fence for handoff in bench.pool.started] == [good.fence]


def test_a_defect_of_compose_costs_one_job(bench: Bench):
    """Any exception: the node lives, the job is given up."""

    def broken(_: bytes, _content: bytes):
        raise ZeroDivisionError

    bench = Bench(bench.clocks, broken)
    fence = bench.offer()
    assert bench.stream.verdicts[0][0] == fence
    assert bench.stream.verdicts[0][1].hopeless


def test_a_route_that_is_not_known(bench: Bench):
    """Not tried, and not hopeless: it may come."""
    fence = bench.offer(route="new")
    assert bench.stream.verdicts == [(fence, NotTried("the route 'new' is not known here"))]


def test_only_those_who_remain_get_it(bench: Bench):
    """The others of the envelope have it already."""
    bench.offer(recipients=4, remaining=(1, 3))
    assert [recipient.index for recipient in bench.pool.started[0].recipients] == [1, 3]
    bench.offer(2, recipients=2, remaining=(7,))
    assert bench.stream.verdicts[0][1].hopeless


def test_transactional_goes_first(bench: Bench):
    """Among what waits for a connection."""
    bench.pool.idle = 0
    bulk = bench.offer(1)
    urgent = bench.offer(2, lane=Lane.TRANSACTIONAL)
    bench.pool.idle = 2
    bench.delivery.idle("out")
    assert [handoff.fence for handoff in bench.pool.started] == [urgent, bulk]


def test_credit_is_divided_and_ends_at_too_many_verdicts(bench: Bench, monkeypatch):
    """Twice the connections, shared by streams; nothing for a gateway that does not settle."""
    assert bench.delivery.credit(bench.stream) == {(Lane.TRANSACTIONAL, "out"): 20, (Lane.BULK, "out"): 18}
    other = bench.attach("another")
    assert bench.delivery.credit(bench.stream) == {(Lane.TRANSACTIONAL, "out"): 10, (Lane.BULK, "out"): 9}
    monkeypatch.setattr(deliver, "UNSETTLED_LIMIT", 1)
    fence = bench.offer()
    handoff = bench.pool.started[0]
    bench.delivery.done(handoff, tried(handoff, Outcome.BOUNCED, Phase.RCPT, 550))
    assert bench.delivery.credit(bench.stream) == {}
    assert bench.delivery.credit(other)
    bench.delivery.settled([fence])
    assert bench.delivery.credit(bench.stream)


class TestSweep:
    """What waits too long."""

    async def test_an_unreachable_relay_is_the_verdict(self, bench: Bench):
        """After UNREACHABLE_AFTER: DEFERRED with what the last dial came to, and where."""
        bench.pool.idle = 0
        fence = bench.offer(recipients=2)
        reply = Reply(Phase.CONNECT, 0, text="connection refused", bounce_class="connect")
        bench.pool.in_trouble = Trouble(reply, "mx", "192.0.2.1", since=bench.clocks.now)
        bench.pass_(UNREACHABLE_AFTER - 0.1)
        bench.delivery.look_round()
        assert bench.stream.verdicts == []
        bench.pass_(0.2)
        bench.delivery.look_round()
        ((told, verdict),) = bench.stream.verdicts
        assert told == fence
        assert isinstance(verdict, Tried)
        assert (verdict.remote_host, verdict.remote_address) == ("mx", "192.0.2.1")
        (each,) = verdict.recipients
        assert (each.indexes, each.outcome, each.reply) == ((0, 1), Outcome.DEFERRED, reply)

    async def test_what_this_node_lacks_is_no_attempt(self, bench: Bench):
        """Another node may have it: the job goes back with the next look, for no fault of the node's, which has what other routes need.

        While a dial finds out anew it waits here.
        """
        bench.pool.idle = 0
        fence = bench.offer()
        reply = Reply(Phase.AUTH, 0, text="the secret is not known here", bounce_class="auth")
        until = bench.clocks.now + 30
        bench.pool.in_trouble = Trouble(reply, "mx", "", since=0.0, rests_until=until, of_node=True)
        bench.delivery.look_round()
        assert bench.stream.verdicts == [(fence, NotTried("not dialled for 30 s after a failure: the secret is not known here"))]
        bench.pass_(30.1)
        bench.offer(2)
        bench.delivery.look_round()
        assert len(bench.stream.verdicts) == 1

    async def test_a_short_trouble_costs_no_attempt(self, bench: Bench):
        """A job that has waited for a busy connection is not deferred because a dial failed a moment ago."""
        bench.pool.idle = 0
        bench.offer()
        bench.pass_(10)
        bench.pool.in_trouble = Trouble(Reply(Phase.CONNECT), "mx", "", since=bench.clocks.now)
        bench.pass_(0.3)
        bench.delivery.look_round()
        assert bench.stream.verdicts == []
        bench.pass_(UNREACHABLE_AFTER - 0.2)
        bench.delivery.look_round()
        assert len(bench.stream.verdicts) == 1

    async def test_no_connection_for_long_gives_the_job_back(self, bench: Bench):
        """Not tried: another node may have a connection."""
        bench.pool.idle = 0
        fence = bench.offer()
        bench.pass_(PATIENCE - 1)
        bench.delivery.look_round()
        assert bench.stream.verdicts == []
        bench.pass_(2)
        bench.delivery.look_round()
        ((told, verdict),) = bench.stream.verdicts
        assert told == fence
        assert isinstance(verdict, NotTried)
        assert not verdict.hopeless
        bench.pool.idle = 1
        bench.delivery.idle("out")
        assert bench.pool.started == []

    async def test_who_waits_asks_again(self, bench: Bench):
        """The connection that was dialled for it may have failed, and on a route that keeps none warm nobody else would ask."""
        bench.pool.idle = 0
        fence = bench.offer()
        bench.pool.idle = 1
        bench.delivery.look_round()
        assert [handoff.fence for handoff in bench.pool.started] == [fence]

    async def test_what_is_under_way_is_not_swept(self, bench: Bench):
        """The pool has deadlines of its own for it."""
        bench.offer()
        bench.pass_(3600)
        bench.delivery.look_round()
        assert bench.stream.verdicts == []


def composing() -> list[asyncio.Task[None]]:
    """The tasks of large mails."""
    return [task for task in asyncio.all_tasks() if task.get_name() == "compose"]


class TestLarge:
    """Composed in a thread, so that the loop is not held up."""

    async def test_it_is_composed_off_the_loop(self, bench: Bench):
        """And goes the usual way then."""
        threads: list[str] = []

        def noting(data: bytes, content: bytes):
            threads.append(threading.current_thread().name)
            return decode_body(data, content)

        bench = Bench(bench.clocks, noting)
        fence = bench.offer(size=LARGE + 100)
        assert bench.pool.started == []
        await asyncio.gather(*composing())
        await asyncio.sleep(0)
        assert [handoff.fence for handoff in bench.pool.started] == [fence]
        assert threads != [threading.main_thread().name]

    @pytest.mark.parametrize("how", ["detach", "withdraw", "drop", "lookup"])
    async def test_dropped_while_it_is_composed(self, bench: Bench, how: str):
        """It is not started after all, and a new offer of it is another matter."""
        fence = bench.offer(size=LARGE + 100)
        under_way = composing()
        match how:
            case "detach":
                bench.delivery.detach(bench.stream)
            case "withdraw":
                bench.delivery.withdraw(bench.stream, [fence])
            case "drop":
                bench.delivery.drop_uncommitted()
            case "lookup":
                bench.delivery.lookup(bench.stream, [fence])
        bench.stream = bench.attach()
        bench.offer()
        await asyncio.gather(*under_way)
        assert len(bench.pool.started) == 1
        assert bench.delivery.in_hand == 1

    async def test_closing_does_not_wait_for_it(self, bench: Bench):
        """Nor leave a task behind."""
        bench.offer(size=LARGE + 100)
        await bench.delivery.close()
        assert composing() == []
        assert bench.pool.started == []


def test_gateways_hear_at_once_of_a_way_that_is_open(bench):
    """Until then they give two jobs, for a trial: a new node would wait for its next report with a quarter of a second of mail."""
    other = bench.attach("h")
    before = bench.stream.told_news, other.told_news
    bench.delivery.idle(ROUTE)
    bench.delivery.idle(ROUTE)
    assert (bench.stream.told_news, other.told_news) == (before[0] + 1, before[1] + 1)
