"""The window conserves jobs, and keeps each key's order and share."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.dispatch.window import Window
from mailgate.mail import Lane
from tests.unit.gateway.dispatch.world import make_job

ACTIONS = ("put", "back", "pop", "remove", "expired", "turn")


@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 3), st.sampled_from(list(Lane))), max_size=100))
def test_a_random_walk(steps: list[tuple[str, int, Lane]]):  # noqa: C901  # a case each action
    """Whatever goes in comes out once; counts, octets and keys follow."""
    window = Window(1000, 10**6)
    model: dict[tuple[Lane, str], list[bytes]] = {}
    for number, (action, n, lane) in enumerate(steps, 1):
        key = f"k{n}"
        line = model.setdefault((lane, key), [])
        job = make_job(number, lane=lane, key=key, octets=20 + n, ttl_ms=1 if number % 3 == 0 else 10**6)
        match action:
            case "put":
                window.put([job])
                line.append(job.id)
            case "back":
                window.put_back([job])
                line.insert(0, job.id)
            case "pop" if line:
                assert window.peek(lane, key).id == line[0]
                assert window.pop(lane, key).id == line.pop(0)
            case "remove" if line:
                wanted = set(line[::2]) | {b"unknown"}
                assert {job.id for job in window.remove(wanted)} == wanted - {b"unknown"}
                line[:] = [each for each in line if each not in wanted]
            case "expired":
                gone = {job.id for job in window.expired(job.accept_ms + 2)}
                for each in model.values():
                    each[:] = [one for one in each if one not in gone]
            case "turn":
                before = window.keys(lane)
                window.turn(lane, key)
                assert sorted(window.keys(lane)) == sorted(before)
                assert key not in before or window.keys(lane)[-1] == key
        lines = {slot: ids for slot, ids in model.items() if ids}
        assert sorted(job.id for job in window) == sorted(one for ids in lines.values() for one in ids)
        assert len(window) == sum(map(len, lines.values()))
        assert window.size == sum(job.size for job in window)
        assert {(of, key) for of in Lane for key in window.keys(of)} == set(lines)
        for slot, ids in lines.items():
            assert window.peek(*slot).id == ids[0]


def test_a_key_has_a_tenth_at_most():
    """A slow site never fills the window; octets close it for all that have something, and what is elsewhere in memory counts."""
    window = Window(100, 5000)
    assert window.room(Lane.BULK, "slow") == 10
    window.put(make_job(n, lane=Lane.BULK, key="slow") for n in range(10))
    assert window.room(Lane.BULK, "slow") == 0
    assert window.room(Lane.BULK, "quick") == 10
    window.put(make_job(n, key=f"k{n}") for n in range(10, 50))
    assert window.size == 5000
    assert window.room(Lane.TRANSACTIONAL, "k10") == 0
    assert window.room(Lane.BULK, "quick") == 1
    assert window.room(Lane.BULK, "quick", 1, 100) == 0


def test_a_key_has_a_quarter_of_the_octets_at_most():
    """The large mails of a slow site do not fill it either, and a mail that is larger than the share has its turn."""
    window = Window(1000, 4000)
    window.put([make_job(1, key="slow", octets=600), make_job(2, key="slow", octets=600)])
    assert window.room(Lane.TRANSACTIONAL, "slow") == 0
    assert window.room(Lane.TRANSACTIONAL, "quick") == 100
    assert window.room(Lane.TRANSACTIONAL, "quick", 3, 1000) == 0
    window.pop(Lane.TRANSACTIONAL, "slow")
    assert window.room(Lane.TRANSACTIONAL, "slow") == 99
    window.put([make_job(n, key=f"k{n}", octets=1000) for n in range(3, 11)])
    assert window.room(Lane.TRANSACTIONAL, "quick") == 0, "twice the bound is the end"


def test_what_comes_back_is_taken_beyond_the_bounds_and_first():
    """Their node was lost: they were in memory already, and they are the oldest."""
    window = Window(10, 100)
    window.put([make_job(1)])
    window.put_back([make_job(2), make_job(3)])
    assert [window.pop(Lane.TRANSACTIONAL, "out").id[15] for _ in range(3)] == [2, 3, 1]
