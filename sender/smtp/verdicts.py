"""The table: what a server's reply, or its silence, means for a recipient, and which class of trouble it is."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mailgate.verdict import Outcome, Phase, RecipientVerdict, Reply
from sender.smtp.replies import ServerReply

TEXT_OCTETS = 512
"""Of a reply's text; the rest is cut."""
_SHORT = TEXT_OCTETS // 4
"""Octets that are no more than TEXT_OCTETS as text, even if each becomes U+FFFD."""

CLASSES = (
    "unknown_user",
    "unknown_domain",
    "mailbox_full",
    "too_large",
    "policy",
    "spam",
    "rate_limited",
    "greylisted",
    "auth",
    "tls",
    "connect",
    "protocol",
    "unsupported",
    "other",
)
"""Every bounce class there is."""

CLOSING = 421
"""RFC 5321 3.8: the server closes the connection, whatever it was asked."""
_REFUSED = 300
"""RFC 5321 4.2.1: replies below say yes."""
_SYNTAX_FIRST, _SYNTAX_LAST = 500, 504
_EXCEEDED = 552
_NO_LOGIN = frozenset({530, 534, 535, 538})
"""RFC 4954 6, RFC 2554 6 (538), RFC 3207 4: a login is wanted, or another one, or TLS before it. That says nothing of the mail."""

_ENHANCED = re.compile(rb"([245]\.\d{1,3}\.\d{1,3})(?:[ \t]+|$)", re.M)
_KNOWN: dict[bytes, str] = {}
"""Enhanced codes that were seen: servers use few."""
_KNOWN_MOST = 1000
_ZERO = ord("0")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")

# RFC 3463 and the IANA registry of enhanced status codes: subject.detail. What is ambiguous in practice (7.0, 7.1) is left to the text.
_BY_ENHANCED = {
    "1.0": "unknown_user", "1.1": "unknown_user", "1.2": "unknown_domain", "1.3": "unknown_user", "1.4": "unknown_user",
    "1.6": "unknown_user", "1.7": "policy", "1.8": "policy", "1.9": "protocol", "1.10": "unknown_domain",
    "2.1": "unknown_user", "2.2": "mailbox_full", "2.3": "too_large", "2.4": "unknown_user",
    "3.3": "unsupported", "3.4": "too_large", "3.6": "unsupported",
    "4.1": "connect", "4.2": "connect", "4.4": "unknown_domain", "4.5": "rate_limited", "4.6": "policy",
    "5.0": "protocol", "5.1": "protocol", "5.2": "protocol", "5.3": "rate_limited", "5.4": "protocol", "5.5": "protocol",
    "5.6": "auth",
    "6.1": "unsupported", "6.2": "policy", "6.3": "unsupported", "6.5": "unsupported", "6.7": "unsupported", "6.9": "unsupported",
    "7.2": "policy", "7.3": "policy", "7.4": "unsupported", "7.5": "tls", "7.6": "unsupported", "7.8": "auth", "7.9": "auth",
    "7.10": "tls", "7.11": "tls", "7.12": "auth", "7.13": "policy", "7.15": "rate_limited", "7.16": "rate_limited",
    "7.20": "policy", "7.21": "policy", "7.22": "policy", "7.23": "policy", "7.24": "policy", "7.25": "policy", "7.26": "policy",
    "7.27": "policy", "7.28": "rate_limited", "7.29": "policy",
}  # fmt: skip

# Words of servers that say nothing better, in this order.
_BY_TEXT = (
    ("greylisted", re.compile(r"gr[ea]y-?list", re.I)),
    ("rate_limited", re.compile(r"rate.?limit|throttl|too many|too fast|too much mail", re.I)),
    ("spam", re.compile(r"\bspam|black-?list|block-?list|\bblocked\b|\bRBL\b|dnsbl|reputation|junk", re.I)),
    ("tls", re.compile(r"starttls|\bTLS\b", re.I)),
    ("auth", re.compile(r"authenticat(?:e|ion) (?:is )?(?:required|failed|credentials)|not authenticated|\bSMTP AUTH\b", re.I)),
    ("mailbox_full", re.compile(r"(?:mailbox|quota|storage).{0,24}(?:full|exceed|over)|over ?quota", re.I)),
    ("unknown_user", re.compile(r"(?:user|mailbox|recipient|address|account).{0,24}(?:unknown|not found|does.?n.t exist|unavailable"
                                r"|disabled|inactive|rejected)"
                                r"|(?:no such|unknown|invalid) (?:user|mailbox|recipient|address)", re.I)),
    ("too_large", re.compile(r"too (?:large|big)|size (?:limit|exceed)|exceeds.{0,24}size", re.I)),
)  # fmt: skip

_BY_PHASE = {Phase.TLS: "tls", Phase.AUTH: "auth"}
_BY_CODE = {
    450: "other",
    451: "other",
    452: "other",
    CLOSING: "connect",
    530: "auth",
    534: "auth",
    535: "auth",
    538: "tls",
    555: "unsupported",
}
_BY_CODE_AT_RCPT = {550: "unknown_user", 551: "unknown_user", 552: "mailbox_full", 553: "unknown_user", 452: "rate_limited"}
_BY_CODE_ELSEWHERE = {552: "too_large", 550: "policy", 553: "policy", 554: "policy"}


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
    return Reply(phase, code, enhanced, text, "" if code < _REFUSED else _classify(phase, code, enhanced, text))


def _slip(phase: Phase, code: int, enhanced: str, text: str) -> Reply:
    """A relay that takes nothing as the route is set: whoever reads the verdict is told what to set, before the server's own words."""
    if _classify(phase, code, enhanced, text) == "tls":
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


def is_unknown(code: int) -> bool:
    """The server does not understand a command, or not there (RFC 5321 4.2.4). To one that it offered that says nothing of the mail."""
    return _SYNTAX_FIRST <= code <= _SYNTAX_LAST


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


def _classify(phase: Phase, code: int, enhanced: str, text: str) -> str:
    by_text = (name for name, words in _BY_TEXT if words.search(text))
    return _BY_PHASE.get(phase) or _BY_ENHANCED.get(enhanced[2:]) or next(by_text, "") or _by_code(phase, code, enhanced[2:4] == "7.")


def _by_code(phase: Phase, code: int, security: bool) -> str:
    """When nothing better is known. `security`: the enhanced code is x.7.y."""
    found = _BY_CODE.get(code, "") if phase is not Phase.RCPT else _BY_CODE_AT_RCPT.get(code) or _BY_CODE.get(code, "")
    if security and found in ("", "other"):
        return "policy"
    if not found and is_unknown(code):
        return "protocol"
    return found or _BY_CODE_ELSEWHERE.get(code, "other")
