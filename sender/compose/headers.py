"""Header fields: safe values, folded lines (RFC 5322 2.1.1, 2.2.3), and the date. Pure.

Whatever admission has let through, no CR, LF or NUL leaves here: a value that has one is refused.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

from mailgate.errors import Invalid
from sender.compose.words import encode_words

MAX_LINE = 78
"""RFC 5322 2.1.1: octets that a line should have at most, its end not counted."""

HARD_LINE = 998
"""RFC 5322 2.1.1: octets that a line must not exceed."""

OWN = frozenset({"from", "reply-to", "to", "cc", "bcc", "subject", "date", "message-id", "mime-version"})
"""What is written from the mail's fields (Bcc: never); `Content-…` is too."""

_NAME = re.compile(r"[!-9;-~]{1,76}")
_BREAKING = re.compile(r"[\r\n\0]")
_GAP = re.compile(r"[ \t]+")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def refuse_breaks(field: str, value: str) -> None:
    """Nothing that ends a line may stand in a header.

    Raises:
        Invalid: CR, LF or NUL in `value`.
    """
    if _BREAKING.search(value):
        raise Invalid.field(field, f"{value[:64]!r} has CR, LF or NUL, which no header may carry: remove it")


@lru_cache(maxsize=512)
def subject(text: str) -> str:
    """The Subject field with its line end. What looks like an encoded word is encoded, so that readers show it as it was written.

    Raises:
        Invalid: CR, LF or NUL.
    """
    return _unstructured("subject", "Subject", text, literal="=?" not in text)


@lru_cache(maxsize=512)
def user_field(name: str, value: str) -> str:
    """A field of the caller's with its line end. ASCII is kept as it is, encoded words too; anything else becomes encoded words.

    Raises:
        Invalid: a name that is none or that is ours to write; CR, LF or NUL in the value.
    """
    if not _NAME.fullmatch(name):
        raise Invalid.field("headers", f"{name[:64]!r} is not the name of a header: use printable ASCII without a colon")
    lower = name.lower()
    if lower in OWN or lower.startswith("content-"):
        raise Invalid.field("headers", f"{name} is written from the mail's own fields: remove it from headers")
    return _unstructured(f"headers.{name}", name, value, literal=True)


def _unstructured(field: str, name: str, value: str, *, literal: bool) -> str:
    refuse_breaks(field, value)
    if literal and value.isascii() and value.strip(" \t") == value and value.replace("\t", " ").isprintable():
        folded = fold(name, value)
        if folded:
            return folded
    try:
        words = encode_words(value, MAX_LINE - 2 - len(name) - 2)
    except UnicodeEncodeError:
        raise Invalid.field(field, f"{value[:64]!r} has half of a surrogate pair: give whole characters") from None
    return f"{name}: " + "\r\n ".join(words) + "\r\n"


def fold(name: str, value: str) -> str:
    """The field with its line end, broken before white space where it is too long. Empty: a word of it is longer than a line may be."""
    if len(name) + 2 + len(value) <= MAX_LINE:
        return f"{name}: {value}\r\n"
    lines, line, at = [], f"{name}:", 0
    gap = " "
    for match in [*_GAP.finditer(value), None]:
        word = value[at : match.start() if match else len(value)]
        if len(line) + len(gap) + len(word) > MAX_LINE and line.strip(" \t"):
            lines.append(line)
            line = gap + word
        else:
            line += gap + word
        if len(line) > HARD_LINE:
            return ""
        if match:
            gap, at = match.group(), match.end()
    lines.append(line)
    return "\r\n".join(lines) + "\r\n"


def fold_items(name: str, items: list[str]) -> str:
    """A field whose items stand with a comma between them, as many on a line as fit, each whole."""
    lines, line = [], f"{name}: {items[0]}"
    if "\r" not in line and len(line) >= MAX_LINE:
        lines, line = [f"{name}:"], f" {items[0]}"
    for item in items[1:]:
        if len(line) + 2 + len(item) + 1 > MAX_LINE:
            lines.append(line + ",")
            line = f" {item}"
        else:
            line += f", {item}"
    lines.append(line)
    return "\r\n".join(lines) + "\r\n"


def message_id(value: str) -> str:
    """The Message-ID field with its line end.

    Raises:
        Invalid: white space, a control character or no ASCII in it, or longer than a line.
    """
    if not value.isascii() or not value.isprintable() or " " in value or len(value) > HARD_LINE - 1:
        raise Invalid.field("message_id", f"{value[:64]!r} is not a Message-ID: give <left@right> in printable ASCII")
    return f"Message-ID: {value}\r\n" if len(value) <= MAX_LINE - 12 else f"Message-ID:\r\n {value}\r\n"


@lru_cache(maxsize=64)
def date(second: int) -> str:
    """The Date field with its line end (RFC 5322 3.3), in UTC, from seconds since the epoch."""
    t = datetime.fromtimestamp(second, UTC)
    return f"Date: {_DAYS[t.weekday()]}, {t.day:02} {_MONTHS[t.month - 1]} {t.year} {t.hour:02}:{t.minute:02}:{t.second:02} +0000\r\n"
