"""Circuits open at a failure, let one dial try after a growing pause, and close when a connection is of use. The clock is a number."""

from __future__ import annotations

import pytest

from sender.pool.circuits import MOST, REFUSED_FIRST, REFUSED_LONGEST, REST_LONGEST, Circuits, Rest


@pytest.mark.parametrize(
    ("rest", "first", "longest"),
    [(Rest.SHORT, [1.0, 2.0, 4.0, 8.0], REST_LONGEST), (Rest.LONG, [30.0, 60.0, 120.0, 240.0], REFUSED_LONGEST)],
)
def test_pauses_grow_and_are_bounded(rest, first, longest):
    """Doubled with each failure in a row, up to the longest."""
    circuits, now, pauses = Circuits(), 0.0, []
    for _ in range(12):
        circuits.failed("host", now, now, 0.5, rest)
        pauses.append(circuits.rests_until("host") - now)
        now = circuits.rests_until("host")
    assert pauses[:4] == first
    assert pauses[-1] == longest
    assert pauses == sorted(pauses)


def test_jitter_is_a_quarter():
    """So that nodes do not come back in step."""
    for jitter, pause in ((0.0, 0.75), (0.5, 1.0), (0.999, 1.2495)):
        circuits = Circuits()
        circuits.failed("host", 5.0, 5.0, jitter)
        assert circuits.rests_until("host") == pytest.approx(5.0 + pause)


def test_dials_under_way_together_fail_once():
    """Eight dials that time out together are one failure, and only the first is news."""
    circuits = Circuits()
    assert [circuits.failed("host", 0.0, 10.0, 0.5) for _ in range(8)] == [True] + [False] * 7
    assert circuits.failures("host") == 1
    assert circuits.rests_until("host") == 11.0


def test_one_tries_and_the_others_wait_until_it_has_ended():
    """Come through: others may, at once. Failed: the next pause. Neither, since its task died: when it must have ended."""
    for end, until in ((lambda c: c.answered("host", 4.0), float("-inf")), (lambda c: c.failed("host", 2.0, 12.0, 0.5), 14.0),
                       (lambda c: None, 12.0)):  # fmt: skip
        circuits = Circuits()
        circuits.failed("host", 0.0, 0.0, 0.5)
        circuits.tried("host", 12.0)
        assert circuits.rests_until("host") == 12.0
        end(circuits)
        assert circuits.rests_until("host") == until


def test_only_a_connection_dialled_since_proves_anything():
    """An older one held before the failure too. Then the next failure is a first one again."""
    circuits = Circuits()
    circuits.failed("host", 10.0, 10.0, 0.5)
    circuits.proved("host", 5.0)
    circuits.answered("host", 5.0)
    assert (circuits.failures("host"), circuits.rests_until("host")) == (1, 11.0)
    circuits.proved("host", 11.5)
    assert circuits.failures("host") == 0
    circuits.failed("host", 20.0, 20.0, 0.5)
    assert circuits.rests_until("host") == 21.0


def test_keys_are_apart():
    """What one host does says nothing of another."""
    circuits = Circuits()
    circuits.failed("a", 0.0, 0.0, 0.5)
    circuits.tried("b", 9.0)
    assert (circuits.failures("b"), circuits.rests_until("b")) == (0, float("-inf"))


def test_memory_is_bounded():
    """What failed last is kept."""
    circuits = Circuits()
    for number in range(MOST + 10):
        circuits.failed(number, float(number), float(number), 0.5)
    assert repr(circuits) == f"<Circuits {MOST}>"
    assert [circuits.failures(number) for number in (0, 9, 10, MOST + 9)] == [0, 0, 1, 1]


def test_refusals_are_few():
    """A day of refused credentials: some hundred tries, not the thousands that an hourly lock-out counts."""
    circuits, now, tries = Circuits(), 0.0, 0
    while now < 86_400:
        circuits.failed("login", now, now, 0.5, Rest.LONG)
        now, tries = circuits.rests_until("login"), tries + 1
    assert now > REFUSED_FIRST * 2
    assert tries <= 101


def test_what_was_mended_may_be_tried_at_once():
    """By one dial: it is a suspect as before, and fails into the next longer pause."""
    circuits = Circuits()
    circuits.failed("host", 0.0, 0.0, 0.5, Rest.LONG)
    circuits.again()
    assert circuits.rests_until("host") < 0
    assert circuits.failures("host") == 1
    circuits.failed("host", 1.0, 1.0, 0.5, Rest.LONG)
    assert circuits.rests_until("host") == 61.0
