"""Which source a mail leaves from: the same for who comes back, by weight for all together, and as few changes as can be."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mailgate.route import Relay, Route
from sender.delivery.sources import Sources, choose, key_of
from sender.pool.source import Source

A, B, C = Source("a", weight=1), Source("b", weight=2), Source("c", weight=3)
KEYS = [key_of(f"bounce-{n % 7}@example.com", f"user{n}@example.net") for n in range(3000)]
names = st.lists(st.text("abcdef", min_size=1, max_size=4), min_size=1, max_size=6, unique=True)


def test_shares_follow_weights():
    """3,000 mails: each share within a tenth."""
    count = Counter(choose([A, B, C], key).name for key in KEYS)
    assert all(abs(count[source.name] - 500 * source.weight) < 50 * source.weight for source in (A, B, C))


@given(names, st.binary(max_size=40))
def test_a_source_that_goes_moves_its_own_share_alone(found: list[str], key: bytes):
    """And the order in which they are given changes nothing."""
    sources = [Source(name, weight=1 + n) for n, name in enumerate(found)]
    chosen = choose(sources, key)
    assert choose(sources[::-1], key) == chosen
    for gone in sources:
        if gone is not chosen:
            assert choose([source for source in sources if source is not gone], key) == chosen


@given(names, st.binary(max_size=40), st.text("abcdef", max_size=4))
def test_it_is_the_one_before_while_that_is_there(found: list[str], key: bytes, last: str):
    """Whatever the key says; one that is not there is no one."""
    sources = [Source(name) for name in found]
    chosen = choose(sources, key, last)
    assert chosen.name == last if last in found else chosen == choose(sources, key)


def test_what_a_greylisting_server_knows_a_mail_by():
    """Sender and recipient, in upper or lower case, and not run together."""
    assert key_of("S@Example.com", "R@example.net") == key_of("s@example.com", "r@Example.NET")
    assert key_of("a", "bc") != key_of("ab", "c")
    assert key_of("", "r@example.net")


def test_other_sources_take_the_place_of_those_before():
    """What is known of one that stays is kept; with another weight it is another."""
    found = Sources([A, B])
    found.trouble({"a": "gone"})
    found.warn("b", ("no PTR",))
    before = found.standings
    found.use([A, B])
    assert found.standings is before
    found.use([Source("b", weight=5), A, C])
    assert [(each.source.name, each.trouble) for each in found.standings] == [("b", ""), ("a", "gone"), ("c", "")]
    assert found.standings[0].warnings == ()
    assert [source.name for source in found.of(Route("r", (Relay("mx"),)))] == [""]
    found.use([Source("d", pool="default")])
    assert [source.name for source in found.of(Route("r", (Relay("mx"),)))] == ["d"]
