"""Jobs ⇄ bytes: what travels on the link from a gateway to its nodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache

from google.protobuf.message import DecodeError

from mailgate.api.mail.v1 import mail_pb2
from mailgate.api.node.v1 import node_pb2
from mailgate.errors import JobUnreadable
from mailgate.ids import MAIL_ID_OCTETS
from mailgate.job import Content, Envelope, JobBody, JobRecipient
from mailgate.mail import Address, Attachment, Header, Parts, Raw
from mailgate.rpc.large import open_attachment, open_parts
from mailgate.rpc.mails import attachment_to_proto
from mailgate.rpc.wire import Crowded, Malformed, Scanner, delimited

LARGE = 256 * 1024
"""Octets beyond which a body is cut out of its message rather than copied through it."""

SMALL = 64 * 1024
"""Octets of a content that is kept as values: 64 of them take 16 MiB where each character takes four octets."""

_FILES, _PARTS, _RAW = (node_pb2.JobBody.DESCRIPTOR.fields_by_name[name].number for name in ("attachments", "parts", "raw"))
_FILE_DATA = mail_pb2.Attachment.DESCRIPTOR.fields_by_name["data"].number
_TEXTS = tuple(mail_pb2.Parts.DESCRIPTOR.fields_by_name[name].number for name in ("subject", "text", "html"))


def encode_envelope(envelope: Envelope) -> bytes:
    """The envelope's half of a JobBody: put it before the content's bytes."""
    body = node_pb2.JobBody(
        mail_id=envelope.mail_id,
        return_path=envelope.return_path,
        smtputf8=envelope.smtputf8,
        message_id=envelope.message_id,
        date_ms=envelope.date_ms,
        traceparent=envelope.traceparent,
    )
    add = body.recipients.add
    for recipient in envelope.recipients:
        add(index=recipient.index, email=recipient.email)
    _put_addresses(body.to, envelope.to)
    if envelope.cc:
        _put_addresses(body.cc, envelope.cc)
    for header in envelope.headers:
        body.own_headers.add(name=header.name, value=header.value)
    if envelope.variables:
        body.own_variables = envelope.variables
    if envelope.hash_key:
        body.hash_key = envelope.hash_key
    return body.SerializeToString()


def encode_content(content: Content) -> bytes:
    """The content's half of a JobBody. Beyond a mebibyte keep it off the loop: it copies bodies once."""
    body = node_pb2.JobBody()
    body.from_address.email = content.from_address.email
    body.from_address.display_name = content.from_address.display_name
    _put_addresses(body.reply_to, content.reply_to)
    for header in content.headers:
        body.headers.add(name=header.name, value=header.value)
    if content.template:
        body.template, body.variables = True, content.variables
    if _weigh(content) > LARGE:
        return b"".join([body.SerializeToString(), *_pieces(content)])
    for file in content.attachments:
        body.attachments.append(attachment_to_proto(file))
    if isinstance(content.body, Raw):
        body.raw = content.body.data
    else:
        parts = body.parts
        parts.subject, parts.text, parts.html = content.body.subject, content.body.text, content.body.html
        parts.SetInParent()
    return body.SerializeToString()


def _weigh(content: Content) -> int:
    body = content.body
    octets = len(body.data) if isinstance(body, Raw) else len(body.text) + len(body.html)
    return octets + sum([len(file.data) for file in content.attachments]) if content.attachments else octets


def _pieces(content: Content) -> Iterator[bytes]:
    """The large fields of a JobBody as they stand in it."""
    for file in content.attachments:
        named = attachment_to_proto(replace(file, data=b"")).SerializeToString()
        before = b"" if file.digest else delimited(_FILE_DATA, len(file.data))
        yield from (delimited(_FILES, len(named) + len(before) + len(file.data)), named, before, file.data)
    if isinstance(content.body, Raw):
        yield from (delimited(_RAW, len(content.body.data)), content.body.data)
        return
    inner: list[bytes] = []
    for number, text in zip(_TEXTS, (content.body.subject, content.body.text, content.body.html), strict=True):
        encoded = text.encode()
        inner += (delimited(number, len(encoded)), encoded)
    yield from (delimited(_PARTS, sum(map(len, inner))), *inner)


def decode_body(data: bytes, content: bytes = b"") -> JobBody:
    """A job's bytes as values: an envelope's and a content's, one after the other; or `data` the envelope's alone, and `content` by itself.

    Jobs that bring the same small content are given the same object: it is read once while it is among the last 64.

    Raises:
        JobUnreadable: they are not a JobBody, or one that no mail can have made. The text never quotes the mail.
    """
    if content:
        envelope = _envelope(_parse(data))
        return JobBody(envelope, _small_content(content) if len(content) <= SMALL else _content(*_open(content)))
    body, carried, files = _open(data)
    return JobBody(_envelope(body), _content(body, carried, files))


