"""What a source may do at a site: never faster than the limit, and slower for as long as the site says so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailgate.shaping.shape import Shape
from mailgate.shaping.shaping import parse
from mailgate.verdict import Outcome, Phase, RecipientVerdict, Reply, Tried
from sender.delivery.spacing import TOLERANCE, Spacing
from sender.delivery.suspension import TRIAL, Suspension
from sender.delivery.throttle import SAME, SLOWEST, Throttle
from sender.delivery.throttles import OTHER, Throttles

TEXT = """
[providers.site]
mx = ["*.example"]
connections = 8
refused_least = 20
replies = [
  { text = "go away", action = "suspend", lasts = "60s", longest = "1h" },
  { text = "slow down", action = "slow", lasts = "60s" },
  { text = "too many connections", action = "fewer_connections", lasts = "60s" },
  { text = "his mailbox", action = "none" },
]
"""


def shape(text: str = TEXT) -> Shape:
    return parse(text).providers["site"]


def said(text: str, code: int = 421, name: str = "rate_limited", count: int = 1, retry_after: int = 0) -> Tried:
    outcome = Outcome.DEFERRED if code < 500 else Outcome.BOUNCED
    reply = Reply(Phase.RCPT, code, "", text, name, retry_after)
    return Tried((RecipientVerdict(tuple(range(count)), outcome, reply),))


TAKEN = Tried((RecipientVerdict((0,), Outcome.DELIVERED, Reply(Phase.BODY, 250, "2.0.0", "Ok")),))


# ---------------------------------------------------------------- spacing


@given(
    rate=st.floats(0.05, 2000),
    asks=st.lists(st.floats(0, 3), min_size=1, max_size=200),
    window=st.floats(0, 10),
)
def test_never_more_than_the_rate_in_any_window(rate: float, asks: list[float], window: float) -> None:
    """Whenever it is asked: in any w seconds at most (w + tolerance) / interval + 1 mails go (ATM Forum TM 4.0, 4.4.2)."""
    spacing, now, went = Spacing(1 / rate), 1000.0, []
    for pause in asks:
        now += pause
        for _ in range(20):
            if now >= spacing.due():
                spacing.took(now)
                went.append(now)
    for first in range(len(went)):
        count = sum(1 for at in went[first:] if at <= went[first] + window)
        assert count <= (window + TOLERANCE) * rate + 1 + 1e-6


@given(rate=st.floats(0.2, 500), late=st.lists(st.floats(0, TOLERANCE * 0.9), min_size=50, max_size=50))
def test_a_late_wake_up_costs_nothing_of_the_rate(rate: float, late: list[float]) -> None:
    """Whoever always has a mail, and wakes up to 45 ms after it was due, still sends the whole rate."""
    spacing, now = Spacing(1 / rate), 0.0
    began = now
    for each in late:
        now = max(now, spacing.due()) + each if spacing.due() > now else now
        spacing.took(now)
    assert now - began <= len(late) / rate + TOLERANCE


def test_a_new_rate_is_not_held_up_by_the_old() -> None:
    """A mail a minute becomes ten a second: the next does not wait for the minute."""
    spacing = Spacing(60.0)
    spacing.took(0.0)
    spacing.set(0.1, 1.0)
    assert spacing.due() == pytest.approx(1.1 - TOLERANCE)


# ---------------------------------------------------------------- suspension


@given(
    first=st.floats(1, 600),
    longest=st.floats(600, 7200),
    count=st.integers(1, 20),
)
def test_suspensions_double(first: float, longest: float, count: int) -> None:
    """One right after the other: each twice as long, up to the longest; nothing goes before it is over."""
    suspension, now = Suspension(), 0.0
    for number in range(count):
        seconds = suspension.begin(first, longest, 0.0, now)
        assert seconds == pytest.approx(min(longest, first * 2**number))
        assert suspension.wait(now) == suspension.wait(now + seconds * 0.99) == suspension.until
        now += seconds
        assert suspension.wait(now) == 0.0


def test_a_site_that_stays_well_is_forgiven_by_and_by() -> None:
    """Three suspensions of 1, 2 and 4 min; after four minutes of well-being the next takes 4 min instead of 8, and so on down."""
    suspension, now = Suspension(), 0.0
    for _ in range(3):
        now += suspension.begin(60.0, 3600.0, 0.0, now)
    assert suspension.well(now)
    suspension.well(now + 239)
    assert Suspension.begin(suspension, 60.0, 3600.0, 0.0, now + 239) == 480
    suspension, now = Suspension(), 0.0
    for _ in range(3):
        now += suspension.begin(60.0, 3600.0, 0.0, now)
    for well in range(0, 4 * 60 + 2 * 60 + 60 + 60, 10):
        suspension.well(now + well)
    assert suspension.begin(60.0, 3600.0, 0.0, now + 3600) == 60


def test_one_mail_tries_a_site_after_its_suspension() -> None:
    """Until the site has spoken, or the trial took too long, no other goes."""
    throttle = Throttle("site", shape())
    throttle.heard(said("go away"), 0.0)
    assert throttle.wait(59.9) == 60.0
    assert throttle.wait(60.0) == 0.0
    throttle.started(60.0)
    assert throttle.wait(60.1) == 60.0 + TRIAL
    change = throttle.heard(TAKEN, 61.0)
    assert change is not None
    assert change.kind == "resumed"
    assert throttle.wait(61.0) == 0.0
    assert throttle.free


def test_a_trial_that_fails_doubles_it() -> None:
    """The site says the same again."""
    throttle = Throttle("site", shape())
    for now, seconds in ((0.0, 60), (60.0, 120), (180.0, 240)):
        change = throttle.heard(said("go away"), now)
        assert change is not None
        assert (change.kind, change.seconds, change.why, change.rule) == ("suspended", seconds, "421 go away", "providers.site.replies[0]")
        assert throttle.suspended_until == now + seconds


def test_a_lost_trial_gives_way_to_another() -> None:
    """The mail was withheld, or its connection lost: that is no word of the site's."""
    throttle = Throttle("site", shape())
    throttle.heard(said("go away"), 0.0)
    throttle.started(60.0)
    assert throttle.heard(said("connection lost", code=0, name="connect"), 61.0) is None
    assert throttle.wait(61.0) == 60.0 + TRIAL
    assert throttle.wait(60.0 + TRIAL) == 0.0


