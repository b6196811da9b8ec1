"""Which class of trouble a refusal is: by what its enhanced code says for sure, then its words, then the code. Pure.

Servers choose enhanced codes carelessly, and words less so: 5.1.1 also introduces "has sent too many this hour", 5.7.1 nearly anything.
So a code rules where nobody uses it for something else; the other codes only break the tie when the words say nothing.
"""

from __future__ import annotations

import re
from functools import lru_cache

from mailgate.verdict import Phase

CLOSING = 421
"""RFC 5321 3.8: the server closes the connection, whatever it was asked."""

_SYNTAX = range(500, 505)
_ADDRESS = re.compile(r"<[^<>]{0,320}>|[^\s<>@]{1,64}@[^\s<>]{1,255}")
"""What stands in it is the caller's or the server's name, and says nothing: `<no-spam@example.com>`."""

_BY_PHASE = {Phase.TLS: "tls", Phase.AUTH: "auth"}
_OF_RECIPIENTS = frozenset({"unknown_user", "unknown_domain", "mailbox_full"})
"""Words that seem to speak of a recipient speak of something else before there is one."""

# RFC 3463 and the IANA registry of enhanced status codes, and Exchange Online's own three-digit ones: subject.detail.
_SURE = {
    "1.2": "unknown_domain", "1.3": "unknown_user", "1.7": "protocol", "1.8": "dns", "1.10": "unknown_user",
    "2.2": "mailbox_full", "2.3": "too_large", "2.121": "rate_limited", "2.122": "rate_limited",
    "3.4": "too_large", "3.6": "unsupported",
    "4.6": "protocol", "4.14": "protocol",
    "5.3": "rate_limited",
    "6.2": "policy", "6.7": "unsupported", "6.9": "protocol",
    "7.4": "unsupported", "7.5": "tls", "7.6": "unsupported", "7.8": "auth", "7.10": "tls", "7.11": "tls",
    "7.15": "rate_limited", "7.16": "rate_limited",
    "7.20": "policy", "7.21": "policy", "7.22": "policy", "7.24": "policy", "7.25": "dns", "7.26": "policy",
    "7.27": "policy", "7.28": "rate_limited", "7.29": "tls", "7.30": "policy", "7.32": "policy",
    "7.64": "policy", "7.321": "tls", "7.322": "tls", "7.323": "tls", "7.324": "dns", "7.325": "tls",
    "7.500": "rate_limited", "7.501": "spam", "7.502": "spam", "7.503": "spam", "7.508": "rate_limited", "7.509": "policy",
    "7.511": "blocked", "7.513": "blocked", "7.650": "rate_limited", "7.700": "rate_limited",
}  # fmt: skip
_LIKELY = {
    "1.0": "unknown_user", "1.1": "unknown_user", "1.4": "unknown_user", "1.6": "unknown_user",
    "1.9": "protocol",
    "2.1": "unknown_user", "2.4": "unknown_user",
    "3.1": "connect", "3.2": "connect", "3.3": "unsupported", "3.5": "connect",
    "4.1": "connect", "4.2": "connect", "4.3": "dns", "4.4": "unknown_domain", "4.5": "rate_limited", "4.7": "connect",
    "5.0": "protocol", "5.1": "protocol", "5.2": "protocol", "5.4": "protocol", "5.5": "protocol", "5.6": "auth",
    "6.0": "protocol", "6.1": "unsupported", "6.3": "unsupported", "6.5": "unsupported", "6.6": "protocol", "6.11": "protocol",
    "7.2": "policy", "7.3": "policy", "7.9": "policy", "7.12": "policy", "7.13": "unknown_user",
    "7.23": "policy", "7.512": "protocol",
}  # fmt: skip

_LISTS = (
    r"spam.?haus|spam.?cop|barracuda(?:central| reputation)|\bsorbs\b|\buceprotect|cloudmark sender|\bcsi\.cloudmark|cloudmark csi"
    r"|dns.?bl|\brbls?\b|(?:black|block|deny).?list|ipcheck\.proofpoint|email reputation database|senderscore"
)
_WE = (
    r"\b(?:(?:ips?|hosts?|servers?|networks?|clients?)(?:[ -]address(?:es)?)?|connections?|(?:connection|mail|message)s? from(?= [\[(]?\d))"
    r"(?: [\[(]?[\d.:a-f]{3,48}[\])]?)?(?: (?:is|are|was|were|(?:has|have) been))?(?: \w{1,16}ly)?"
)
"""Who sends, where that is a machine."""
_AUTHENTICITY = r"\bSPF\b|\bDKIM\b|\bDMARC\b|sender policy framework|spoof"

