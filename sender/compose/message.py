"""A job's mail as it goes over the wire. Pure: dates and ids come with the job.

What repeats is made once: the fields and the encoded parts of a content (all mails of a batch share it), addresses, subjects, dates.
Compared are values, not objects, since each job is decoded anew: hashing 5 KB costs 3 µs, encoding them 40.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from mailgate import ids
from mailgate.errors import Invalid
from mailgate.job import Content, Envelope, JobBody
from mailgate.mail import Header, Parts, Raw
from sender.compose import headers, mime, raw
from sender.compose.addresses import a_labels, mailboxes
from sender.compose.template import render
from sender.smtp.body import is_clean

_SMALL = 64 * 1024
"""Octets of a content that is kept among the last 64: hashing it is far cheaper than encoding it."""

_MEDIUM = 4 * 1024 * 1024
"""Octets of a content that is kept while it is the last: comparing it costs a copy's time, hashing would cost more than that."""


class _Shared(NamedTuple):
    """What the mails of one content have in common."""

    top: str
    subject: str
    fields: str
    mime: str
    pieces: tuple[bytes, ...]
    clean: bool
    """The pieces are what `is_clean` says; False: or were not looked at."""


def compose(body: JobBody) -> bytes:
    """The whole message: CR LF line ends, ending in CR LF, not dot-stuffed.

    Composed mail is 7-bit but for international addresses of a mail that goes by SMTPUTF8; `raw` mail is what the caller gave. The
    same job gives the same octets, on every node. It does not wait; above `LARGE` octets call it in a thread.

    Raises:
        Invalid: no content, or a field that no header can carry: no node ever can compose it.
    """
    return vouched(body)[0]


def vouched(body: JobBody) -> tuple[bytes, bool]:
    """What `compose` gives, and whether it was found to be clean, so that the hand-off need not look. False: it must look, as at `raw`."""
    envelope, content = body.envelope, body.content
    if isinstance(content.body, Raw):
        return raw.carry(content.body.data, _message_id(envelope, content), _date(envelope)), False
    shared = _share(render(content, envelope), envelope.smtputf8) if content.template else _shared_of(content, envelope.smtputf8)
    head = (
        f"{shared.top}"
        f"{mailboxes('To', envelope.to, envelope.smtputf8)}"
        f"{mailboxes('Cc', envelope.cc, envelope.smtputf8)}"
        f"{shared.subject}{_date(envelope)}{_message_id(envelope, content)}MIME-Version: 1.0\r\n"
        f"{shared.fields}{_user_fields(envelope.headers) if envelope.headers else ''}{shared.mime}\r\n"
    )
    top = head.encode()
    return b"".join((top, *shared.pieces)), shared.clean and is_clean(top)


LARGE = 1 << 20
"""Octets of a job's bytes from which composing takes milliseconds: then it belongs into a thread."""


def _date(envelope: Envelope) -> str:
    """The mail's date, or the time that its id was made (RFC 9562 5.7)."""
    return headers.date((envelope.date_ms or int.from_bytes(envelope.mail_id[:6], "big")) // 1000)


def _message_id(envelope: Envelope, content: Content) -> str:
    return headers.message_id(envelope.message_id or ids.message_id(envelope.mail_id, a_labels(content.from_address.domain)))


def _user_fields(fields: tuple[Header, ...]) -> str:
    return "".join([headers.user_field(field.name, field.value) for field in fields])


def _octets(content: Content, parts: Parts) -> int:
    return len(parts.text) + len(parts.html) + sum(len(attachment.data) for attachment in content.attachments)


def _shared_of(content: Content, smtputf8: bool) -> _Shared:
    octets = _octets(content, content.body) if isinstance(content.body, Parts) else 0
    if octets <= _SMALL:
        return _small(content, smtputf8)
    if octets <= _MEDIUM:
        return _last(content, smtputf8)
    return _share(content, smtputf8)


def _share(content: Content, smtputf8: bool) -> _Shared:
    if not isinstance(content.body, Parts):
        raise Invalid.field("content", "is neither parts nor raw: give one of them")
    entity = mime.build(content.body, content.attachments)
    top = mailboxes("From", (content.from_address,), smtputf8) + mailboxes("Reply-To", content.reply_to, smtputf8)
    pieces = entity.pieces if entity.pieces[-1].endswith(b"\r\n") else (*entity.pieces, b"\r\n")
    if clean := sum(map(len, pieces)) <= _SMALL * 2:
        pieces = (b"".join(pieces),)
        clean = is_clean(pieces[0])
    return _Shared(top, headers.subject(content.body.subject), _user_fields(content.headers), entity.fields, pieces, clean)


_small = lru_cache(maxsize=64)(_share)


class _Last:
    """The last content of medium size, found by comparison."""

    def __init__(self) -> None:
        self._kept: tuple[Content, bool, _Shared] | None = None

    def __call__(self, content: Content, smtputf8: bool) -> _Shared:
        kept = self._kept
        if kept is not None and kept[1] == smtputf8 and kept[0] == content:
            return kept[2]
        shared = _share(content, smtputf8)
        self._kept = (content, smtputf8, shared)
        return shared


_last = _Last()