def read_keys(envelope: bytes) -> tuple[str, str]:
    """What an envelope's bytes have to hash by: the mail's own key, or "", and the first recipient's address. Empty where they are none."""
    try:
        body = node_pb2.JobBody.FromString(envelope)
    except DecodeError:
        return "", ""
    return body.hash_key, body.recipients[0].email if body.recipients else ""


def _open(data: bytes) -> tuple[node_pb2.JobBody, Parts | Raw, tuple[Attachment, ...]]:
    """The message, and what is in it of what a mail carries."""
    if len(data) > LARGE:
        return _open_large(data)
    body = _parse(data)
    kind = body.WhichOneof("content")
    if kind is None:
        raise JobUnreadable("the job has no content")
    parts = body.parts
    carried = Raw(body.raw) if kind == "raw" else Parts(parts.subject, parts.text, parts.html)
    return body, carried, tuple([Attachment(a.data, a.filename, a.content_type, a.content_id, a.digest) for a in body.attachments])


def _open_large(data: bytes) -> tuple[node_pb2.JobBody, Parts | Raw, tuple[Attachment, ...]]:
    """The same for what is large, with one copy of each body."""
    scanner = Scanner()
    try:
        rest, fields = scanner.cut(memoryview(data), frozenset((_FILES, _PARTS, _RAW)))
        body = node_pb2.JobBody.FromString(rest)
        files = tuple([open_attachment(scanner, value) for number, value in fields if number == _FILES])
        contents = [each for each in fields if each[0] != _FILES]
        if len(contents) != 1:
            raise JobUnreadable(f"the job has {len(contents)} contents, not one")
        number, value = contents[0]
        carried = Raw(bytes(value)) if number == _RAW else open_parts(scanner, value)
    except (Malformed, Crowded, DecodeError, UnicodeDecodeError):
        raise _no_body(data) from None
    return body, carried, files


def _parse(data: bytes) -> node_pb2.JobBody:
    try:
        return node_pb2.JobBody.FromString(data)
    except DecodeError:
        raise _no_body(data) from None


def _content(body: node_pb2.JobBody, carried: Parts | Raw, files: tuple[Attachment, ...]) -> Content:
    author = Address(body.from_address.email, body.from_address.display_name)
    if not author.email:
        raise JobUnreadable("the job has no author")
    return Content(author, _addresses(body.reply_to), _headers(body.headers), files, carried, body.template, body.variables)


@lru_cache(maxsize=64)
def _small_content(data: bytes) -> Content:
    return _content(*_open(data))


def _envelope(body: node_pb2.JobBody) -> Envelope:
    envelope = Envelope(
        mail_id=body.mail_id,
        return_path=body.return_path,
        recipients=tuple([JobRecipient(r.index, r.email) for r in body.recipients]),
        smtputf8=body.smtputf8,
        message_id=body.message_id,
        date_ms=body.date_ms,
        traceparent=body.traceparent,
        to=_addresses(body.to),
        cc=_addresses(body.cc),
        headers=_headers(body.own_headers),
        variables=body.own_variables,
        hash_key=body.hash_key,
    )
    _check(envelope)
    return envelope


def _no_body(data: bytes) -> JobUnreadable:
    return JobUnreadable(f"the job's {len(data)} bytes are not a JobBody")


def _check(envelope: Envelope) -> None:
    """What SMTP commands are made of must not hold a line break, whatever a disk or a peer did to the bytes."""
    if len(envelope.mail_id) != MAIL_ID_OCTETS:
        raise JobUnreadable(f"the job's mail_id has {len(envelope.mail_id)} octets, not {MAIL_ID_OCTETS}")
    if not envelope.recipients:
        raise JobUnreadable("the job has no recipients")
    if not envelope.return_path.isprintable():
        raise JobUnreadable("the job's return path holds control characters")
    for recipient in envelope.recipients:
        if not recipient.email or not recipient.email.isprintable():
            raise JobUnreadable(f"the job's recipient {recipient.index} is empty or holds control characters")


def _put_addresses(field: object, addresses: Iterable[Address]) -> None:
    add = field.add  # type: ignore[attr-defined]
    for address in addresses:
        if address.display_name:
            add(email=address.email, display_name=address.display_name)
        else:
            add(email=address.email)


def _addresses(messages: Iterable[mail_pb2.Address]) -> tuple[Address, ...]:
    return tuple([Address(m.email, m.display_name) for m in messages])


def _headers(messages: Iterable[mail_pb2.Header]) -> tuple[Header, ...]:
    return tuple([Header(m.name, m.value) for m in messages])
