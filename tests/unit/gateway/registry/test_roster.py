"""What is believed of etcd's entries: one that goes, and not most of them at once."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from gateway.registry.etcd.record import encode
from gateway.registry.etcd.roster import Roster
from gateway.registry.port import NodeRecord
from mailgate.etcd.followed import Change

GRACE = 10.0
_revisions = itertools.count(1)


def put(*names: str) -> list[Change]:
    """Each in a revision of its own."""
    records = [NodeRecord(name, b"1" * 16, "h:1", "1") for name in names]
    return [Change(f"/{record.node_id}".encode(), encode(record, "g"), next(_revisions)) for record in records]


def gone(*names: str) -> list[Change]:
    """In one revision."""
    revision = next(_revisions)
    return [Change(f"/{name}".encode(), None, revision) for name in names]


def ids(roster: Roster) -> str:
    return "".join(record.node_id for record in roster.records)


def with_nodes(names: str) -> Roster:
    roster = Roster(b"/", GRACE)
    roster.hear(put(*names), True, 0.0)
    return roster


def test_one_at_a_time_is_believed():
    """To the last one: each left, or its time ran out."""
    roster = with_nodes("abc")
    for name, left in (("b", "ac"), ("c", "a"), ("a", "")):
        roster.hear(gone(name), False, 1.0)
        assert ids(roster) == left
    assert roster.due is None
    roster = with_nodes("abc")
    roster.hear([*gone("a"), *gone("b"), *gone("c")], False, 1.0)
    assert ids(roster) == ""


def test_most_of_them_at_once_are_kept_for_a_while():
    """Those that come back were never away; the others go when the time is over."""
    roster = with_nodes("abcd")
    roster.hear(gone("a", "b", "c"), False, 1.0)
    assert (ids(roster), roster.missing, roster.due) == ("abcd", 3, 11.0)
    roster.hear(put("b"), False, 2.0)
    roster.expire(10.9)
    assert (ids(roster), roster.missing) == ("abcd", 2)
    roster.expire(11.0)
    assert (ids(roster), roster.missing, roster.due) == ("bd", 0, None)


def test_half_of_them_are_believed():
    """A gateway that died had them."""
    roster = with_nodes("abcd")
    roster.hear(gone("a", "b"), False, 1.0)
    assert ids(roster) == "cd"


def test_an_empty_list_changes_nothing():
    """Nor does one without the only node; what is missing from a list is not one that left, but one that was lost."""
    for names in ("a", "abc"):
        roster = with_nodes(names)
        roster.hear(gone(*names), True, 1.0)
        assert (ids(roster), roster.missing) == (names, len(names))


def test_what_cannot_be_read_is_told_once():
    """Until it is another; a node whose entry it has become is gone."""
    roster = with_nodes("ab")
    bad = [Change(b"/x", b"{", 1)]
    assert [node_id for node_id, _ in roster.hear(bad, False, 1.0)] == ["x"]
    assert roster.hear(bad, True, 1.0) == []
    assert roster.hear([Change(b"/x", b"{}", 2)], False, 1.0) == [("x", "node_id is missing")]
    assert roster.unreadable == 1
    assert [node_id for node_id, _ in roster.hear([Change(b"/a", b"{", 3)], False, 1.0)] == ["a"]
    assert (ids(roster), roster.unreadable) == ("b", 2)
    roster.hear([*put("a"), *gone("x")], False, 1.0)
    assert (ids(roster), roster.unreadable) == ("ab", 0)


@given(st.lists(st.tuples(st.booleans(), st.sets(st.sampled_from("abcdef"), min_size=1), st.booleans()), max_size=30))
def test_in_the_end_it_is_what_etcd_has(steps: list[tuple[bool, set[str], bool]]):
    """Whatever came and went, and however; nothing that is there is ever missing from it."""
    roster, there = Roster(b"/", GRACE), set()
    for number, (come, names, listed) in enumerate(steps):
        there = there | names if come else there - names
        roster.hear(put(*names) if come else gone(*names), listed, float(number))
        assert there <= set(ids(roster))
        roster.expire(float(number))
    roster.expire(1e9)
    assert set(ids(roster)) == there
    assert roster.due is None