# In this order, over text in lower case: three times as fast as re.I. A window between two words is bounded, so that no text is slow.
_BY_TEXT = tuple((name, re.compile(words.lower())) for name, words in (
    ("greylisted", r"gr[ea]y-?list"),
    ("protocol", r"RFC.?5322|malformed|duplicate header|valid Message-ID|header\b.{0,16}missing|missing a valid|addresses in From:"),
    ("mailbox_full",
     r"(?:mailbox|inbox|quota|storage|account|boite)\b.{0,24}(?:\bfull\b|exceed|over\b|out of storage|pleine)|over ?quota"
     r"|out of storage space|trouble in home directory|too much mail data"),
    ("too_large",
     r"(?:message|mail|attachment|headers?|body|file)s?\b.{0,16}(?:too (?:large|big|long)|exceed.{0,32}(?:size|limit))"
     r"|size (?:limit|exceed)|exceeds.{0,32}\bsize|maximum message size"),
    ("dns",
     r"(?:reverse|PTR|rdns|hostname).{0,24}(?:fail|not (?:found|match|set)|missing|record|DNS)|(?:bad|fix|no|valid) (?:reverse|rdns|PTR)"
     r"|bad DNS|cannot find your|IP name lookup|look.?up fail|(?:fail(?:ed|s|ure|ing)?|error).{0,12}(?:DNS|look.?up)|unresolv"
     r"|sender address.{0,320}(?:domain not found|not exist|not found)|domain of sender|DNS (?:query|check|error)"),
    ("policy", rf"(?:{_AUTHENTICITY}).{{0,80}}(?:fail|polic|not|invalid|record|reject|verif)|(?:bad|invalid|to|with) (?:{_AUTHENTICITY})"
     rf"|(?:fail(?:ed|s|ure|ing)?|due to|anti-?|reject\w*).{{0,40}}(?:{_AUTHENTICITY})|unauthenticated|authenticate with either"
     r"|authentication (?:information|checks)|purported responsible"),
    ("rate_limited",
     r"rate.?limit|throttl|too (?:many|fast|quickly|frequent|much mail)|frequency|trop de connexions|slow down"
     r"|at a rate|unusual rate|excessive (?:volume|rate)|unexpected volume|per (?:hour|day|minute|connection)\b|this hour|daily"
     r"|thread limit|relay limit|exceeded (?:permitted|their|its|your).{0,16}(?:limit|quota)|server busy. please try again later from"),
    ("tls", r"starttls|\bTLS\b|requires? encryption"),
    ("blocked", rf"(?:poor|low|bad) (?:\w{{1,16}} )?reputation|reputation\b.{{0,16}}\b(?:poor|low|bad)\b"
     rf"|(?:due to|because of) (?:\w{{1,16}} ){{0,3}}reputation|permanently deferred|banned send|{_WE} (?:blocked|banned)\b"),
    ("unknown_user",
     r"(?:(?<!sender )address|user|mailbox|recipient|account|alias|customer|email address|utilisateur)s?\b.{0,48}"
     r"(?:unknown|not (?:be )?(?:found|known|exist|valid|listed)|n.t exist|doesn.t have|unavailable|suspended|disabled|discontinued"
     r"|inactive|frozen|locked|(?:is|est) blo(?:cked|que)|no longer|invalide)"
     r"|(?:no such|unknown|invalid|disabled|not our|inactive|illegal) (?:or illegal )?(?:user|mailbox|recipient|address|alias|account"
     r"|customer|email|addressee)|addressee unknown|(?:user|email address) (?:is )?not|unrouteable|recipient no longer|no longer valid"
     r"|not a registered|recipient address rejected: access denied|doesn.t have a .{1,40}account|RecipNotFound|no mailbox"),
    ("unknown_domain",
     r"(?:host|domain|nom de domaine)\b.{0,16}(?:unknown|not found|n.t exist|not exist|invalid|not accept (?:any )?mail)"
     r"|(?:invalid|unknown|no such) (?:domain|host)|null MX|nullmx"),
    ("blocked",
     rf"{_LISTS}|client (?:host )?(?:\[.{{0,48}}\] )?(?:rejected: )?blocked|blocked (?:using|ip|by .{{1,40}}list)"
     r"|block(?:ed|ee)? for spam|bloquee? pour|^\s*(?:\[?[\d.:a-f]{3,48}\]? )?(?:is )?blocked\b"
     r"|not authorized to send email directly|listed (?:in|on|at)\b|black ip|is_blocked"),
    ("spam",
     r"\bspam(?:mer|ming)?\b|\bSPM\b|anti-?spam|junk|unsolicited|\bUBE\b|virus|malware|phish|illegal attachment|banned content"
     r"|content presents|security (?:risk|policies)|suspicious|content (?:denied|rejected|judged)"
     r"|message (?:content|filtered)|MCSpam|objectionable"),
    ("policy", r"\bpolic(?:y|ies)\b|relay|not allowed|not permitted|prohibit|denied|rcpthosts|badrcptto|verify failed|not authorized"
     r"|recipient preferences|rejected by recipient|not verified|access|envelope blocked|may not be|(?:sender|client host) rejected"
     r"|AuthRequired|authentication required;|not in whitelist|domains per transaction"),
    ("auth", r"authenticat(?:e|ion) (?:is )?(?:required|failed|credentials)|not authenticated|\bSMTP AUTH"),
    ("protocol", r"syntax|too many hops|mail loop|hop count"),
    ("connect", r"\bbusy\b|(?:service|server) (?:is )?(?:temporarily |currently )?(?:not |un)available|upstream|disk space|system resources"
     r"|timeout|service refused|not accepting connections"),
))  # fmt: skip

