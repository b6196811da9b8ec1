"""Ticks of a stream: when a silent node is seen, and what a late look says."""

from __future__ import annotations

from gateway.dispatch.pulse import LATE, LOOK, LOOKS, Pulse


def ticks(pulse: Pulse, frames: list[int], seconds: float = LOOK) -> list[bool | None]:
    """What each look says."""
    return [pulse.look(count, seconds) for count in frames]


def test_a_frame_a_tick_is_enough():
    """As often as nodes send when they have nothing to say: never a miss, whatever the phase."""
    for phase in range(LOOKS):
        told = ticks(Pulse(), [1 + (n + phase) // LOOKS for n in range(50)])
        assert False not in told[1:]
        assert told.count(True) in (9, 10)


def test_silence_is_a_miss_at_each_tick_of_its_own():
    """Counted from the last frame, not from whenever a tick began."""
    for before in range(1, LOOKS + 3):
        pulse = Pulse()
        ticks(pulse, list(range(1, before + 1)))
        told = ticks(pulse, [before] * (3 * LOOKS))
        assert [place + 1 for place, each in enumerate(told) if each is False] == [LOOKS, 2 * LOOKS, 3 * LOOKS]
        assert True not in told[LOOKS - 1 :]


def test_after_a_silence_a_good_tick_takes_its_time():
    """Two of them make a suspect a node that gets jobs: half a second with frames."""
    pulse = Pulse()
    ticks(pulse, [1] * (1 + 2 * LOOKS))
    told = ticks(pulse, list(range(2, 2 + 2 * LOOKS)))
    assert [place + 1 for place, each in enumerate(told) if each] == [LOOKS, 2 * LOOKS]


def test_a_late_look_without_a_frame_says_nothing():
    """The loop stood still: the frames are there, and not read yet. A late look with a frame counts."""
    pulse = Pulse()
    assert ticks(pulse, [0] * 30, LOOK + LATE + 0.01) == [None] * 30
    assert True in ticks(pulse, list(range(1, 10)), 1.0)
