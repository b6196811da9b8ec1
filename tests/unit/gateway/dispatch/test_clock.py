"""The gateway's time of day never goes back, and a jump of the machine's is told once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.dispatch.clock import JUMP_MS, LONG_DOWN_MS, SUSPENSION, Clock


class Machine:
    def __init__(self) -> None:
        self.wall, self.monotonic = 1_000_000.0, 50.0
        self.clock = Clock(lambda: self.wall, lambda: self.monotonic)

    def pass_(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds


def test_it_follows_the_machine():
    """No jump, no suspension."""
    machine = Machine()
    machine.pass_(10)
    assert machine.clock.check() == 0
    assert machine.clock.now_ms() == 1_000_010_000
    assert machine.clock.trusted


def test_a_jump_forwards_is_followed_when_it_has_lasted_for_ten_minutes():
    """Until then the time goes on as before; what is due after all that time has ten minutes more before it may expire."""
    machine = Machine()
    machine.wall += 3600
    assert machine.clock.check() == 3_600_000
    assert machine.clock.now_ms() == 1_000_000_000
    assert not machine.clock.trusted
    assert machine.clock.check() == 0, "told once"
    machine.pass_(SUSPENSION - 1)
    assert machine.clock.check() == 0
    assert (machine.clock.now_ms(), machine.clock.trusted) == (1_000_599_000, False)
    machine.pass_(1)
    assert machine.clock.check() == 0
    assert (machine.clock.now_ms(), machine.clock.trusted) == (1_004_200_000, False)
    machine.pass_(SUSPENSION)
    assert machine.clock.check() == 0
    assert (machine.clock.now_ms(), machine.clock.trusted) == (1_004_800_000, True)


def test_a_jump_forwards_that_is_taken_back_changes_nothing():
    """Else all that waits would have expired when the ten minutes are over."""
    machine = Machine()
    machine.wall += 365 * 86_400
    assert machine.clock.check() > 0
    machine.pass_(SUSPENSION / 2)
    machine.wall -= 365 * 86_400
    assert machine.clock.check() < 0
    machine.pass_(SUSPENSION)
    assert machine.clock.check() == 0
    assert machine.clock.trusted
    assert machine.clock.now_ms() == 1_000_900_000


def test_it_goes_on_after_what_an_earlier_life_has_recorded():
    """The machine's clock was set back while the gateway was down: nothing waits longer for it, and no id is older than one before."""
    machine = Machine()
    assert machine.clock.resume(1_003_600_000) == 3_600_000
    assert machine.clock.now_ms() > 1_003_600_000
    assert not machine.clock.trusted
    assert machine.clock.check() == 0, "it was told at the start"
    machine.pass_(10)
    assert 1_003_610_000 < machine.clock.now_ms() < 1_003_610_010


def test_a_start_after_a_long_time_is_not_trusted_at_once():
    """Years may have passed, or the clock was set wrong: what waits is tried before it expires."""
    for recorded_ms, trusted in ((0, True), (999_990_000, True), (1_000_000_000 - LONG_DOWN_MS - 1, False)):
        machine = Machine()
        assert machine.clock.resume(recorded_ms) == 0
        assert machine.clock.now_ms() == 1_000_000_000
        assert machine.clock.trusted is trusted


def test_a_jump_backwards_changes_no_time():
    """It goes on by the monotonic clock; the way back is a jump as well, and then all is as before."""
    machine = Machine()
    machine.wall -= 3600
    assert machine.clock.check() == -3_600_000
    machine.pass_(5)
    assert machine.clock.now_ms() == 1_000_005_000
    assert machine.clock.check() == 0
    machine.wall += 3600
    assert machine.clock.check() == 3_600_000
    assert machine.clock.now_ms() == 1_000_005_000
    assert machine.clock.jumps == 2


def test_drift_is_no_jump():
    """A slewed clock moves some milliseconds a second."""
    machine = Machine()
    for _ in range(100_000):
        machine.pass_(1)
        machine.wall += 0.0005
        assert machine.clock.check() == 0
    assert machine.clock.trusted
    assert abs(machine.clock.now_ms() / 1000 - machine.wall) < 0.01


@given(st.lists(st.tuples(st.floats(0, 1000), st.floats(-(10**6), 10**6)), max_size=30))
def test_it_never_goes_back(steps: list[tuple[float, float]]):
    """Whatever is done to the machine's clock."""
    machine = Machine()
    last = machine.clock.now_ms()
    for seconds, jump in steps:
        machine.pass_(seconds)
        machine.wall += jump
        moved = machine.clock.check()
        assert (moved != 0) == (abs(moved) > JUMP_MS)
        assert machine.clock.now_ms() >= last
        last = machine.clock.now_ms()
