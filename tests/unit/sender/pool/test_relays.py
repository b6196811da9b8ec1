"""How relays rest after failures, and come back."""

from __future__ import annotations

from sender.pool.relays import REST_LONGEST, Relays


def test_rests_grow_and_are_bounded():
    """Doubled with each failure in a row, never above REST_LONGEST and a quarter of jitter."""
    relays, now, rests = Relays(1), 0.0, []
    for _ in range(12):
        began = now
        relays.failed(0, began, now, jitter=0.5)
        rest = 0.0
        while relays.resting(0, now + rest):
            rest += 0.25
        rests.append(rest)
        now += rest
    assert rests[:4] == [1.0, 2.0, 4.0, 8.0]
    assert rests[-1] == REST_LONGEST
    assert rests == sorted(rests)


def test_dials_under_way_together_fail_once():
    """Eight dials that time out together are one failure."""
    relays = Relays(1)
    for _ in range(8):
        relays.failed(0, began=0.0, now=10.0, jitter=0.5)
    assert relays.resting(0, 10.9)
    assert not relays.resting(0, 11.1)


def test_well_again_only_by_a_connection_dialled_since():
    """A connection older than the failure proves nothing."""
    relays = Relays(1)
    relays.failed(0, 10.0, 10.0, 0.5)
    relays.proved(0, 5.0)
    assert relays.suspect(0)
    relays.proved(0, 11.5)
    assert not relays.suspect(0)
    assert relays.well(11.5)


def test_one_relay_that_is_well_is_enough():
    """A route is well when any relay is."""
    relays = Relays(2)
    relays.failed(0, 0.0, 0.0, 0.5)
    assert relays.well(0.0)
    relays.failed(1, 0.0, 0.0, 0.5)
    assert not relays.well(0.0)
    assert not relays.well(100.0), "rested, but not yet proved"
