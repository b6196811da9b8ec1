"""The window brings each job once and leaves none behind, however commits, reads and deferrals fall between each other.

The world around it is simulated: a disk, works under way to it in the order of the calls, and at most one read.
"""

from __future__ import annotations

from bisect import insort
from collections import defaultdict, deque
from dataclasses import dataclass, replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.journal.line import LAST, Found, LineKey, Place, Placed, Want, line_key
from gateway.journal.positions import Positions
from gateway.journal.window import Window
from mailgate.job import Job
from mailgate.mail import Lane
from tests.contract.builders import Clock, accepted, plenty

KEYS = ("a.example", "b.example")


@dataclass(slots=True)
class Accepting:
    placed: list[Placed]


@dataclass(slots=True)
class Deferring:
    key: LineKey
    placed: Placed


class Disk:
    """Rows by line: (position, id, job), those given out included as long as nothing moves them."""

    def __init__(self) -> None:
        self.rows: dict[LineKey, list[tuple[int, bytes, Job]]] = defaultdict(list)

    def write(self, placed: Placed) -> None:
        rows = self.rows[line_key(placed.job)]
        rows[:] = [row for row in rows if row[1] != placed.job.id]
        insort(rows, (placed.position, placed.job.id, placed.job), key=lambda row: row[:2])

    def read(self, want: Want) -> Found:
        inside = [row for row in self.rows[want.key] if Place(*row[:2]) > want.after and row[0] <= want.horizon]
        found = [Placed(position, job) for position, _, job in inside[: want.jobs]]
        odd = next((position for position, *_ in self.rows[want.key] if position > want.horizon and position % 2), None)
        exhausted = len(found) == len(inside) < want.jobs
        return Found(want, found, exhausted, odd if exhausted else None)


