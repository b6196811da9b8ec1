"""Octets in flight: counted once, given back once."""

from __future__ import annotations

import pytest

from gateway.admission.in_flight import InFlight
from mailgate.errors import Unavailable

A, B = b"a" * 32, b"b" * 32


def test_a_file_counts_once_for_all_that_have_it():
    """As long as one of them does, in whatever order they end; a hold says what it brought."""
    room = InFlight(1000)
    first, second, third = room.hold(10, {A: 300}), room.hold(20, {A: 300, B: 100}), room.hold(30)
    assert [first.octets, second.octets, third.octets, room.octets] == [310, 120, 30, 460]
    first.end()
    assert room.octets == 450
    second.end()
    assert room.octets == 30
    again = room.hold(1, {A: 300})
    assert again.octets == 301
    again.end()
    again.end()
    third.end()
    assert room.octets == 0


def test_what_does_not_fit_counts_for_nothing():
    """A file that is in flight already brings nothing; one alone always fits."""
    room = InFlight(500)
    first = room.hold(10, {A: 480})
    with pytest.raises(Unavailable, match="mails of 490 octets are being stored, at most 500 may be"):
        room.hold(5, {B: 6})
    second = room.hold(5, {A: 480})
    first.end()
    second.end()
    large = room.hold(5, {B: 5000})
    assert room.octets == 5005
    large.end()
    assert room.octets == 0
