"""Which relay is dialled next: by preference, then by weight."""

from __future__ import annotations

from collections import Counter

import pytest

from mailgate.route import Relay, Route
from mailgate.verdict import Phase, Reply
from sender.pool.choosing import choose
from sender.pool.plan import Slot, State
from sender.pool.relays import Relays

FAILURE = Reply(Phase.CONNECT, 0, "", "refused", "connect")


class Dials:
    """A route's relays, and slots that are open at once when they are dialled."""

    def __init__(self, *relays: Relay) -> None:
        self.relays = relays
        self.record = Relays(Route("r", relays))
        self.slots: list[Slot] = []

    def dial(self, now: float = 0.0, state: State = State.IDLE) -> str | None:
        place = choose(self.relays, self.record, self.slots, now)
        if place is None:
            return None
        self.slots.append(Slot(state, place))
        return self.relays[place].host

    def fails(self, place: int, now: float = 0.0) -> None:
        assert self.record.failed(place, now - 0.1, now, 0.5, FAILURE)


@pytest.mark.parametrize("weights", [(1, 1), (3, 1), (5, 3, 2), (1000, 1)])
def test_relays_of_one_preference_share_by_weight(weights: tuple[int, ...]):
    """What each has is as near to its part as whole connections can be."""
    dials = Dials(*[Relay(f"mx{place}", weight=weight) for place, weight in enumerate(weights)])
    for many in range(1, 41):
        dials.dial()
        found = Counter(slot.relay for slot in dials.slots)
        for place, weight in enumerate(weights):
            assert abs(found[place] - many * weight / sum(weights)) <= 1


def test_what_is_closed_counts_no_more():
    """The share is of those that are open or being dialled."""
    dials = Dials(Relay("a"), Relay("b"))
    assert [dials.dial(state=State.DIALING) for _ in range(4)] == ["a", "b", "a", "b"]
    for slot in dials.slots:
        if slot.relay == 0:
            slot.state = State.EMPTY
    assert [dials.dial() for _ in range(3)] == ["a", "a", "a"]


def test_the_next_preference_is_for_while_none_before_can_be_dialled():
    """One of a group that rests is made up for by the others of the group."""
    dials = Dials(Relay("a"), Relay("b"), Relay("c", preference=1), Relay("d", preference=2))
    dials.fails(0)
    assert [dials.dial(0.5) for _ in range(2)] == ["b", "b"]
    dials.fails(1, 0.5)
    assert dials.dial(0.6) == "c"
    dials.fails(2, 0.6)
    assert dials.dial(0.7) == "d"
    dials.fails(3, 0.7)
    assert dials.dial(0.8) is None


def test_preferences_need_not_be_in_order():
    """The place of a relay is its own."""
    dials = Dials(Relay("late", preference=9), Relay("soon", preference=1))
    assert dials.dial() == "soon"


def test_one_that_failed_is_tried_by_a_single_dial():
    """When it has rested; the others go where it is well meanwhile."""
    dials = Dials(Relay("a"), Relay("b", preference=1))
    dials.fails(0)
    assert dials.dial(1.5, State.DIALING) == "a"
    assert [dials.dial(1.5) for _ in range(2)] == ["b", "b"]
