"""The mail that the flags of `mailgate send` and `mailgate batch` describe. Reads the files that they name, and nothing else."""

from __future__ import annotations

import mimetypes
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from email.errors import MessageError
from email.message import Message
from email.parser import BytesHeaderParser
from email.utils import getaddresses, parseaddr
from pathlib import Path

from mailgate.cli.exits import Usage
from mailgate.config.units import parse_duration
from mailgate.mail import Address, Attachment, Header, Lane, Mail, OnDoubt, Parts, Raw

DEFAULT_FROM = "mailgate@localhost"
"""The author when nobody says who: the tenant of `mailgate up` may send as anybody."""

MAX_FILE_BYTES = 64 * 2**20
"""More than any gateway takes: a larger file is not read."""


@dataclass(frozen=True, slots=True)
class Flags:
    """The flags, as they were typed."""

    from_: str = ""
    to: Sequence[str] = ()
    cc: Sequence[str] = ()
    bcc: Sequence[str] = ()
    reply_to: Sequence[str] = ()
    subject: str = ""
    text: str | None = None
    html: str | None = None
    text_file: str = ""
    html_file: str = ""
    attach: Sequence[str] = ()
    header: Sequence[str] = ()
    return_path: str | None = None
    lane: str = ""
    route: str = ""
    hash_key: str = ""
    on_doubt: str = "resend"
    ttl: str = ""
    tag: Sequence[str] = ()
    meta: Sequence[str] = ()
    eml: str = ""


def mail_of(flags: Flags) -> Mail:
    """The mail.

    Raises:
        Usage: a flag can't be understood, or a file that it names can't be read.
    """
    mail = _raw(flags) if flags.eml else _parts(flags)
    if not (mail.to or mail.cc or mail.bcc):
        where = f"{flags.eml} names no recipient in To, Cc and Bcc" if flags.eml else "the mail has no recipient"
        raise Usage(f"{where}: give --to ADDRESS")
    return _with_choices(mail, flags)


def shared_of(flags: Flags) -> Mail:
    """What the mails of a batch share: a mail without recipients.

    Raises:
        Usage: as `mail_of`.
    """
    if not says_something(flags):
        raise Usage("the mails say nothing: give --text, --html, --text-file or --html-file")
    return _with_choices(_parts(flags), flags)


def says_something(flags: Flags) -> bool:
    """A text or HTML is given, be it empty."""
    return flags.text is not None or flags.html is not None or bool(flags.text_file or flags.html_file)


def addresses(option: str, texts: Iterable[str]) -> tuple[Address, ...]:
    """Addresses of a flag; each text may hold several with commas between, and names: `Ann <ann@example.com>`."""
    found = []
    for text in texts:
        for name, email in getaddresses([text]):
            if "@" not in email:
                raise Usage(f"{option} {text!r}: this is no address: write 'ann@example.com' or 'Ann <ann@example.com>'")
            found.append(Address(email, name))
    return tuple(found)


def read(option: str, path: str) -> bytes:
    """A file's octets; `-` is standard input."""
    try:
        if path == "-":
            data = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
        else:
            with Path(path).open("rb") as file:
                data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise Usage(f"{option} {path}: it can't be read ({error.strerror}): check the path and its permissions") from None
    if len(data) > MAX_FILE_BYTES:
        raise Usage(f"{option} {path}: it has more than 64 MiB, which no gateway takes: send a link to it instead")
    return data


def _with_choices(mail: Mail, flags: Flags) -> Mail:
    return replace(
        mail,
        lane=Lane[flags.lane.upper()] if flags.lane else None,
        route=flags.route,
        hash_key=flags.hash_key,
        return_path=flags.return_path,
        on_doubt=OnDoubt[flags.on_doubt.upper()],
        ttl_ms=_milliseconds(flags.ttl) if flags.ttl else None,
        tags=tuple(flags.tag),
        metadata=dict(_pair("--meta", pair, "=", "'key=value'") for pair in flags.meta),
    )