def test_what_was_under_way_when_it_began_changes_nothing() -> None:
    """Ten connections get the same answer, and one mail was taken: still one suspension, of one minute."""
    throttle = Throttle("site", shape())
    assert throttle.heard(said("go away"), 0.0) is not None
    assert [throttle.heard(each, 0.5) for each in [said("go away")] * 9 + [TAKEN]] == [None] * 10
    assert throttle.suspended_until == 60.0


def test_a_server_may_ask_for_longer() -> None:
    """A time in its words is followed within the longest."""
    throttle = Throttle("site", shape())
    throttle.heard(said("go away for ten minutes", retry_after=600), 0.0)
    assert throttle.suspended_until == 600.0
    throttle.heard(said("go away for a day", retry_after=86400), 600.0)
    assert throttle.suspended_until == 600.0 + 3600.0


# ---------------------------------------------------------------- slower


def sends(throttle: Throttle, began: float, seconds: float, rate: float) -> int:
    """As many mails as it lets go, of so many a second that are there; each is taken at once."""
    went, now = 0, began
    while now < began + seconds:
        if throttle.free or throttle.wait(now) == 0.0:
            throttle.started(now)
            throttle.heard(TAKEN, now)
            went += 1
        now += 1 / rate
    return went


def test_half_the_measured_rate_where_there_is_no_limit() -> None:
    """100/s were sent: 50/s are, then a tenth more each minute, and when twice as much as before has come through there is no limit."""
    throttle = Throttle("site", shape())
    sends(throttle, 0.0, 60, 100)
    change = throttle.heard(said("slow down"), 60.0)
    assert change is not None
    assert (change.kind, round(change.rate)) == ("slowed", 50)
    assert sends(throttle, 60.0, 59, 400) == pytest.approx(50 * 59, rel=0.02)
    assert sends(throttle, 121.0, 50, 400) == pytest.approx(60 * 50, rel=0.02)
    assert sends(throttle, 172.0, 60 * 20, 10) == pytest.approx(60 * 20 * 10, abs=1)
    assert throttle.free
    assert throttle.reason(2000.0) == ""


def test_half_of_the_limit_and_back_to_it() -> None:
    """Never above what the shape says."""
    throttle = Throttle("site", shape(TEXT.replace("connections = 8", "mails_per_second = 20.0")))
    sends(throttle, 0.0, 60, 100)
    throttle.heard(said("slow down"), 60.0)
    assert sends(throttle, 60.0, 59, 100) == pytest.approx(10 * 59, rel=0.03)
    sends(throttle, 120.0, 600, 100)
    assert sends(throttle, 720.0, 60, 100) == pytest.approx(20 * 60, rel=0.02)


