"""The inbox keeps the last mails within its bounds, and counts what it let go."""

from __future__ import annotations

from mailgate.inbox.store import InboxStats, Store


def filled(count: int, octets: int = 10, **bounds: int) -> Store:
    store = Store(**bounds)
    for n in range(count):
        store.add("a@example.com", (f"user{n}@example.com",), b"x" * octets, 1000 + n)
    return store


def ids(store: Store, limit: int = 100, before: int | None = None) -> list[int]:
    return [mail.id for mail in store.newest(limit, before)]


def test_mails_are_listed_newest_first_and_by_the_page():
    """Ids rise by one from 1; a page begins after the last mail of the one before."""
    store = filled(5)
    assert ids(store) == [5, 4, 3, 2, 1]
    assert ids(store, 2) == [5, 4]
    assert ids(store, 2, 4) == [3, 2]
    assert ids(store, 2, 1) == []


def test_the_oldest_go_first_when_there_are_too_many():
    """And are counted."""
    store = filled(5, max_mails=3)
    assert ids(store) == [5, 4, 3]
    assert store.get(2) is None
    assert store.stats() == InboxStats(received=5, evicted=2, kept=3, octets=30, max_mails=3, max_octets=64 * 1024 * 1024)


def test_the_oldest_go_first_when_they_are_too_large():
    """Octets of messages are what is bounded."""
    store = filled(5, octets=40, max_octets=100)
    assert ids(store) == [5, 4]
    assert store.stats().octets == 80


def test_the_newest_mail_is_kept_whatever_its_size():
    """Somebody has just sent it and wants to see it."""
    store = filled(3, octets=500, max_octets=100)
    assert ids(store) == [3]


def test_clearing_keeps_the_counts_and_uses_no_id_twice():
    """A page that is open somewhere must not show another mail under an old address."""
    store = filled(3)
    assert store.clear() == 3
    store.add("", (), b"", 0)
    assert ids(store) == [4]
    assert store.stats().received == 4
    assert store.stats().evicted == 0
