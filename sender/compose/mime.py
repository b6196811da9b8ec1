"""The parts of a mail as a MIME entity: alternative, related, mixed (RFC 2046). Pure.

An entity is (fields, pieces): its Content-* lines, and the octets of its body in pieces to be joined. Large bodies are never copied until
the whole mail is joined.

A boundary begins with `=_`, which quoted-printable and base64 cannot contain (RFC 2045 6.7); against what travels as 7bit it is checked,
and another is made until none occurs. It is made from the content alone: the same content has the same octets in every mail.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

from mailgate.errors import Invalid
from mailgate.mail import Attachment, Parts
from sender.compose.encodings import Encoded, base64, encode_text, fits_7bit
from sender.compose.parameters import DEFAULT_TYPE, content_id, content_type, disposition

_SAMPLE = 4096
"""Octets of an attachment that go into the boundary's digest, beside its length."""


class Entity(NamedTuple):
    """A MIME entity: its Content-* fields with their line ends, and its body. The body need not end with a line end."""

    fields: str
    pieces: tuple[bytes, ...]


def build(parts: Parts, attachments: tuple[Attachment, ...]) -> Entity:
    """The whole body of a mail.

    Raises:
        Invalid: nothing to send at all, or an attachment whose type, id or name no header can carry.
    """
    if not (parts.text or parts.html or parts.subject or attachments):
        raise Invalid.field("content", "the mail has no subject, text, html or attachment: give at least one")
    inline = tuple(a for a in attachments if a.content_id and parts.html)
    files = tuple(a for a in attachments if not (a.content_id and parts.html))
    boundaries = _Boundaries(parts, attachments)
    main: list[Entity] = []
    if parts.text or not (parts.html or attachments):
        main.append(_text("plain", parts.text, boundaries))
    if parts.html:
        html = _text("html", parts.html, boundaries)
        related = [html, *(_attachment(a, boundaries) for a in inline)]
        main.append(_multipart("related", related, boundaries, '; type="text/html"') if inline else html)
    body = [_multipart("alternative", main, boundaries)] if len(main) > 1 else main
    if not files:
        return body[0]
    return _multipart("mixed", [*body, *(_attachment(a, boundaries) for a in files)], boundaries)


def _text(subtype: str, text: str, boundaries: _Boundaries) -> Entity:
    try:
        encoded = encode_text(text)
    except UnicodeEncodeError:
        raise Invalid.field(subtype.replace("plain", "text"), "has half of a surrogate pair: give whole characters") from None
    return _entity(f"Content-Type: text/{subtype}; charset=utf-8\r\n", encoded, boundaries)


def _attachment(attachment: Attachment, boundaries: _Boundaries) -> Entity:
    kind, value = content_type(attachment.content_type)
    if not kind.startswith(("message/", "multipart/")):
        encoded = Encoded("base64", base64(attachment.data))
    elif fits_7bit(attachment.data):
        encoded = Encoded("7bit", (attachment.data,))
    else:  # RFC 2046 5.1 and 5.2.1 forbid to encode these, so it travels as a file
        value, encoded = DEFAULT_TYPE, Encoded("base64", base64(attachment.data))
    fields = f"Content-Type: {value}\r\n"
    if attachment.content_id:
        fields += f"Content-ID: {content_id(attachment.content_id)}\r\n"
    where = disposition("inline" if attachment.content_id else "attachment", attachment.filename)
    return _entity(f"{fields}Content-Disposition: {where}\r\n", encoded, boundaries)


def _entity(fields: str, encoded: Encoded, boundaries: _Boundaries) -> Entity:
    if encoded.encoding == "7bit":
        boundaries.plain += encoded.pieces
    return Entity(f"{fields}Content-Transfer-Encoding: {encoded.encoding}\r\n", encoded.pieces)


def _multipart(subtype: str, entities: list[Entity], boundaries: _Boundaries, parameters: str = "") -> Entity:
    boundary = boundaries.next()
    delimiter = f"--{boundary}\r\n"
    pieces: list[bytes] = []
    for entity in entities:
        pieces.append(f"{delimiter}{entity.fields}\r\n".encode())
        pieces += entity.pieces
        delimiter = f"\r\n--{boundary}\r\n"
    pieces.append(f"\r\n--{boundary}--\r\n".encode())
    return Entity(f'Content-Type: multipart/{subtype}{parameters};\r\n boundary="{boundary}"\r\n', tuple(pieces))


class _Boundaries:
    """Makes the boundaries of one mail. `plain` gathers what travels as it is; it must be whole for a multipart before `next`."""

    def __init__(self, parts: Parts, attachments: tuple[Attachment, ...]) -> None:
        self.plain: list[bytes] = []
        self._parts = parts
        self._attachments = attachments
        self._digest = ""
        self._made = 0

    def next(self) -> str:
        """A boundary that occurs in nothing of `plain`, and is no other's beginning."""
        self._digest = self._digest or self._content_digest()
        while True:
            boundary = f"=_{self._made:x}_{self._digest}"
            self._made += 1
            octets = boundary.encode()
            if not any(octets in piece for piece in self.plain):
                return boundary

    def _content_digest(self) -> str:
        digest = blake2b(digest_size=12)
        for text in (self._parts.subject, self._parts.text, self._parts.html):
            digest.update(b"%d:" % len(text))
            digest.update(text[:_SAMPLE].encode(errors="replace"))
        for attachment in self._attachments:
            digest.update(b"%d:" % len(attachment.data))
            digest.update(attachment.data[:_SAMPLE])
        return digest.hexdigest()