def test_complaints_at_once_are_one() -> None:
    """What was under way when the first came; later ones halve again, down to a mail a minute and no further."""
    throttle, now = Throttle("site", shape()), 0.0
    sends(throttle, 0.0, 20, 64)
    changes = [throttle.heard(said("slow down"), 20.0 + each / 10) for each in range(20)]
    assert [change is not None for change in changes] == [True] + [False] * 19
    now = 20.0
    for _ in range(20):
        now += SAME + 0.1
        throttle.heard(said("slow down"), now)
    throttle.started(now + 1)
    assert throttle.wait(now + 1) == pytest.approx(now + 1 + 1 / SLOWEST - TOLERANCE)


def test_half_the_connections_and_back_one_by_one() -> None:
    """Of those that are open, or of the limit, whichever is less; one more each minute, up to the limit."""
    throttle = Throttle("site", shape())
    change = throttle.heard(said("too many connections"), 0.0, lambda _: 6)
    assert change is not None
    assert (change.kind, change.connections, throttle.connections) == ("fewer_connections", 3, 3)
    throttle.heard(TAKEN, 59.0)
    assert throttle.connections == 3
    throttle.heard(TAKEN, 125.0)
    assert throttle.connections == 5
    throttle.heard(TAKEN, 900.0)
    assert throttle.connections == 8


def test_where_connections_have_no_limit() -> None:
    """It begins with those that are open, never goes below one, and ends without a limit."""
    throttle = Throttle("site", shape(TEXT.replace("connections = 8", "")))
    assert throttle.connections == 0
    for now, connections, left in ((0.0, 10, 5), (10.0, 5, 2), (20.0, 2, 1), (30.0, 1, 1)):
        throttle.heard(said("too many connections"), now, lambda _, count=connections: count)
        assert throttle.connections == left
    throttle.heard(TAKEN, 30.0 + 600.0)
    assert throttle.connections == 0


# ---------------------------------------------------------------- a class of refusal


def test_a_share_of_refusals_suspends() -> None:
    """Over five per cent of at least as many verdicts as is set; counted by recipients, judged once."""
    throttle = Throttle("site", shape())
    for _ in range(19):
        assert throttle.heard(TAKEN, 1.0) is None
    change = throttle.heard(said("looks like spam", 550, "spam", count=2), 2.0)
    assert change is not None
    assert (change.kind, change.rule, change.why) == ("suspended", "refused_share", "10% of 21 verdicts of 10 min are spam")
    change = throttle.heard(said("looks like spam", 550, "spam"), 62.0)
    assert change is not None
    assert change.kind == "resumed"


@pytest.mark.parametrize(
    ("name", "text"),
    [("unknown_user", "no such user"), ("mailbox_full", "full"), ("connect", "busy"), ("rate_limited", "his mailbox gets too much")],
)
def test_what_says_nothing_of_us_suspends_nothing(name: str, text: str) -> None:
    """Unknown users are a bad list, a full mailbox is its owner's; what a rule calls nothing is not counted."""
    throttle = Throttle("site", shape())
    assert [throttle.heard(said(text, 550, name), 1.0) for _ in range(100)] == [None] * 100


def test_each_class_by_itself() -> None:
    """Three per cent of each of two are neither too much; the default wants a hundred verdicts."""
    throttle = Throttle("site", parse('[providers.site]\nmx = ["*.example"]').providers["site"])
    verdicts = [said("x", 550, name) for name in ("spam", "policy", "blocked") for _ in range(3)] + [TAKEN] * 191
    assert [throttle.heard(each, 1.0) for each in verdicts] == [None] * 200
    throttle = Throttle("site", throttle.shape)
    assert [throttle.heard(said("x", 550, "spam"), 1.0) for _ in range(99)] == [None] * 99
    assert throttle.heard(said("x", 550, "spam"), 1.0) is not None


def test_only_ten_minutes_count() -> None:
    """What was said before is forgotten by and by, and wholly after twenty minutes."""
    throttle = Throttle("site", shape())
    for _ in range(19):
        throttle.heard(said("spam", 550, "spam"), 0.0)
    assert throttle.heard(TAKEN, 1300.0) is None
    assert [throttle.heard(TAKEN, 1300.0 + each) for each in range(100)] == [None] * 100


# ---------------------------------------------------------------- the rest


def test_without_rules_nothing_is_heard() -> None:
    """A relay of one's own: whatever it says, no limit comes of it."""
    throttle = Throttle("relay", Shape())
    assert throttle.free
    assert [throttle.heard(said("go away"), 1.0) for _ in range(200)] == [None] * 200


def test_what_is_learned_outlasts_new_limits() -> None:
    """A shaping file that is read again does not let a suspended site be asked sooner."""
    throttle = Throttle("site", shape())
    throttle.heard(said("go away"), 0.0)
    throttle.heard(said("too many connections"), 100.0, lambda _: 8)
    throttle.reshape(shape(TEXT.replace("connections = 8", "connections = 2\nmails_per_second = 1.0")))
    assert throttle.wait(1.0) == 60.0
    assert throttle.connections == 2


