"""The rules of header fields that callers add: well formed (RFC 5322 2.2), and not those that Mailgate writes itself. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.admission.addresses import has_controls
from gateway.admission.faults import Faults, show
from gateway.admission.limits import Limits
from mailgate.mail import Header

MAX_NAME = 76
"""Characters of a field's name: it must fit a line of 78 with its colon and something after it (RFC 5322 2.1.1)."""

_NAME = re.compile(r"[!-9;-~]+")
_OURS = "Mailgate writes it itself: leave it out"
_TRACE = "it belongs to those who carry the mail: leave it out"
_SIGNATURES = "signatures are made when the mail is sent: leave it out"

RESERVED = {
    "from": "give from_address instead",
    "sender": "from_address is the sender: leave it out",
    "to": "give the recipients in `to` instead",
    "cc": "give the recipients in `cc` instead",
    "bcc": "give the recipients in `bcc` instead: as a header all would see them",
    "reply-to": "give reply_to instead",
    "subject": "give parts.subject instead",
    "return-path": "give return_path instead",
    "date": _OURS,
    "message-id": _OURS,
    "mime-version": _OURS,
    "received": _TRACE,
    "delivered-to": _TRACE,
    "authentication-results": _TRACE,
    "dkim-signature": _SIGNATURES,
}
"""Lower case name → what to do instead."""

_RESERVED_PREFIXES = {"content-": _OURS, "resent-": _TRACE, "arc-": _SIGNATURES}


def check_headers(headers: Sequence[Header], field: str, limits: Limits, faults: Faults, *, already: int = 0) -> int:
    """Note what is wrong with them; their octets. `already`: shared ones that count against the limit too."""
    if len(headers) + already > limits.max_headers:
        faults.add_large(field, f"{len(headers) + already} header fields, at most {limits.max_headers} are allowed")
        return 0
    octets = 0
    for index, header in enumerate(headers):
        octets += len(header.name) + len(header.value.encode())
        if reason := name_fault(header.name):
            faults.add(f"{field}[{index}].name", f"{show(header.name)}: {reason}")
        if has_controls(header.value.replace("\t", " ")):
            faults.add(
                f"{field}[{index}].value", "it holds CR, LF, NUL or another control character, which could begin another field: remove it"
            )
    if octets > limits.max_header_bytes:
        faults.add_large(field, f"{octets} octets of header fields, at most {limits.max_header_bytes} are allowed")
    return octets


def name_fault(name: str) -> str:
    """Why this cannot be the name of a caller's field; empty when it can."""
    if not name:
        return "the name is empty"
    if not _NAME.fullmatch(name):
        return "a name has only visible ASCII characters, and no colon or space (RFC 5322 2.2)"
    if len(name) > MAX_NAME:
        return f"a name has at most {MAX_NAME} characters"
    lower = name.lower()
    if reason := RESERVED.get(lower):
        return reason
    return next((reason for prefix, reason in _RESERVED_PREFIXES.items() if lower.startswith(prefix)), "")
