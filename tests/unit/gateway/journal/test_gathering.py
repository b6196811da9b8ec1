"""What a commit waits for, and what ends the wait. The clock stands still: no wait ends by itself."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import pytest

from gateway.journal.gathering import CROWD, ENOUGH, Gathering


class Piece(NamedTuple):
    """Work as the gathering sees it."""

    jobs: tuple[bytes, ...] = (b"job",)
    urgent: bool = True
    octets: int = 1


LAZY = Piece(urgent=False)


@pytest.fixture
def thread():
    with ThreadPoolExecutor(1) as pool:
        yield pool


def gathering(rows: int = 1000, octets: int = 1000) -> Gathering[Piece]:
    return Gathering(rows, octets, lambda: 100.0)


def crowded() -> Gathering[Piece]:
    """One whose last commit had several callers: urgent work waits too."""
    found = gathering()
    found.committed([Piece()] * CROWD)
    return found


def test_who_waits_alone_is_not_held_up():
    """What is there goes, with what nobody waits for."""
    one = gathering()
    for piece in (LAZY, Piece(), LAZY):
        one.put(piece)
    assert one.group() == [LAZY, Piece(), LAZY]


def test_what_nobody_waits_for_goes_along(thread):
    """With the next that somebody waits for, however it came."""
    one = gathering()
    one.put(LAZY)
    group = thread.submit(one.group)
    one.put(LAZY)
    assert not group.done()
    one.put(Piece())
    assert group.result() == [LAZY, LAZY, Piece()]


@pytest.mark.parametrize("piece", [LAZY, Piece()])
def test_enough_is_enough(thread, piece):
    """Neither pace nor patience holds up a commit that is worth its cost."""
    one = crowded()
    one.put(piece)
    group: Future[list[Piece]] = thread.submit(one.group)
    for _ in range(ENOUGH - 2):
        one.put(piece)
    assert not group.done()
    one.put(piece)
    assert len(group.result()) == ENOUGH


def test_a_crowd_is_paced(thread):
    """After several callers the next waits, until there is enough or the end."""
    one = crowded()
    group = thread.submit(one.group)
    for _ in range(3):
        one.put(Piece())
    assert not group.done()
    one.end()
    assert len(group.result()) == 3
    assert one.group() == []


def test_the_pace_is_that_of_jobs():
    """Of two streams that brought four and one, five milliseconds: not over after four, and over after six."""
    looks = iter((100.0, 100.004, 100.006))
    one: Gathering[Piece] = Gathering(1000, 1000, lambda: next(looks))
    one.committed([Piece((b"a", b"b", b"c", b"d")), Piece()])
    one.put(Piece())
    assert one.group() == [Piece()]
    assert next(looks, None) is None


def test_a_group_is_bounded():
    """By rows and by octets; a larger one goes by itself, and nothing changes its place."""
    one = gathering(rows=4, octets=100)
    pieces = [Piece((b"a",) * 3), Piece((b"b",) * 2), Piece(octets=99), Piece(octets=500), Piece((b"c",) * 9), Piece()]
    for piece in pieces:
        one.put(piece)
    assert [one.group() for _ in range(5)] == [pieces[:1], pieces[1:3], pieces[3:4], pieces[4:5], pieces[5:]]


def test_work_without_rows_wakes_too(thread):
    """Such as what forgets."""
    one = gathering()
    group = thread.submit(one.group)
    one.put(Piece(jobs=()))
    assert group.result() == [Piece(jobs=())]


def test_what_is_left_is_told():
    """When the thread has ended, in the order of the puts."""
    one = gathering()
    one.put(LAZY)
    one.put(Piece())
    one.end()
    assert one.rest() == [LAZY, Piece()]


def test_nothing_is_missed(thread):
    """Each piece is taken once and in order, whenever it comes."""
    one = gathering(rows=7)

    def take() -> list[Piece]:
        taken: list[Piece] = []
        while group := one.group():
            taken += group
        return taken

    taken = thread.submit(take)
    pieces = [Piece((b"%d" % number,) * (number % 3)) for number in range(20_000)]
    for piece in pieces:
        one.put(piece)
    one.end()
    assert taken.result() == pieces
