"""Who fails by himself is out for a while: how soon, for how long, and never too many."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.balancing.ejection import Ejection
from tests.unit.gateway.balancing.test_policies import Node

FLEET = [Node(name) for name in "abcd"]


def ejection(known: int = 4) -> Ejection:
    made = Ejection()
    for node in FLEET:
        made.joined(node.node_id, b"1")
    made.admitted(FLEET, known, 0.0)
    return made


def fail(made: Ejection, node_id: str, now: float, failures: int = 20, well: int = 0) -> None:
    made.done(node_id, now, count=well)
    for _ in range(failures):
        made.done(node_id, now, failed=True)


def out(made: Ejection, now: float, known: int = 4) -> str:
    """Who gets no jobs."""
    admitted = made.admitted(FLEET, known, now)
    return "".join(node.node_id for node in FLEET if node not in admitted)


def test_half_of_twenty():
    """Fewer outcomes say nothing, nor does a smaller part."""
    made = ejection()
    fail(made, "a", 1.0, failures=19)
    fail(made, "b", 1.0, failures=20, well=21)
    assert out(made, 1.0) == ""
    fail(made, "a", 1.0, failures=1)
    fail(made, "b", 1.0, failures=1)
    assert out(made, 1.0) == "ab"


def test_outcomes_of_five_seconds_ago_do_not_count():
    """The window moves by whole seconds."""
    made = ejection()
    fail(made, "a", 0.5, failures=15)
    fail(made, "a", 5.6, failures=15)
    assert out(made, 5.6) == ""
    fail(made, "a", 9.9, failures=5)
    assert out(made, 9.9) == "a"


def test_longer_each_time_and_forgiven_when_it_is_well():
    """1, 2, 4… 30 s; each 30 s without takes one back."""
    made, now, lengths = ejection(), 100.0, []
    for _ in range(7):
        fail(made, "a", now)
        lengths.append(made.ends("a") - now)
        assert out(made, now + lengths[-1] - 0.01) == "a"
        now += lengths[-1]
        assert out(made, now) == ""
    assert lengths == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert made.ejections("a") == 7
    fail(made, "a", now + 200.0)
    assert made.ends("a") == now + 200.0 + 2.0, "six were taken back"


def test_at_most_half_of_the_nodes():
    """Where more fail, it is not they."""
    made = ejection()
    for node_id in "abcd":
        fail(made, node_id, 1.0)
    assert out(made, 1.0) == "ab"
    alone = ejection(known=1)
    fail(alone, "a", 1.0)
    assert alone.admitted(FLEET[:1], 1, 1.0) == FLEET[:1]


def test_the_panic_rule():
    """With others out for reasons of their own too few would be left: then all who can take jobs do."""
    made = ejection()
    fail(made, "a", 1.0)
    assert made.admitted(FLEET[:3], 4, 1.0) == FLEET[1:3]
    assert made.admitted(FLEET[:2], 4, 1.0) == FLEET[:2]


def test_another_boot_is_another_process():
    """The same boot, whose link had broken, brings its failures along."""
    made = ejection()
    made.done("a", 1.0, failed=True, count=30)
    made.joined("a", b"1")
    assert out(made, 1.5) == "a"
    made.joined("a", b"2")
    assert out(made, 1.5) == ""
    made.gone("a")
    made.done("a", 2.0, failed=True)
    assert made.ejections("a") == 0


@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.booleans(), st.integers(1, 30), st.floats(0, 3)),
        max_size=60,
    ),
    st.integers(0, 4),
)
def test_never_more_than_half_and_somebody_always(story: list[tuple[str, bool, int, float]], able: int):
    """Whatever happens to whom."""
    made, now = ejection(), 0.0
    for node_id, failed, count, seconds in story:
        now += seconds
        made.done(node_id, now, failed=failed, count=count)
        assert sum(made.is_out(node.node_id, now) for node in FLEET) <= 2
        admitted = made.admitted(FLEET[:able], 4, now)
        assert bool(admitted) == bool(able)
        assert len(admitted) >= min(able, 2)
