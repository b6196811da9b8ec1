"""How many connections are wanted: what Little's law asks of a demand that comes and goes, and what a server bears."""

from __future__ import annotations

from math import ceil, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sender.pool.sizing import CALM, RECOVER, Sizing


def walk(sizing: Sizing, start: float, seconds: int, rate: float, held: float) -> float:
    """So many arrivals a second, each held so long; the time afterwards."""
    for _ in range(seconds):
        start += 1.0
        sizing.used += rate * held
        sizing.look(start, 0)
    return start


@pytest.mark.parametrize(("rate", "held"), [(10, 0.04), (100, 0.05), (2000, 0.04), (1, 5.0)])
def test_littles_law(rate: float, held: float):
    """Arrivals a second times seconds held, and twice the square root of that."""
    sizing = Sizing(2, 500)
    walk(sizing, 0.0, 3, rate, held)
    needed = rate * held
    assert sizing.wanted == max(2, ceil(needed + 2 * sqrt(needed)))


def test_fast_up_slow_down():
    """At once; and by half a second."""
    sizing = Sizing(2, 500)
    now = walk(sizing, 0.0, 2, 2000, 0.04)
    assert sizing.wanted == 98
    now = walk(sizing, now, 1, 0, 0)
    assert sizing.wanted == 49
    now = walk(sizing, now, 6, 0, 0)
    assert sizing.wanted == 2


def test_what_is_held_for_long_counts_before_it_is_freed():
    """A body that takes a minute is a connection in use for a minute."""
    sizing = Sizing(2, 500)
    sizing.look(1.0, 30)
    assert sizing.wanted == ceil(30 + 2 * sqrt(30))


def test_what_was_asked_for_is_dialled_before_it_is_given_up():
    """Where nothing is kept warm a mail asks for the first connection, and the look that comes with the plan would forget it at once."""
    sizing = Sizing(0, 20)
    sizing.look(0.0, 0)
    sizing.missed(0)
    sizing.look(1.5, 0)
    assert sizing.wanted == 1
    sizing.look(3.0, 0)
    assert sizing.wanted == 0


def test_a_server_that_has_enough():
    """Three quarters of what was open; a burst of such words is one; a twentieth more each RECOVER, until all may be again."""
    sizing = Sizing(2, 100)
    sizing.wanted = 100
    for word in range(5):
        sizing.too_many(10.0 + word * CALM / 10, 40)
    assert (sizing.most, sizing.wanted) == (30, 30)
    sizing.missed(30)
    assert sizing.wanted == 30
    sizing.too_many(12.0, 30)
    assert sizing.most == 22
    risen = []
    for step in range(1, 17):
        sizing.look(12.0 + step * RECOVER, 100)
        risen.append(sizing.most)
    assert risen[:3] == [27, 32, 37]
    assert risen[-1] == sizing.wanted == 100


def test_the_last_connection_is_never_taken():
    """However often it is said."""
    sizing = Sizing(2, 100)
    for second in range(20):
        sizing.too_many(second * 2.0, sizing.most)
    assert sizing.most == sizing.least == 1


@given(st.integers(0, 50), st.integers(1, 50), st.lists(st.tuples(st.sampled_from("mlt"), st.floats(0, 30), st.integers(0, 60))))
def test_it_stays_within_bounds(least: int, most: int, history: list[tuple[str, float, int]]):
    """Whatever happens: never above what may be, nor below what is kept."""
    sizing, now = Sizing(least, most), 0.0
    for what, seconds, count in history:
        now += seconds
        if what == "m":
            sizing.missed(count)
        elif what == "l":
            sizing.look(now, count)
        else:
            sizing.too_many(now, count)
        assert 1 <= sizing.most <= most
        assert min(sizing.least, sizing.most) <= sizing.wanted <= sizing.most