class WindowWorld(RuleBasedStateMachine):
    """`expected`: jobs that must still be given, by id, from the moment they are handed in."""

    @initialize()
    def start(self) -> None:
        self.clock = Clock()
        self.positions = Positions(self.clock)
        self.window = Window(jobs=6, octets=1_000_000, share=0.5)
        self.disk = Disk()
        self.under_way: deque[Accepting | Deferring] = deque()
        self.committed: deque[Accepting | Deferring] = deque()
        self.wants: list[Want] = []
        self.answers: list[Found] = []
        self.expected: dict[bytes, int] = {}
        self.held: dict[bytes, Job] = {}
        self.newest: dict[LineKey, int] = {}

    @rule(keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=4))
    def accept(self, keys: list[str]) -> None:
        self.positions.submitting()
        jobs = [accepted(self.clock(), key=key, content=b"c").jobs[0] for key in keys]
        placed = [Placed(position, job) for position, job in zip(self.positions.fresh(len(jobs)), jobs, strict=True)]
        self.expected.update((each.job.id, each.position) for each in placed)
        self.under_way.append(Accepting(placed))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), delay=st.integers(-3, 12))
    def defer(self, data: st.DataObject, delay: int) -> None:
        job = self.held.pop(data.draw(st.sampled_from(sorted(self.held))))
        self.positions.submitting()
        position = self.positions.deferred(self.clock() + delay)
        job = replace(job, attempt=job.attempt + 1)
        self.window.deferring(line_key(job), position, self.positions.floor)
        self.expected[job.id] = position
        self.under_way.append(Deferring(line_key(job), Placed(position, job)))

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        job = self.held.pop(data.draw(st.sampled_from(sorted(self.held))))
        self.window.give_back(job, self.positions.floor)
        self.expected[job.id] = 0

    @precondition(lambda self: self.under_way)
    @rule(fails=st.sampled_from([False, False, False, True]))
    def commit(self, fails: bool) -> None:
        """On disk, or not; the loop has not heard of it."""
        work = self.under_way.popleft()
        placed = work.placed if isinstance(work, Accepting) else [work.placed]
        if not fails:
            for each in placed:
                self.disk.write(each)
        elif isinstance(work, Accepting):
            for each in placed:
                del self.expected[each.job.id]
            work.placed = []
        else:
            del self.expected[work.placed.job.id]
            self.held[work.placed.job.id] = work.placed.job
        self.committed.append(work)

    @precondition(lambda self: self.committed)
    @rule()
    def hear(self) -> None:
        work = self.committed.popleft()
        if isinstance(work, Accepting):
            for each in work.placed:
                self.window.fresh(each, self.positions.floor)
        else:
            self.window.deferred(work.key)
        self.positions.committed()

    @precondition(lambda self: not self.wants)
    @rule(keys=st.sets(st.sampled_from(KEYS), min_size=1), jobs=st.integers(1, 4))
    def want(self, keys: set[str], jobs: int) -> None:
        room = lambda _lane, key: 5 if key in keys else 0  # noqa: E731
        self.wants = self.window.wants(room, self.positions.floor, jobs, 2)

    @precondition(lambda self: self.wants and not self.answers)
    @rule()
    def read(self) -> None:
        self.answers = [self.disk.read(want) for want in self.wants]

    @precondition(lambda self: self.answers)
    @rule(lost=st.sampled_from([False, False, False, True]))
    def answer(self, lost: bool) -> None:
        for want, found in zip(self.wants, self.answers, strict=True):
            if lost:
                self.window.lost(want)
            else:
                self.window.found(found)
        self.wants, self.answers = [], []

    @rule(keys=st.sets(st.sampled_from(KEYS), min_size=1), count=st.integers(1, 4))
    def take(self, keys: set[str], count: int) -> None:
        self.give(self.window.take(lambda _lane, key: count if key in keys else 0, 10))

    def give(self, jobs: list[Job]) -> None:
        for job in jobs:
            position = self.expected.pop(job.id)
            self.held[job.id] = job
            if position and position % 2 == 0:
                assert position > self.newest.get(line_key(job), 0), "new jobs of a line come in order"
                self.newest[line_key(job)] = position

    @rule(ms=st.integers(-5, 5))
    def pass_time(self, ms: int) -> None:
        self.clock.advance(ms)

    @invariant()
    def memory_is_bounded(self) -> None:
        assert 0 <= self.window.ready_jobs <= 6 + 4
        assert self.window.ready_octets >= 0

    def teardown(self) -> None:
        """In the end everything comes, and the window keeps nothing of it."""
        while self.under_way:
            self.commit(False)
        while self.committed:
            self.hear()
        self.clock.advance(1000)
        for _ in range(1000):
            if self.wants and not self.answers:
                self.read()
            if self.answers:
                self.answer(False)
            self.give(self.window.take(plenty, 10))
            self.want(set(KEYS), 3)
            if not self.expected and not self.wants:
                break
        assert not self.expected
        assert (len(self.window), self.window.ready_jobs, self.window.ready_octets) == (0, 0, 0)


TestWindowWorld = WindowWorld.TestCase
TestWindowWorld.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)


def job_at(position: int, key: str = "a.example", lane: Lane = Lane.BULK) -> Placed:
    return Placed(position, accepted(1, key=key, lane=lane).jobs[0])


def test_a_due_job_is_not_jumped_over():
    """A new job goes straight into memory only while what was deferred lies after it."""
    window = Window(jobs=100, octets=1_000_000, share=1.0)
    new = job_at(20)
    key = line_key(new.job)
    window.deferring(key, 11, 5)
    window.deferred(key)
    window.fresh(new, 18)
    assert window.take(plenty, 10) == []
    (want,) = window.wants(plenty, 30, 10, 10)
    assert (want.after, want.horizon) == (Place(5, LAST), 30)
    due = job_at(11)
    window.found(Found(want, [due, new], True, None))
    assert window.take(plenty, 10) == [due.job, new.job]


def test_a_new_job_goes_straight_through_before_what_is_deferred():
    """Nothing is read for it."""
    window = Window(jobs=100, octets=1_000_000, share=1.0)
    new = job_at(20)
    window.deferring(line_key(new.job), 1001, 5)
    window.fresh(new, 18)
    assert window.take(plenty, 10) == [new.job]
    assert window.wants(plenty, 30, 10, 10) == []
    assert window.next_position() == 1001