_SURE_CODES = {538: "tls", 555: "unsupported"}
_BY_CODE = {
    450: "other",
    451: "other",
    452: "other",
    CLOSING: "connect",
    530: "auth",
    534: "auth",
    535: "auth",
}
_BY_CODE_AT_RCPT = {550: "unknown_user", 551: "unknown_user", 552: "mailbox_full", 553: "unknown_user", 452: "rate_limited"}
_BY_CODE_ELSEWHERE = {552: "too_large", 550: "policy", 553: "policy", 554: "policy"}


def classify(phase: Phase, code: int, enhanced: str, text: str) -> str:
    """The class of a reply that says no. `enhanced` is of the reply's own class, or empty; `text` at most 512 octets."""
    if (by_phase := _BY_PHASE.get(phase)) is not None:
        return by_phase
    if (sure := _SURE_CODES.get(code) or _SURE.get(enhanced[2:])) is not None:
        return sure
    words = _ADDRESS.sub(" ", text) if "@" in text or "<" in text else text
    return _by_words(phase, code, enhanced, words.lower())


@lru_cache(maxsize=1000)
def _by_words(phase: Phase, code: int, enhanced: str, words: str) -> str:
    """Remembered, since a server says the same of many: 2 µs instead of 25 to 80. At most half a MB of words."""
    early = phase < Phase.RCPT
    for name, pattern in _BY_TEXT:
        if pattern.search(words) is not None and not (early and name in _OF_RECIPIENTS):
            return name
    return _LIKELY.get(enhanced[2:]) or _by_code(phase, code, enhanced[2:4] == "7.")


def is_unknown(code: int) -> bool:
    """The server does not understand a command, or not there (RFC 5321 4.2.4). To one that it offered that says nothing of the mail."""
    return code in _SYNTAX


def _by_code(phase: Phase, code: int, security: bool) -> str:
    """When nothing better is known. `security`: the enhanced code is x.7.y, that is, somebody may not (RFC 3463 3.8)."""
    if security:
        return _BY_CODE.get(code, "policy").replace("other", "policy")
    found = _BY_CODE.get(code, "") if phase is not Phase.RCPT else _BY_CODE_AT_RCPT.get(code) or _BY_CODE.get(code, "")
    if not found and is_unknown(code):
        return "protocol"
    return found or _BY_CODE_ELSEWHERE.get(code, "other")
