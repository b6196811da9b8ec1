"""Requests and job bodies beyond a size, taken apart with one copy of what is large in them: text, HTML, raw messages, attachments."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from google.protobuf.message import DecodeError

from mailgate.api.mail.v1 import mail_pb2, mail_service_pb2
from mailgate.errors import Invalid, TooLarge
from mailgate.mail import Attachment, BatchEntry, Mail, Parts, Raw
from mailgate.rpc.mails import entry_from_proto, mail_from_proto
from mailgate.rpc.wire import Crowded, Malformed, Scanner

_MAIL = mail_pb2.Mail.DESCRIPTOR.fields_by_name
_PARTS, _RAW, _FILES = (_MAIL[name].number for name in ("parts", "raw", "attachments"))
_TEXTS = {field.number: field.name for field in mail_pb2.Parts.DESCRIPTOR.fields}
_DATA = mail_pb2.Attachment.DESCRIPTOR.fields_by_name["data"].number
_CONTENT = frozenset((_PARTS, _RAW, _FILES))
_REQUEST_MAIL = mail_service_pb2.SendMailRequest.DESCRIPTOR.fields_by_name["mail"].number
_STREAM = mail_service_pb2.StreamMailRequest.DESCRIPTOR.fields_by_name
_SEND = _STREAM["send"].number
_KINDS = frozenset((_SEND, _STREAM["batch"].number))
_SHARED, _ENTRIES = (mail_service_pb2.BatchSendMailRequest.DESCRIPTOR.fields_by_name[name].number for name in ("shared", "entries"))


class OpenSend(NamedTuple):
    """A request with an empty `mail`, and the mail."""

    request: mail_service_pb2.SendMailRequest
    mail: Mail


class OpenBatch(NamedTuple):
    """A request with an empty `shared`, the shared mail, and the entries."""

    request: mail_service_pb2.BatchSendMailRequest
    shared: Mail
    entries: list[BatchEntry]


def open_send(data: bytes | memoryview) -> OpenSend:
    """A SendMailRequest with an empty `mail`, and the mail. May run in a thread.

    Raises:
        Invalid: it is no such message, or has more fields than any that is allowed.
    """
    scanner = Scanner()
    try:
        rest, mails = scanner.cut(memoryview(data), frozenset((_REQUEST_MAIL,)))
        request = mail_service_pb2.SendMailRequest.FromString(rest)
        if mails:
            request.mail.SetInParent()
        return OpenSend(request, _open_mail(scanner, [each for _, each in mails], "mail"))
    except Crowded as crowd:
        raise TooLarge.field("request", f"it has {crowd}: send several mails, or a batch") from None
    except (Malformed, DecodeError, UnicodeDecodeError) as fault:
        raise _no_message(fault, "SendMailRequest") from None


def open_batch(data: bytes | memoryview) -> OpenBatch:
    """A BatchSendMailRequest with an empty `shared`, the shared mail, and the entries. May run in a thread.

    Raises:
        Invalid: it is no such message, or has more fields than any that is allowed.
    """
    scanner = Scanner()
    try:
        whole = memoryview(data)
        _, entries = scanner.cut(whole, frozenset((_ENTRIES,)))
        for _, entry in entries:
            scanner.count(entry)
        rest, shared = scanner.cut(whole, frozenset((_SHARED,)))
        request = mail_service_pb2.BatchSendMailRequest.FromString(rest)
        if shared:
            request.shared.SetInParent()
        mail = _open_mail(scanner, [each for _, each in shared], "shared")
        return OpenBatch(request, mail, [entry_from_proto(entry) for entry in request.entries])
    except Crowded as crowd:
        raise TooLarge.field("request", f"it has {crowd}: send several batches") from None
    except (Malformed, DecodeError, UnicodeDecodeError) as fault:
        raise _no_message(fault, "BatchSendMailRequest") from None


def open_stream(data: bytes) -> tuple[int, OpenSend | OpenBatch | Invalid]:
    """A StreamMailRequest: its sequence, and what it carries, or what is wrong with that. May run in a thread.

    Raises:
        Invalid: it is no such message: it has no sequence to answer by.
    """
    scanner = Scanner()
    try:
        rest, kinds = scanner.cut(memoryview(data), _KINDS)
        sequence = mail_service_pb2.StreamMailRequest.FromString(rest).sequence
    except (Malformed, Crowded, DecodeError) as fault:
        raise _no_message(fault, "StreamMailRequest") from None
    if not kinds:
        return sequence, Invalid.field("kind", "the message has neither a mail nor a batch: give `send` or `batch`")
    last = kinds[-1][0]
    carried = _joined(_trailing(kinds, last))
    try:
        return sequence, open_send(carried) if last == _SEND else open_batch(carried)
    except Invalid as fault:
        return sequence, fault


def open_parts(scanner: Scanner, data: memoryview) -> Parts:
    """Subject, text and HTML. Raises Malformed and UnicodeDecodeError."""
    _, texts = scanner.cut(data, frozenset(_TEXTS))
    return Parts(**{_TEXTS[number]: str(value, "utf-8") for number, value in texts})


def open_attachment(scanner: Scanner, data: memoryview) -> Attachment:
    """A file. Raises Malformed and DecodeError."""
    rest, bodies = scanner.cut(data, frozenset((_DATA,)))
    message = mail_pb2.Attachment.FromString(rest)
    body = bytes(bodies[-1][1]) if bodies else b""
    return Attachment(body, message.filename, message.content_type, message.content_id, message.digest)


def _open_mail(scanner: Scanner, encoded: list[memoryview], field: str) -> Mail:
    """Fields that occur twice are merged as the library does: of the content, what comes last holds."""
    whole = encoded[0] if len(encoded) == 1 else memoryview(b"".join(encoded))
    rest, large = scanner.cut(whole, _CONTENT)
    mail = mail_from_proto(mail_pb2.Mail.FromString(rest), field)
    files = tuple([open_attachment(scanner, value) for number, value in large if number == _FILES])
    contents = [(number, value) for number, value in large if number != _FILES]
    if not contents:
        return replace(mail, attachments=files)
    last = contents[-1][0]
    if last == _RAW:
        return replace(mail, attachments=files, content=Raw(bytes(contents[-1][1])))
    return replace(mail, attachments=files, content=open_parts(scanner, _joined(_trailing(contents, last))))


def _trailing(contents: list[tuple[int, memoryview]], number: int) -> list[memoryview]:
    """The values of this number after the last of another: setting the other cleared what was before."""
    values: list[memoryview] = []
    for each, value in contents:
        values = [*values, value] if each == number else []
    return values


def _joined(values: Iterable[memoryview]) -> memoryview:
    values = list(values)
    return values[0] if len(values) == 1 else memoryview(b"".join(values))


def _no_message(fault: Exception, name: str) -> Invalid:
    text = "a text in it is not UTF-8" if isinstance(fault, UnicodeDecodeError) else f"it is no {name}"
    return Invalid.field("request", f"{text}: encode it with the protos of this service")
