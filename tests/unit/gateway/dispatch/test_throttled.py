"""What GetMail says of mail for a site that is sent less than there is: by what the nodes told of it last."""

from __future__ import annotations

from gateway.dispatch.link import SiteReport
from gateway.dispatch.losses import Losses
from gateway.dispatch.member import Member, NodeState
from gateway.dispatch.reasons import Reasons, throttled
from gateway.dispatch.sites import Sites
from gateway.ledger.port import Wait
from gateway.registry.port import NodeRecord
from mailgate.mail import Lane, RecipientState

KEY = "direct/google"
SAID = "suspended: 421 4.7.28 unusual rate"


class Link:
    """A stream that is there."""


def member(name: str, *reports: SiteReport, at: float = 100.0, credit: int = 0) -> Member:
    made = Member(NodeRecord(name, b"b" * 16, "", "1"), 1 << 20)
    made.link = Link()  # type: ignore[assignment]
    made.state = NodeState.READY
    made.sites.hear(reports, at)
    made.hand.grant({(Lane.TRANSACTIONAL, KEY): credit})
    return made


def reason(members: list[Member], now: float = 100.0, site_key: str = KEY) -> str:
    sites = Sites()
    sites.learn("gmail.com", "google")
    reasons = Reasons({each.node_id: each for each in members}, Losses(2, 3), key_of=sites.key, now=lambda: now)
    return reasons(RecipientState.QUEUED, Wait(route="direct", site_key=site_key))


def test_it_is_suspended_and_for_how_long() -> None:
    """Counted down from when it was told; a job that was accepted for its domain is the site's."""
    one = member("a", SiteReport(KEY, reason=SAID, wait_ms=240_000))
    for site_key in (KEY, "direct/gmail.com"):
        assert reason([one], 100.0, site_key) == "throttled:site=direct/google, suspended for 240 s: 421 4.7.28 unusual rate"
    assert reason([one], 139.5) == "throttled:site=direct/google, suspended for 201 s: 421 4.7.28 unusual rate"


def test_the_node_that_will_send_the_soonest_speaks() -> None:
    """And one that has credit leaves nothing to say."""
    late = member("a", SiteReport(KEY, reason=SAID, wait_ms=240_000))
    soon = member("b", SiteReport(KEY, reason="suspended: 421 busy", wait_ms=60_000))
    assert reason([late, soon]) == "throttled:site=direct/google, suspended for 60 s: 421 busy"
    assert reason([late, member("b", SiteReport(KEY), credit=1)]) == ""
    assert reason([late, member("b", SiteReport(KEY))]) == "the nodes' connections are busy"


def test_that_no_node_has_a_connection() -> None:
    """Where every one says why, the first speaks; one that has nothing to say may just be busy."""
    here, there = (member(name, SiteReport(KEY, trouble=f"the secret is not known on {name}")) for name in "ab")
    assert reason([here, there]) == "the secret is not known on a"
    assert reason([here, member("c", SiteReport(KEY))]) == reason([here, member("c")]) == "the nodes' connections are busy"
    assert reason([here, member("c", SiteReport(KEY), credit=1)]) == ""


def test_words_of_the_server_stay_as_they_are() -> None:
    """The time is of a suspension: none is put into what the server says, though that has the word."""
    slow = member("a", SiteReport(KEY, reason="a mail each 20 s: 450 suspended", wait_ms=8_000, rate=0.05))
    assert reason([slow]) == "throttled:site=direct/google, a mail each 20 s: 450 suspended"


def test_a_rate_and_a_site_that_nobody_told_of() -> None:
    """The rate is the reason, without a time; else connections are."""
    slow = member("a", SiteReport(KEY, reason="10 mails/s", rate=10.0))
    assert reason([slow]) == "throttled:site=direct/google, 10 mails/s"
    assert throttled("direct/other", [slow], 100.0) == ""
    assert reason([member("a")]) == "the nodes' connections are busy"
