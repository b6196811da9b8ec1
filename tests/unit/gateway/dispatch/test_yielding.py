"""Old mail yields to new: a loop that gets later the more is fed, walked look by look."""

from __future__ import annotations

from gateway.dispatch.yielding import BEGIN, OLD_MS, SHARE, SILENCE, SLOWEST, Yielding

LOOK = 0.1
OLD, YOUNG = OLD_MS, OLD_MS - 1


class World:
    """A loop that is late by so many seconds for each thousand old jobs a second, and never has too few of them."""

    def __init__(self, late: float, calls: float, batch: int = 1) -> None:
        self.yielding, self.late, self.calls, self.batch = Yielding(), late, calls, batch
        self.now = 50.0
        self.rates: list[float] = []

    def walk(self, seconds: float, most: float = 6000.0) -> None:
        for _ in range(round(seconds / LOOK)):
            fed = 0
            for _ in range(10):
                self.now += LOOK / 10
                for _ in range(round(most * LOOK / 10)):
                    if not self.yielding.allows(self.now, OLD):
                        break
                    self.yielding.fed(OLD)
                    fed += 1
            self.rates.append(fed / LOOK)
            calls = round(self.calls * LOOK)
            self.yielding.look(LOOK, self.late * self.rates[-1] / 1000, calls, calls * self.batch)


def test_without_calls_nothing_is_held_back():
    """However late the loop is."""
    world = World(late=0.01, calls=0)
    world.walk(5)
    assert set(world.rates) == {6000.0}
    assert world.yielding.rate is None


def test_with_calls_it_settles_where_they_can_bear_it():
    """200 calls a second bear SHARE / 200; a loop that is as late at 3,000 jobs a second is fed about so many, and never above for long."""
    world = World(late=SHARE / 200 / 3, calls=200)
    world.walk(60)
    settled = world.rates[300:]
    assert 2000 < sum(settled) / len(settled) < 3000
    assert max(settled) < 3400


def test_few_calls_bear_more():
    """Old mail goes faster the fewer they are."""
    means = []
    for calls in (400, 100, 20):
        world = World(late=0.001, calls=calls)
        world.walk(60)
        means.append(sum(world.rates[300:]) / len(world.rates[300:]))
    assert means == sorted(means)
    assert means[0] < 0.5 * means[2]


def test_it_begins_low():
    """So that those who call when the nodes come are not held up first and helped then."""
    world = World(late=0.0001, calls=200)
    world.walk(0.1)
    assert world.yielding.rate == BEGIN
    world.walk(0.1)
    assert world.rates[-1] <= BEGIN * 1.1


def test_it_never_stands_still():
    """Though the machine is hopeless."""
    world = World(late=1.0, calls=200)
    world.walk(30)
    assert world.yielding.rate == SLOWEST
    assert min(world.rates[20:]) >= 0.9 * SLOWEST


def test_what_streams_through_is_never_held_back():
    """Nor does it count against the old."""
    yielding = Yielding()
    yielding.look(LOOK, 1.0, 100, 100)
    for _ in range(5000):
        assert yielding.allows(50.0, YOUNG)
        yielding.fed(YOUNG)
    assert yielding.allows(50.1, OLD)


def test_a_rate_that_is_not_used_up_does_not_grow():
    """When the nodes are the limit: else it would mean nothing when the loop becomes late."""
    world = World(late=0.0, calls=200)
    world.walk(60, most=500)
    assert world.yielding.rate is not None
    assert world.yielding.rate <= BEGIN


def test_a_batch_is_a_call():
    """40 calls a second that bring 100 mails each bear as much as 40 mails do, and the backlog goes faster than they come."""
    single, batches = World(late=0.001, calls=40), World(late=0.001, calls=40, batch=100)
    for world in (single, batches):
        world.walk(60, most=20_000)
    assert min(batches.rates[300:]) >= min(single.rates[300:])
    assert min(batches.rates[50:]) > 4000


def test_it_ends_with_the_calls():
    """Half a second after the last, and begins anew with the next."""
    world = World(late=0.01, calls=200)
    world.walk(10)
    world.calls = 0
    world.walk(LOOK * (SILENCE - 1))
    assert world.yielding.rate is not None
    world.walk(LOOK)
    assert world.yielding.rate is None
    world.calls = 200
    world.walk(LOOK)
    assert world.yielding.rate == BEGIN


def test_it_is_not_what_makes_a_backlog_grow():
    """However late the loop is, more old mail goes out than new mail comes in."""
    world = World(late=1.0, calls=1800)
    world.walk(30)
    assert min(world.rates[50:]) > 1800