def test_what_comes_while_a_read_runs_joins_behind_it():
    """And the line is in memory again: no further read."""
    window = Window(jobs=100, octets=1_000_000, share=1.0)
    old, new = job_at(10), job_at(40)
    window.start([(line_key(old.job), 10)], 0)
    (want,) = window.wants(plenty, 30, 10, 10)
    window.fresh(new, 30)
    window.found(Found(want, [old], True, None))
    assert window.take(plenty, 10) == [old.job, new.job]
    assert window.wants(plenty, 50, 10, 10) == []
    assert len(window) == 0


def reading(new: Placed, *, unwritten: int | None = None) -> tuple[Window, Want]:
    """A window that reads the line of `new` up to 30, handed in before with a deferral to that position if there is one."""
    window = Window(jobs=100, octets=1_000_000, share=1.0)
    window.start([(line_key(new.job), 10)], 0)
    if unwritten is not None:
        window.deferring(line_key(new.job), unwritten, 30)
    (want,) = window.wants(plenty, 30, 10, 10)
    return window, want


def test_what_a_read_could_not_see_is_not_jumped_over():
    """A deferral was under way to the disk when the read began; a newer job has come since, and waits for it."""
    new = job_at(40)
    window, want = reading(new, unwritten=35)
    window.deferred(line_key(new.job))
    window.fresh(new, 36)
    window.found(Found(want, [], True, None))
    assert window.take(plenty, 10) == []
    (again,) = window.wants(plenty, 50, 10, 10)
    assert again.after < Place(35, b"")


def test_what_a_read_saw_beyond_its_horizon_is_not_jumped_over():
    """A deferred job is on disk after the horizon and before a job that came while the read ran."""
    new = job_at(40)
    window, want = reading(new)
    window.fresh(new, 36)
    window.found(Found(want, [], True, 35))
    assert window.take(plenty, 10) == []
    (again,) = window.wants(plenty, 50, 10, 10)
    assert again.after < Place(35, b"")


def test_what_is_deferred_while_a_read_runs_is_not_jumped_over():
    """Whether it comes before or after a new job that waits for the read."""
    for position, given in ((35, 0), (45, 1)):
        new = job_at(40)
        window, want = reading(new)
        window.deferring(line_key(new.job), position, 30)
        window.fresh(new, 36)
        window.found(Found(want, [], True, None))
        assert len(window.take(plenty, 10)) == given
        (again,) = window.wants(plenty, 50, 10, 10)
        assert again.after < Place(position, b"")


def test_a_read_that_did_not_reach_the_horizon_leaves_the_rest_on_disk():
    """What came while it ran is read in its turn, and takes no memory until then."""
    old, new = job_at(10), job_at(40)
    window, want = reading(new)
    window.fresh(new, 30)
    window.found(Found(want, [old], False, None))
    assert window.ready_jobs == 1
    assert window.take(plenty, 10) == [old.job]
    (again,) = window.wants(plenty, 50, 10, 10)
    assert again.after == Place(10, old.job.id)


def test_lines_of_a_lane_take_turns():
    """Who was served goes to the end."""
    window = Window(jobs=100, octets=1_000_000, share=1.0)
    placed = [job_at(2 * number, f"k{number % 3}.example") for number in range(1, 10)]
    for each in placed:
        window.fresh(each, 0)
    served = [window.take(lambda _lane, _key: 1, 1)[0].site_key for _ in range(6)]
    assert served[:3] == served[3:]
    assert len(set(served)) == 3


def test_a_blocked_line_gives_its_place_to_one_with_room():
    """What is ready and blocked is dropped from memory when another line needs the place, and comes back from disk in order."""
    window = Window(jobs=2, octets=1_000_000, share=1.0)
    slow, fast = [job_at(10, "slow"), job_at(12, "slow")], job_at(14, "fast")
    for each in [*slow, fast]:
        window.fresh(each, 0)
    only = lambda name: lambda _lane, key: 5 if key == name else 0  # noqa: E731
    assert window.take(only("fast"), 10) == []
    (want,) = window.wants(only("fast"), 20, 10, 10)
    window.found(Found(want, [fast], True, None))
    assert window.take(only("fast"), 10) == [fast.job]
    (want,) = window.wants(only("slow"), 20, 10, 10)
    assert want.after == Place(0, LAST)
    window.found(Found(want, slow, True, None))
    assert window.take(only("slow"), 10) == [each.job for each in slow]