def test_where_nothing_is_learned_any_more_nothing_is_known() -> None:
    """Else the site's word, which nobody hears, could never end its suspension."""
    throttle = Throttle("site", shape())
    throttle.heard(said("go away"), 0.0)
    throttle.heard(said("slow down"), 100.0)
    throttle.reshape(Shape())
    assert throttle.free
    assert throttle.wait(1.0) == 0.0
    assert throttle.reason(1.0) == ""


def test_what_people_are_told() -> None:
    """The reply, and what is done; without an address of a recipient there is none in it."""
    throttle = Throttle("site", shape())
    assert repr(throttle) == "<Throttle site connections=8>"
    throttle.heard(said("go away, " + "x" * 600), 0.0)
    assert throttle.reason(1.0).startswith("suspended: 421 go away, xxx")
    assert len(throttle.reason(1.0)) < 180
    assert "suspended_until=60.0" in repr(throttle)
    assert throttle.reason(61.0).startswith("one mail tries whether it is well again: 421 go away")
    throttle = Throttle("site", shape(TEXT.replace("connections = 8", "mails_per_hour = 60.0")))
    assert throttle.reason(0.0) == "a mail each 60 s"


def test_the_table_forgets_what_is_as_new() -> None:
    """What was learned is kept, whoever asks meanwhile; what would be the same if it were made anew goes."""
    throttles, form = Throttles(), shape()
    throttles.get("src", "a", form, 0.0)
    suspended = throttles.get("src", "b", form, 0.0)
    suspended.heard(said("go away"), 0.0)
    throttles.prune(1.0)
    assert [key for key, _ in throttles] == [("src", "b")]
    assert throttles.get("src", "b", form, 2.0) is suspended
    assert throttles.get("other", "b", form, 2.0) is not suspended
    throttles.prune(3600.0)
    assert len(throttles) == 0


def test_the_table_is_bounded() -> None:
    """Names of sites come from DNS: what was asked for longest ago goes first."""
    throttles, form = Throttles(most=3), shape()
    for name in "abcd":
        throttles.get("", name, form, 0.0).heard(said("go away"), 0.0)
    assert [site for (_, site), _ in throttles] == ["b", "c", "d"]


def test_who_is_held_back_is_not_forgotten_for_who_is_not() -> None:
    """Nor is a provider: each of its many paths would have a throttle of its own, and all of them its limit."""
    throttles, form = Throttles(most=3), shape()
    plain = replace(form, name="")
    throttles.get("", "suspended", plain, 0.0).heard(said("go away"), 0.0)
    provider = throttles.get("", "site", form, 0.0)
    provider.heard(said("250"), 0.0)
    for number in range(5):
        throttles.get("", f"mx{number}.example", plain, 0.0).heard(said("250"), 0.0)
    assert [site for (_, site), _ in throttles] == ["suspended", "site", "mx4.example"]


def test_who_is_held_by_open_paths_is_not_forgotten_for_being_as_new() -> None:
    """The next path to that site is to share it, also where the table is full."""
    held: dict[Throttle, None] = {}
    throttles, form = Throttles(most=3, held=held), shape()
    held[provider := throttles.get("", "site", form, 0.0)] = None
    for number in range(5):
        throttles.get("", f"mx{number}.example", replace(form, name=""), 0.0)
    assert throttles.get("", "site", form, 0.0) is provider


def test_a_full_table_is_not_looked_at_for_each_site(monkeypatch) -> None:
    """Else a node that sends to more sites than it remembers would do nothing else."""
    looked = []
    monkeypatch.setattr(Throttle, "is_default", lambda throttle, now: looked.append(now))
    throttles, form = Throttles(most=100), shape()
    for number in range(200):
        throttles.get("", f"mx{number}.example", form, 0.0)
    assert len(throttles) <= 100
    assert len(looked) <= 100 * 100 // 5 + 100


def test_what_metrics_are_told() -> None:
    """By provider: as many labels as the file has providers, and one for all others."""
    throttles, form = Throttles(), shape()
    for site, each in (("site", form), ("mx.example.net", Shape()), ("mx.example.org", Shape())):
        throttles.get("", site, each, 0.0)
    throttle = throttles.get("", "site", form, 0.0)
    change = throttle.heard(said("go away"), 0.0)
    assert change is not None
    throttles.changed(throttle, change)
    stats: dict[str, Any] = throttles.stats(1.0)
    assert {name: counts.known for name, counts in stats.items()} == {"site": 1, OTHER: 2}
    assert (stats["site"].suspended, stats["site"].suspensions) == (1, 1)
