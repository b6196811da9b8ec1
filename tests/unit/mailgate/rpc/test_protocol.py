"""Which protocol two releases speak with each other."""

from __future__ import annotations

import pytest

from mailgate.rpc.protocol import OURS, Protocols


@pytest.mark.parametrize(
    ("one", "other", "common"),
    [
        (Protocols(1, 2), Protocols(1, 2), 2),
        (Protocols(1, 2), Protocols(2, 3), 2),
        (Protocols(1, 2), Protocols(1, 1), 1),
        (Protocols(2, 3), Protocols(1, 5), 3),
        (Protocols(1, 2), Protocols(3, 4), None),
        (Protocols(1, 2), Protocols(0, 0), None),
    ],
)
def test_the_newest_that_both_speak(one: Protocols, other: Protocols, common: int | None):
    """Whichever is asked."""
    assert one.common(other) == other.common(one) == common


def test_ours_reach_one_release_back():
    """So that a fleet can be brought to the next release a process after the other."""
    assert OURS.common(Protocols(OURS.oldest - 1, OURS.newest - 1)) == OURS.newest - 1
    assert OURS.common(Protocols(OURS.oldest + 1, OURS.newest + 1)) == OURS.newest
    assert (str(OURS), str(Protocols(3, 3))) == ("protocols 1 to 2", "protocol 3")
