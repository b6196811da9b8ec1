"""Names in metrics: few, the busiest first, and no counter ever goes back or counts a thing twice."""

from __future__ import annotations

from random import Random

from sender.delivery.named import IDLE, OTHER, Named
from sender.delivery.outcomes import Counts


def delivered(named):
    return {name: sums.delivered for name, sums in named}


def test_the_busiest_have_names():
    """And the others are one."""
    named = Named(2)
    sites = [Counts("a", delivered=5), Counts("b", delivered=9), Counts("c", delivered=7, bounced=1)]
    named.fold(sites)
    assert delivered(named) == {"b": 9, "c": 7, OTHER: 5}
    assert dict(named)["c"].bounced == 1


def test_a_name_is_kept_while_there_is_mail():
    """Though another site has more by now: its counters would begin anew each time that two change places."""
    named = Named(1)
    a, b = Counts("a", delivered=1), Counts("b")
    named.fold([a])
    for _ in range(IDLE + 5):
        a.delivered += 1
        b.delivered += 10
        named.fold([a, b])
    assert "a" in named
    assert delivered(named) == {"a": IDLE + 6, OTHER: 10 * (IDLE + 5)}


def test_who_has_no_mail_for_long_makes_room():
    """For one that has: it begins with what it gets from then on."""
    named = Named(1)
    a, b = Counts("a", delivered=3), Counts("b", delivered=1)
    named.fold([a])
    for _ in range(IDLE - 1):
        named.fold([])
    named.fold([b])
    assert delivered(named) == {"b": 1, OTHER: 0}
    a.delivered += 2
    named.fold([a])
    assert delivered(named) == {"b": 1, OTHER: 2}


def test_everything_is_counted_once():
    """Whatever moves when: with as many names as sites the sums are the counts."""
    chance = Random(1)
    for most in (3, 50):
        named = Named(most)
        sites = [Counts(f"s{number}") for number in range(50)]
        for _ in range(200):
            moved = chance.sample(sites, chance.randrange(10))
            for site in moved:
                site.delivered += chance.randrange(5)
                site.in_doubt += chance.randrange(2)
            named.fold(moved)
        assert sum(sums.delivered for _, sums in named) == sum(site.delivered for site in sites)
        assert sum(sums.in_doubt for _, sums in named) == sum(site.in_doubt for site in sites)
        assert len(dict(named)) == min(most, 50) + 1
