"""Mailboxes in headers: display names quoted or encoded, domains in A-labels, lists folded (RFC 5322 3.4, 6532). Pure."""

from __future__ import annotations

import re
from functools import lru_cache

import idna

from mailgate.errors import Invalid
from mailgate.mail import Address
from sender.compose.headers import fold_items, refuse_breaks
from sender.compose.words import encode_words

_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\-"
_PLAIN = re.compile(rf"[{_ATEXT}]+(?:\.[{_ATEXT}]+)*@[A-Za-z0-9.-]+")
_LOCAL = re.compile(rf"[{_ATEXT}\u0080-\U0010ffff]+(?:\.[{_ATEXT}\u0080-\U0010ffff]+)*")
_QUOTED = re.compile(r'"(?:[^"\\\x00-\x1f\x7f]|\\[^\x00-\x1f\x7f])*"')
_DOMAIN = re.compile(r"[^\s\x00-\x20<>()@,;:\\\"\[\]\x7f]+|\[[!-Z^-~]+\]")
_PHRASE = re.compile(rf"[{_ATEXT}]+(?: [{_ATEXT}]+)*")
_SPECIAL = re.compile(r'(["\\])')
_SHORT = 64
"""A longer name is written as encoded words: they can be broken anywhere."""


def mailboxes(name: str, addresses: tuple[Address, ...], smtputf8: bool) -> str:
    """A field that lists mailboxes, with its line end; empty for an empty list.

    Raises:
        Invalid: an address that is none, that needs SMTPUTF8 where the mail does not go by it, or anything that ends a line.
    """
    if not addresses:
        return ""
    return fold_items(name, [mailbox(address, smtputf8) for address in addresses])


@lru_cache(maxsize=1024)
def mailbox(address: Address, smtputf8: bool) -> str:
    """One mailbox as headers have it: `local@domain`, or a name and the address in angle brackets.

    Raises:
        Invalid: as `mailboxes`.
    """
    email = address.email if _PLAIN.fullmatch(address.email) and len(address.email) <= 254 else _unusual(address.email, smtputf8)  # noqa: PLR2004
    name = address.display_name
    if not name:
        return email
    refuse_breaks("display_name", name)
    if name.isascii() and name.isprintable() and name.strip() and "=?" not in name:
        phrase = name if _PHRASE.fullmatch(name) else '"' + _SPECIAL.sub(r"\\\1", name) + '"'
        if len(phrase) <= _SHORT:
            return f"{phrase}{_gap(len(phrase), email)}<{email}>"
    try:
        words = encode_words(name, 64)
    except UnicodeEncodeError:
        raise Invalid.field("display_name", f"{name[:64]!r} has half of a surrogate pair: give whole characters") from None
    return "\r\n ".join(words) + f"{_gap(len(words[-1]), email)}<{email}>"


def _gap(used: int, email: str) -> str:
    return " " if used + len(email) <= 72 else "\r\n "  # noqa: PLR2004


def _unusual(email: str, smtputf8: bool) -> str:
    """What is not plain ASCII: quoted or international."""
    refuse_breaks("email", email)
    local, at, domain = email.rpartition("@")
    if not local or not at or not _DOMAIN.fullmatch(domain) or len(email.encode(errors="replace")) > 320:  # noqa: PLR2004
        raise Invalid.field("email", f"{email[:64]!r} is not an address: give local@domain")
    if not _LOCAL.fullmatch(local) and not _QUOTED.fullmatch(local):
        local = '"' + _SPECIAL.sub(r"\\\1", local) + '"'
        if not _QUOTED.fullmatch(local):
            raise Invalid.field("email", f"{email[:64]!r} has control characters before its @: remove them")
    if local.isascii():
        return f"{local}@{a_labels(domain)}"
    if not smtputf8:
        raise Invalid.field("email", f"{email[:64]!r} needs SMTPUTF8, and the mail does not go by it")
    try:
        email.encode()
    except UnicodeEncodeError:
        raise Invalid.field("email", f"{email[:64]!r} has half of a surrogate pair: give whole characters") from None
    return f"{local}@{domain}"


def a_labels(domain: str) -> str:
    """The domain in ASCII (RFC 5890).

    Raises:
        Invalid: it has no such form.
    """
    if domain.isascii():
        return domain
    try:
        return idna.encode(domain, uts46=True).decode()
    except (idna.IDNAError, UnicodeError) as error:
        raise Invalid.field("email", f"{domain[:64]!r} is not a domain: {error}") from None