def _parts(flags: Flags) -> Mail:
    if not says_something(flags):
        raise Usage("the mail says nothing: give --text, --html, --text-file, --html-file, --eml or --file")
    text = _text("--text", flags.text, "--text-file", flags.text_file)
    html = _text("--html", flags.html, "--html-file", flags.html_file)
    return Mail(
        from_address=_author(flags.from_ or DEFAULT_FROM),
        to=addresses("--to", flags.to),
        cc=addresses("--cc", flags.cc),
        bcc=addresses("--bcc", flags.bcc),
        reply_to=addresses("--reply-to", flags.reply_to),
        content=Parts(flags.subject, text or "", html or ""),
        attachments=tuple(_attachment(path) for path in flags.attach),
        headers=tuple(Header(*_pair("--header", header, ":", "'Name: value'")) for header in flags.header),
    )


def _raw(flags: Flags) -> Mail:
    clash = [
        option
        for option, given in (
            ("--subject", flags.subject),
            ("--text", flags.text),
            ("--html", flags.html),
            ("--text-file", flags.text_file),
            ("--html-file", flags.html_file),
            ("--attach", flags.attach),
            ("--header", flags.header),
            ("--reply-to", flags.reply_to),
        )
        if given
    ]
    if clash:
        raise Usage(f"{clash[0]}: --eml sends the file as it is: leave {' and '.join(clash)} out, or leave --eml out")
    data = read("--eml", flags.eml)
    head = _headers(flags.eml, data)
    given = bool(flags.to or flags.cc or flags.bcc)
    return Mail(
        from_address=_author(flags.from_) if flags.from_ else _author_of(head),
        to=addresses("--to", flags.to) if given else _named(head, "to"),
        cc=addresses("--cc", flags.cc) if given else _named(head, "cc"),
        bcc=addresses("--bcc", flags.bcc) if given else _named(head, "bcc"),
        content=Raw(data),
    )


def _headers(path: str, data: bytes) -> Message:
    try:
        head = BytesHeaderParser().parsebytes(data)
    except (MessageError, ValueError) as error:
        raise Usage(f"--eml {path}: it is no mail ({error}): give a message as RFC 5322 has it") from None
    if not head.keys():
        raise Usage(f"--eml {path}: it begins with no header field: give a message as RFC 5322 has it")
    return head


def _author_of(head: Message) -> Address:
    named = _named(head, "from")
    return named[0] if named else Address(DEFAULT_FROM)


def _named(head: Message, name: str) -> tuple[Address, ...]:
    """Addresses of a header field; names are left out, since the file shows them itself."""
    found = getaddresses([str(value) for value in head.get_all(name, [])])
    return tuple(Address(email) for _, email in found if "@" in email)


def _author(text: str) -> Address:
    name, email = parseaddr(text)
    if "@" not in email:
        raise Usage(f"--from {text!r}: this is no address: write 'ann@example.com' or 'Ann <ann@example.com>'")
    return Address(email, name)


def _text(option: str, value: str | None, file_option: str, path: str) -> str | None:
    if not path:
        return value
    if value is not None:
        raise Usage(f"{file_option} {path}: {option} is given too: keep one of the two")
    try:
        return read(file_option, path).decode()
    except UnicodeDecodeError as error:
        raise Usage(f"{file_option} {path}: it is not UTF-8 (octet {error.start}): save it as UTF-8, or attach it") from None


def _attachment(path: str) -> Attachment:
    kind, encoding = mimetypes.guess_type(path)
    content_type = kind if kind and not encoding else "application/octet-stream"
    return Attachment(read("--attach", path), Path(path).name if path != "-" else "attachment", content_type)


def _pair(option: str, text: str, between: str, form: str) -> tuple[str, str]:
    name, found, value = text.partition(between)
    if not found or not name.strip():
        raise Usage(f"{option} {text!r}: write {form}")
    return name.strip(), value.strip()


def _milliseconds(text: str) -> int:
    try:
        return int(parse_duration(text).total_seconds() * 1000)
    except ValueError as error:
        raise Usage(f"--ttl {text!r}: {error}") from None
