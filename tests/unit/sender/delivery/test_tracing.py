"""Dialogues for those who watch: each gateway has its own lines, bounded, and what is lost is counted."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from mailgate.route import Relay, Route
from sender.delivery import tracing
from sender.delivery.tracing import Direction, Tracing
from sender.pool.path import Path
from sender.smtp.dialogue import Said


def path(key, site=""):
    return Path(key, Route(key.partition("/")[0], (Relay("mx"),)), site=site)


class FakeTaps:
    """Knows who watches."""

    def __init__(self) -> None:
        self.watcher = None

    def watch(self, watcher):
        self.watcher = watcher


@pytest.fixture
def node():
    taps = FakeTaps()
    return SimpleNamespace(taps=taps, tracing=Tracing(lambda: taps))


def said(node, of, text, number=1, *, ours=True):
    connection = SimpleNamespace(slots=SimpleNamespace(path=of), remote=SimpleNamespace(address="192.0.2.1:25"))
    node.tracing.said(SimpleNamespace(connection=connection, number=number), Said(ours, text), 5_000_000)


def texts(node, gateway, now=0.0):
    return [line.text for line in node.tracing.lines(gateway, now)]


def test_nobody_watches_nothing_is_tapped(node):
    """The pool has a watcher only while somebody wants something; a gateway's list is absolute, and ends with its stream."""
    assert node.taps.watcher is None
    node.tracing.want("g", ["a"])
    assert node.taps.watcher is node.tracing
    assert node.tracing.wants(path("a"))
    assert not node.tracing.wants(path("b"))
    node.tracing.want("g", ["b"])
    assert not node.tracing.wants(path("a"))
    node.tracing.want("g", [])
    assert node.taps.watcher is None
    node.tracing.want("g", ["a"])
    node.tracing.forget("g")
    assert node.taps.watcher is None
    assert texts(node, "g") == []


def test_each_gateway_has_what_it_wants(node):
    """Of the site that it watches, whatever others watch."""
    node.tracing.want("g", ["a", "direct/google"])
    node.tracing.want("h", ["a"])
    said(node, path("a"), "DATA")
    said(node, path("direct/mx.google.example", "google"), "QUIT", ours=False)
    said(node, path("b"), "NOOP")
    assert texts(node, "h") == ["DATA"]
    first, second = node.tracing.lines("g", 0.0)
    assert (first.site_key, first.time_us, first.direction, first.remote) == ("a", 5000, Direction.SENT, "192.0.2.1:25")
    assert (second.site_key, second.direction) == ("direct/google", Direction.RECEIVED)


def test_what_is_too_much_is_lost_and_counted(node, monkeypatch):
    """By site; the next line says how many are missing, or, where none follows, a line of its own."""
    monkeypatch.setattr(tracing, "WAITING", 3)
    node.tracing.want("g", ["a", "b"])
    for number in range(5):
        said(node, path("a"), f"{number}")
    said(node, path("b"), "b")
    lines = node.tracing.lines("g", 0.0)
    assert [(line.text, line.site_key, line.lost) for line in lines] == [
        *((f"{number}", "a", 0) for number in range(3)),
        *(("", "a", 2), ("", "b", 1)),
    ]
    monkeypatch.setattr(tracing, "FRAME", 1)
    for number in range(4):
        said(node, path("a"), f"{number}")
    assert texts(node, "g", 1.0) == ["0"]
    said(node, path("a"), "4")
    assert [(line.text, line.lost) for now in (2.0, 3.0, 4.0) for line in node.tracing.lines("g", now)] == [("1", 0), ("2", 0), ("4", 1)]


def test_frames_are_small_and_few(node):
    """Commits must not wait behind them."""
    node.tracing.want("g", ["a"])
    for _ in range(900):
        said(node, path("a"), "x" * 500)
    first = node.tracing.lines("g", 0.0)
    assert 100 < len(first) < 130
    assert node.tracing.lines("g", tracing.EVERY / 2) == []
    assert node.tracing.lines("g", tracing.EVERY)


def test_events_are_notes(node):
    """A dial has no number; a connection that ends says why."""
    node.tracing.want("g", ["a"])
    node.tracing.noted(path("a"), "mx:25", "dialling", 1000)
    connection = SimpleNamespace(slots=SimpleNamespace(path=path("a")), remote=SimpleNamespace(address="192.0.2.1:25"))
    node.tracing.closed(SimpleNamespace(connection=connection, number=4), "good-bye", 2000)
    dial, end = node.tracing.lines("g", 0.0)
    assert (dial.connection, dial.remote, dial.direction, dial.text) == (0, "mx:25", Direction.NOTE, "dialling")
    assert (end.connection, end.direction, end.text) == (4, Direction.NOTE, "the connection ends: good-bye")


def test_a_body_that_begins_is_no_line(node):
    """It has nothing to show."""
    node.tracing.want("g", ["a"])
    said(node, path("a"), "")
    assert texts(node, "g") == []


def test_a_gateway_may_not_watch_everything(node):
    """So many sites at the most: the list is somebody else's."""
    node.tracing.want("g", [f"s{number}" for number in range(1000)])
    assert node.tracing.wants(path("s0"))
    assert not node.tracing.wants(path(f"s{tracing.MOST}"))
