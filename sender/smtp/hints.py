"""What a server says of when to come back: `try again in 300 seconds`, `come back in 00:04:58`, `Greylisted for 5 minutes`. Pure.

A number counts only right behind words that ask for a wait: "too many messages in 60 seconds" tells a limit, not a wait. Texts are at most
512 octets, and every part of the patterns is bounded, so that no server can make them slow.
"""

from __future__ import annotations

import re

LEAST, MOST = 10, 4 * 3600
"""Seconds. What is asked for beyond them is brought back to them: no reply makes us hammer a server, or hold a mail back for days."""

_NUMBER, _UNIT = r"(\d{1,6})", r"(s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?)"
_ASKS = (
    r"(?:\b(?:try|retry|again|back|wait|resend|reconnect|delay(?:ed)?|defer(?:red)?|gr[ea]y-?listed|(?:rate.?)?limited|blocked|suspended)\b"
    r"[^\d]{0,40}?(?:\b(?:in|for|after|within|until|wait|least|every)\b|[:=(])"
    r"|\b(?:wait|retry.after|retry.in|try.again.in)\b)"
)
_CLOCK = re.compile(_ASKS + r"[^\d]{0,12}(\d{1,2}):(\d{2}):(\d{2})(?![\d:])", re.I | re.A)
_WAIT = re.compile(_ASKS + r"[^\d]{0,12}" + _NUMBER + r"[ -]?" + _UNIT + r"\b", re.I | re.A)
_ENOUGH = re.compile(r"\d ?[smh:]", re.I | re.A)
_SECONDS = {"s": 1, "m": 60, "h": 3600}


def retry_after(text: str) -> int:
    """Seconds until the server wants to be asked again, within LEAST and MOST; 0: it does not say."""
    if _ENOUGH.search(text) is None:
        return 0
    if (clock := _CLOCK.search(text)) is not None:
        asked = int(clock[1]) * 3600 + int(clock[2]) * 60 + int(clock[3])
    elif (wait := _WAIT.search(text)) is not None:
        asked = int(wait[1]) * _SECONDS[wait[2][0].lower()]
    else:
        return 0
    return min(max(asked, LEAST), MOST)
