"""The table: what a server's reply, or its silence, means for a recipient. Its class is classes.py's, when to come back is hints.py's."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mailgate.verdict import Outcome, Phase, RecipientVerdict, Reply
from sender.smtp.classes import classify
from sender.smtp.hints import retry_after
from sender.smtp.replies import ServerReply

TEXT_OCTETS = 512
"""Of a reply's text; the rest is cut."""
_SHORT = TEXT_OCTETS // 4
"""Octets that are no more than TEXT_OCTETS as text, even if each becomes U+FFFD."""

_REFUSED = 300
"""RFC 5321 4.2.1: replies below say yes."""
_LATER = 4
_EXCEEDED = 552
_NO_LOGIN = frozenset({530, 534, 535, 538})
"""RFC 4954 6, RFC 2554 6 (538), RFC 3207 4: a login is wanted, or another one, or TLS before it. That says nothing of the mail."""

_ENHANCED = re.compile(rb"([245]\.\d{1,3}\.\d{1,3})(?:[ \t]+|$)", re.M)
_KNOWN: dict[bytes, str] = {}
"""Enhanced codes that were seen: servers use few."""
_KNOWN_MOST = 1000
_ZERO = ord("0")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


def understand(phase: Phase, said: ServerReply) -> Reply:
    """A server's reply as verdicts carry it: the enhanced code apart, the text in one line of at most TEXT_OCTETS, the class found."""
    code, raw = said
    head, _, rest = raw.partition(b" ")
    known = _KNOWN.get(head)
    if code < _REFUSED and known is not None and known[0] == "2" and len(rest) <= _SHORT:
        text = rest.decode("utf-8", "replace")
        if text.isprintable():  # the usual: taken, in one short line; the rest of this comes to the same
            return Reply(phase, code, known, text.strip())
    if known is not None and b"\n" not in raw:
        enhanced, raw = known, rest
    else:
        enhanced, raw = _split(raw)
    if enhanced and ord(enhanced[0]) - _ZERO != code // 100:
        enhanced = ""  # a 5.x.x under a 4yz means nothing: the reply's class rules (RFC 2034 4)
    text = plain(raw)
    if code in _NO_LOGIN:
        return _slip(phase, code, enhanced, text)
    if code < _REFUSED:
        return Reply(phase, code, enhanced, text)
    return Reply(phase, code, enhanced, text, classify(phase, code, enhanced, text), retry_after(text) if code // 100 == _LATER else 0)


def _slip(phase: Phase, code: int, enhanced: str, text: str) -> Reply:
    """A relay that takes nothing as the route is set: whoever reads the verdict is told what to set, before the server's own words."""
    if classify(phase, code, enhanced, text) == "tls":
        bounce_class, cure = "tls", "the relay wants TLS: see the route's tls"
    elif phase is Phase.AUTH:
        bounce_class, cure = "auth", "the relay refuses the login: see the route's username and secret"
    else:
        bounce_class, cure = "auth", "the relay wants a login: see the route's username and secret"
    return Reply(phase, code, enhanced, plain(f"{cure} ({text})".encode()) if text else cure, bounce_class)


def _split(raw: bytes) -> tuple[str, bytes]:
    """The enhanced code of a reply's text, and the text of all its lines without it."""
    found = _ENHANCED.match(raw)
    if found is None:
        return "", raw
    enhanced = found[1].decode("ascii")
    if len(_KNOWN) < _KNOWN_MOST:
        _KNOWN[found[1]] = enhanced
    return enhanced, _ENHANCED.sub(b"", raw)


def plain(raw: bytes) -> str:
    """Text of a server in one line, without control characters, cut to TEXT_OCTETS."""
    text = raw[: 4 * TEXT_OCTETS].decode("utf-8", "replace")
    if not text.isprintable():
        text = _CONTROL.sub(" ", text)
    text = text.strip()
    if len(text) * 4 > TEXT_OCTETS and len(octets := text.encode()) > TEXT_OCTETS:
        text = octets[:TEXT_OCTETS].decode("utf-8", "ignore")
    return text


def outcome_of(phase: Phase, reply: Reply) -> Outcome:
    """By the class of the reply: 2yz delivered, 4yz deferred, 5yz bounced. Only for those.

    552 to RCPT defers unless it names a full mailbox or a size: it is how old servers say "too many recipients" (RFC 5321 4.5.3.1.10).
    530, 534, 535 and 538 defer: the route lacks a login or TLS, and the mail must not pay for its operator's slip.
    """
    if reply.code in _NO_LOGIN:
        return Outcome.DEFERRED
    if reply.code == _EXCEEDED and phase is Phase.RCPT and reply.enhanced_code in ("", "5.5.3"):
        return Outcome.DEFERRED
    return _OUTCOMES[reply.code // 100]


def broken(phase: Phase, text: str, bounce_class: str = "connect") -> Reply:
    """What stands for a reply where the server gave none that can be used: code 0, and what happened in words."""
    return Reply(phase, 0, "", plain(text.encode()), bounce_class)


def shared(verdicts: Sequence[tuple[int, Outcome, Reply]]) -> tuple[RecipientVerdict, ...]:
    """One RecipientVerdict for all indexes with the same outcome and reply, in the order of the first of each."""
    groups: dict[tuple[Outcome, Reply], list[int]] = {}
    for index, outcome, reply in verdicts:
        groups.setdefault((outcome, reply), []).append(index)
    return tuple(RecipientVerdict(tuple(indexes), outcome, reply) for (outcome, reply), indexes in groups.items())


_OUTCOMES = {2: Outcome.DELIVERED, 4: Outcome.DEFERRED, 5: Outcome.BOUNCED}
