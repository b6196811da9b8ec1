"""What a node did of late."""

from __future__ import annotations

import pytest

from gateway.dispatch.lately import BOUNDS, WINDOW, Lately


def test_quantiles_are_of_the_last_seconds():
    """Right to some ten per cent, and what is longer ago than the window counts no more."""
    lately = Lately()
    lately.look(100.0, 0)
    for _ in range(98):
        lately.served(0.020)
    lately.served(3.0)
    lately.served(3.0)
    assert lately.service().quantile(0.5) == pytest.approx(0.020, rel=0.2)
    assert lately.service().quantile(0.99) == pytest.approx(3.0, rel=0.2)
    lately.look(100.0 + WINDOW / 2, 0)
    lately.served(0.1)
    assert lately.service().count == 101
    lately.look(100.0 + WINDOW, 0)
    assert lately.service().count == 1
    assert lately.service().quantile(0.99) == pytest.approx(0.1, rel=0.2)


def test_picks_a_second():
    """Over the window; nothing is told of a node that has just come."""
    lately = Lately()
    assert lately.picks_per_second(5.0, 10) == 0.0
    lately.look(100.0, 1000)
    assert lately.picks_per_second(100.0, 1000) == 0.0
    assert lately.picks_per_second(102.0, 1100) == 50.0
    for second in range(101, 121):
        lately.look(float(second), 1000 + (second - 100) * 10)
    assert lately.picks_per_second(120.0, 1200) == pytest.approx(10.0)
    lately.clear()
    assert (lately.picks_per_second(121.0, 1300), lately.service().count) == (0.0, 0)


def test_the_bounds_cover_what_a_server_may_take():
    """From a tenth of a millisecond to minutes; what takes longer is told as the last bound."""
    assert BOUNDS[0] == 0.0001
    assert 400 < BOUNDS[-1] < 600
    lately = Lately()
    lately.served(900.0)
    assert lately.service().quantile(0.5) <= BOUNDS[-1]
