"""Addresses: RFC 5321 mailboxes with IDNA 2008 domains and RFC 6531 local parts, in the one form that the envelope has. Pure.

The form: the local part as given, the domain in lower case and A-labels. What is refused, and why, is in `_explain`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import idna

from gateway.admission.faults import show

MAX_LOCAL_OCTETS = 64
"""RFC 5321 4.5.3.1.1."""
MAX_DOMAIN_OCTETS = 253
"""RFC 5321 4.5.3.1.2 has 255, which in DNS are 253 characters (RFC 1035 3.1: a length before each label, and the root)."""
MAX_ADDRESS_OCTETS = 254
"""RFC 5321 4.5.3.1.3: a path of 256 with its angle brackets."""

MAX_PLAIN = 4 * MAX_ADDRESS_OCTETS
"""Longer text is not looked at: no encoding of it can be an address."""

_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\-"
_ASCII_LOCAL = rf"[{_ATEXT}]+(?:\.[{_ATEXT}]+)*"
_PLAIN = re.compile(rf"({_ASCII_LOCAL})@([A-Za-z0-9.-]+)")
_DOT_STRING = re.compile(rf"[{_ATEXT}\u0080-\U0010ffff]+(?:\.[{_ATEXT}\u0080-\U0010ffff]+)*")
_QUOTED = re.compile(r'"(?:[ !#-\[\]-~\u0080-\U0010ffff]|\\[ -~])*"')
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class Mailbox(NamedTuple):
    """A sound address. `email` is what RCPT TO gets; `utf8`: the local part is not ASCII, so that it needs SMTPUTF8."""

    email: str
    domain: str
    utf8: bool


class Unsound(ValueError):
    """Why something is not an address; the text is for the caller."""


def parse(email: str) -> Mailbox:
    """The mailbox that `email` names. Plain ASCII takes about a microsecond.

    Raises:
        Unsound: it is none, or one that cannot be sent to.
    """
    plain = _PLAIN.fullmatch(email) if len(email) <= MAX_PLAIN else None
    if plain is None:
        return _parse_unusual(email)
    given = plain[2]
    domain = canonical_domain(given)
    if len(email) > MAX_LOCAL_OCTETS:  # shorter ones cannot exceed any
        _check_lengths(plain[1], domain)
    return Mailbox(email if domain == given else f"{plain[1]}@{domain}", domain, False)


@lru_cache(maxsize=16384)
def canonical_domain(given: str) -> str:
    """Lower case, A-labels.

    Raises:
        Unsound: it is not a full domain name.
    """
    _check_shape(given)
    domain = given.lower()
    if not domain.isascii() or "xn--" in domain:
        domain = _to_a_labels(domain)
    labels = domain.split(".")
    for label in labels:
        if not _LABEL.fullmatch(label):
            raise Unsound(_explain_label(label))
    if len(domain) > MAX_DOMAIN_OCTETS:
        raise Unsound(f"its domain has {len(domain)} octets in A-labels, at most {MAX_DOMAIN_OCTETS} are allowed (RFC 5321 4.5.3.1.2)")
    if labels[-1].isdigit():
        raise Unsound("its domain ends in a number, as no domain does: give a domain's name")
    if len(labels) == 1 and domain != "localhost":
        raise Unsound("its domain has no dot: give the full name, such as example.com")
    return domain


def has_controls(text: str) -> bool:
    """CR, LF, NUL or another control or line separator: what could begin a header or a command of its own."""
    return not text.isprintable() and _CONTROLS.search(text) is not None


def _parse_unusual(email: str) -> Mailbox:
    local, at, given = email.rpartition("@")
    if len(email) > MAX_PLAIN:
        raise Unsound(f"it has {len(email)} characters, at most {MAX_ADDRESS_OCTETS} octets are allowed (RFC 5321 4.5.3.1.3)")
    if not email:
        raise Unsound("it is empty: give an address such as someone@example.com")
    if has_controls(email):
        raise Unsound("it holds a line break or another control character, which no address may")
    if not at or not local or not given:
        raise Unsound("it is not of the form local@domain")
    if not _QUOTED.fullmatch(local) and not _DOT_STRING.fullmatch(local):
        raise Unsound(_explain_local(local, email))
    if not local.isprintable():
        raise Unsound("its local part holds characters that cannot be seen")
    domain = canonical_domain(given)
    _check_lengths(local, domain)
    return Mailbox(f"{local}@{domain}", domain, not local.isascii())


def _check_shape(given: str) -> None:
    if given.startswith("["):
        raise Unsound("an address literal names a machine, not a domain, and is not taken: give the domain's name")
    if given.endswith("."):
        raise Unsound("its domain ends with a dot: remove it")


def _check_lengths(local: str, domain: str) -> None:
    octets = len(local.encode())
    if octets > MAX_LOCAL_OCTETS:
        raise Unsound(f"its local part has {octets} octets, at most {MAX_LOCAL_OCTETS} are allowed (RFC 5321 4.5.3.1.1)")
    if octets + 1 + len(domain) > MAX_ADDRESS_OCTETS:
        raise Unsound(f"it has {octets + 1 + len(domain)} octets, at most {MAX_ADDRESS_OCTETS} are allowed (RFC 5321 4.5.3.1.3)")


def _to_a_labels(domain: str) -> str:
    """IDNA 2008 after the mapping of UTS 46, as browsers have it (case, full-width forms, ideographic dots)."""
    try:
        return idna.encode(domain, uts46=True, std3_rules=True).decode("ascii")
    except idna.IDNAError as error:
        raise Unsound(f"its domain is not a valid international name ({error})") from None
    except UnicodeError:
        raise Unsound("its domain is not a valid international name") from None


def _explain_local(local: str, email: str) -> str:
    if "<" in email or ">" in email:
        return "give the address alone, without angle brackets, and the name in display_name"
    if "," in email or ";" in email:
        return "it holds several addresses: give each as an entry of its own"
    if local.startswith(".") or local.endswith(".") or ".." in local:
        return 'its local part has a dot at an end or two in a row; if it is meant, quote it: "a..b"@example.com'
    if " " in local:
        return 'its local part holds a space; if it is meant, quote it: "a b"@example.com'
    return 'its local part holds characters that must be quoted ("…"@example.com) or do not belong there (RFC 5321 4.1.2)'


def _explain_label(label: str) -> str:
    if not label:
        return "its domain has an empty label: two dots in a row, or one at the start"
    if len(label) > 63:  # noqa: PLR2004 - RFC 1035 2.3.4
        return f"a label of its domain has {len(label)} octets, at most 63 are allowed (RFC 1035 2.3.4)"
    if label.startswith("-") or label.endswith("-"):
        return f"the label {show(label)} of its domain has a hyphen at an end"
    return f"the label {show(label)} of its domain holds other characters than letters, digits and hyphens"
