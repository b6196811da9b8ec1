"""Credit, the line for connections, and what an end of a transaction means."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailgate.mail import Lane
from mailgate.verdict import Outcome, Phase, RecipientVerdict, Reply, Tried
from sender.delivery.credit import credits_of
from sender.delivery.judge import is_dead_connection
from sender.delivery.work import Line, Work
from tests.unit.sender.delivery.conftest import FakeStream, make_offer


@given(st.integers(0, 10_000), st.integers(0, 100))
def test_credit(connections: int, streams: int):
    """Never none for a route that is known, never more than its share, and a part that only transactional mail has."""
    credit = credits_of({"out": connections}, streams)
    transactional, bulk = credit[Lane.TRANSACTIONAL, "out"], credit[Lane.BULK, "out"]
    assert 1 <= bulk < transactional
    assert transactional == 2 or transactional <= 2 * connections / max(1, streams)


def work(n: int, arrived: float, lane: Lane = Lane.BULK) -> Work:
    return Work(make_offer(n, lane=lane), FakeStream(), arrived)


def test_the_line_forgets_the_dropped():
    """They fall out when their turn comes."""
    line = Line()
    works = [work(n, n) for n in range(4)]
    for each in works:
        line.append(each)
    works[0].dropped = works[2].dropped = True
    assert line.pop() is works[1]
    line.push_back(works[1])
    assert [line.pop(), line.pop(), line.pop()] == [works[1], works[3], None]
    assert len(line) == 0


def test_the_overdue_leave_the_line():
    """The rest keeps its order; dropped ones are not told."""
    line = Line()
    works = [work(n, n, Lane.TRANSACTIONAL if n % 2 else Lane.BULK) for n in range(6)]
    for each in works:
        line.append(each)
    works[2].dropped = True
    assert {id(each) for each in line.overdue(3)} == {id(works[0]), id(works[1])}
    assert [line.pop() for _ in range(4)] == [works[3], works[5], works[4], None]


def ended(*verdicts: tuple[Outcome, Phase, int]) -> Tried:
    return Tried(tuple(RecipientVerdict((n,), outcome, Reply(phase, code)) for n, (outcome, phase, code) in enumerate(verdicts)))


def test_a_dead_connection():
    """Lost, or greeted with 421, before a word on the mail; whatever else was said is a verdict."""
    deferred, bounced = Outcome.DEFERRED, Outcome.BOUNCED
    for phase in (Phase.MAIL, Phase.RCPT, Phase.DATA):
        for code in (0, 421):
            assert is_dead_connection(ended((deferred, phase, code)))
    assert not is_dead_connection(ended((deferred, Phase.MAIL, 0), (bounced, Phase.RCPT, 550)))
    assert not is_dead_connection(ended((deferred, Phase.MAIL, 451)))
    assert not is_dead_connection(ended((deferred, Phase.BODY, 0)))
    assert not is_dead_connection(ended((deferred, Phase.CONNECT, 0)))
    assert not is_dead_connection(ended((Outcome.IN_DOUBT, Phase.BODY, 0)))
