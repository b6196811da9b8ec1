"""When a server wants to be asked again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailgate.verdict import Phase
from sender.smtp.hints import LEAST, MOST, retry_after
from sender.smtp.replies import ServerReply
from sender.smtp.verdicts import understand


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Greylisted, please try again in 300 seconds", 300),
        ("Greylisted for 5 minutes", 300),
        ("Greylisted for 60 sec.", 60),
        ("Greylisting in action, please come back in 00:04:58", 298),
        ("Temporarily deferred, retry after 10m", 600),
        ("Too many connections, please wait 30s", 30),
        ("Try again later (in 1 hour)", 3600),
        ("Please retry in 2 mins", 120),
        ("greylisted, retry-after: 90 seconds", 90),
        ("come back in 3 seconds", LEAST),
        ("please try again in 48 hours", MOST),
    ],
)
def test_what_servers_ask_for(text: str, seconds: int) -> None:
    """In seconds, within what makes sense."""
    assert retry_after(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Try again later",
        "too many messages in 60 seconds",
        "limit of 100 messages per 60 minutes exceeded",
        "Service unavailable - 4.16.55.1; see https://example.com/error-codes",
        "try again; id 300 sent",
        "queued for 12:30:45 UTC",
        "timeout after 300 seconds",
        "wait 300 ſ",
        "wait ٣٠٠ seconds",
    ],
)
def test_a_number_that_asks_for_nothing(text: str) -> None:
    """A limit, an id or a time of day is no wait."""
    assert retry_after(text) == 0


def test_only_a_deferral_has_one() -> None:
    """Who said never is not asked again."""
    text = b"4.7.1 Greylisted, try again in 300 seconds"
    assert understand(Phase.RCPT, ServerReply(451, text)).retry_after == 300
    assert understand(Phase.RCPT, ServerReply(551, text)).retry_after == 0
    assert understand(Phase.BODY, ServerReply(250, b"2.0.0 wait 300 seconds")).retry_after == 0


WORDS = ("try again", "in", "for", "wait", "greylisted", "retry", "after", " ", "(", "9", "300", "00:00:05", "s", "ſ", "minutes", "²", "٣")


@given(st.one_of(st.text(max_size=512), st.lists(st.sampled_from(WORDS), max_size=60).map(" ".join)))
def test_any_text_is_heard(text: str) -> None:
    """Whatever it says: no wait, or one within bounds."""
    seconds = retry_after(text)
    assert seconds == 0 or LEAST <= seconds <= MOST
