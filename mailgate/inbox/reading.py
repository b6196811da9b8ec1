"""A kept mail as people read it: subject, addresses, texts, attachments. Mail is hostile: whatever it holds, reading never fails. Pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesHeaderParser
from itertools import islice
from typing import TypeVar

from mailgate.inbox.store import Received

_HEAD = 256 * 1024
"""Octets that a summary looks at."""

_HEADERS = 1_000
"""Headers that are looked at."""

_HEADER = 16 * 1024
"""Octets of a header that is decoded: the parser's time may grow with their square."""

_PARTS = 1_000
"""Parts of one mail that are looked at."""

_INLINE_IMAGE = 2 * 1024 * 1024
_IMAGE = re.compile(r"image/(?:png|jpeg|gif|webp|avif)")
T = TypeVar("T")

_CID = re.compile(r"cid:([^\s\"'<>)]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Summary:
    """What a list shows of a mail."""

    subject: str
    from_: str
    to: str


@dataclass(frozen=True, slots=True)
class Part:
    """An attachment, or anything else that is not the mail's text."""

    filename: str
    content_type: str
    content_id: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reading:
    """A mail, taken apart. `trouble` says what could not be read."""

    summary: Summary
    headers: tuple[tuple[str, str], ...]
    text: str | None
    html: str | None
    attachments: tuple[Part, ...]
    trouble: str = ""


def summarise(mail: Received) -> Summary:
    """Subject, From and To, decoded; empty where they are missing."""
    end = mail.message.find(b"\r\n\r\n", 0, _HEAD)
    parsed = _attempt(lambda: BytesHeaderParser().parsebytes(mail.message[: _HEAD if end < 0 else end]))
    found: dict[str, str] = {}
    for name, value in islice(parsed.raw_items(), _HEADERS) if parsed else ():
        if name.lower() in ("subject", "from", "to"):
            found.setdefault(name.lower(), _decoded(name, value))
    return Summary(found.get("subject", ""), found.get("from", ""), found.get("to", ""))


def read(mail: Received) -> Reading:
    """Take a mail apart. Takes milliseconds, for a large one seconds: call it in a thread."""
    summary = summarise(mail)
    parsed = _attempt(lambda: message_from_bytes(mail.message))
    if parsed is None:
        return Reading(summary, (), None, None, (), "The message could not be taken apart; its source is whole.")
    headers = tuple((_clean(name), _decoded(name, value)) for name, value in islice(parsed.raw_items(), _HEADERS))
    text = html = None
    attachments = []
    for leaf in _leaves(parsed):
        kind, filename = leaf.get_content_type(), _filename(leaf)
        if filename or leaf.get_content_disposition() == "attachment" or kind not in ("text/plain", "text/html"):
            attachments.append(_part(leaf, kind, filename))
        elif kind == "text/plain" and text is None:
            text = _text(leaf)
        elif kind == "text/html" and html is None:
            html = _text(leaf)
        else:
            attachments.append(_part(leaf, kind, filename))
    return Reading(summary, headers, text, html, tuple(attachments))


def with_images(html: str, attachments: tuple[Part, ...]) -> str:
    """The HTML with `cid:` references to its images replaced by the images themselves (data: URLs), so that a sandbox can show them."""
    images = {p.content_id: p for p in attachments if p.content_id and _IMAGE.fullmatch(p.content_type) and len(p.data) <= _INLINE_IMAGE}

    def image(match: re.Match[str]) -> str:
        part = images.get(match[1])
        return f"data:{part.content_type};base64,{base64.b64encode(part.data).decode()}" if part else match[0]

    return _CID.sub(image, html) if images else html


def _leaves(message: Message) -> Iterator[Message]:
    """The parts that hold no parts, in order; a message inside the mail is one of them."""
    waiting = [message]
    seen = 0
    while waiting and seen < _PARTS:
        part = waiting.pop()
        seen += 1
        payload = part.get_payload()
        if part.get_content_maintype() == "multipart" and isinstance(payload, list):
            waiting += [inner for inner in reversed(payload) if isinstance(inner, Message)]
        else:
            yield part


def _text(part: Message) -> str:
    octets = _octets(part)
    charset = _attempt(part.get_content_charset) or "utf-8"
    text = _attempt(lambda: octets.decode(charset, "replace"))
    return _clean(octets.decode("utf-8", "replace") if text is None else text)


def _octets(part: Message) -> bytes:
    """The decoded content; of a message inside, the message."""
    payload = part.get_payload()
    if isinstance(payload, list):
        return b"\r\n".join(_attempt(inner.as_bytes) or b"" for inner in payload if isinstance(inner, Message))
    decoded = _attempt(lambda: part.get_payload(decode=True))
    return decoded if isinstance(decoded, bytes) else b""


def _part(part: Message, kind: str, filename: str) -> Part:
    content_id = _attempt(lambda: str(part.get("content-id", ""))) or ""
    return Part(filename, _clean(kind), _clean(content_id).strip("<> \r\n\t"), _octets(part))


def _filename(part: Message) -> str:
    name = str(_attempt(part.get_filename) or "")
    if "=?" in name:  # RFC 2047 forbids it here, and half of the world writes it
        name = _attempt(lambda: str(make_header(decode_header(name)))) or name
    return _line(name)


def _decoded(name: str, value: str) -> str:
    """A header's value as it was meant; as it stands where that cannot be told, or is too long to try."""
    decoded = _attempt(lambda: str(policy.default.header_fetch_parse(name, value))) if len(value) <= _HEADER else None
    return _line(str(value) if decoded is None else decoded)


def _line(value: str) -> str:
    return _clean(value).replace("\r", "").replace("\n", " ")


def _clean(text: str) -> str:
    """Octets that were no ASCII stand as surrogates: read them as UTF-8."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()


def _attempt(what: Callable[[], T]) -> T | None:
    """What it gives, or None: parsers stumble over hostile mail with errors of any kind, endless recursion included."""
    try:
        return what()
    except Exception:
        return None
