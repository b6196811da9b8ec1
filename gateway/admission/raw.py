"""What a `raw` message must be: something with a header block and one From that can be understood. Pure.

The rest is the caller's: Mailgate sends it as it is, but for its line ends and Bcc.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway.admission.addresses import Mailbox, Unsound, parse
from gateway.admission.faults import show
from gateway.admission.limits import MAX_LINE, Limits

_BLOCK_END = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}")
_END = re.compile(rb"\r\n|\n|\r")
_BARE_CR = re.compile(rb"\r(?!\n)").search
_BARE_LF = re.compile(rb"\n(?<!\r\n)").search
_LINE_END = re.compile(r"\r\n|\n|\r")
_FIELD = re.compile(r"([!-9;-~]+)[ \t]*:(.*)", re.DOTALL)
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\\.|[(),<>]|[^"\\(),<>]+', re.DOTALL)


def authors(data: bytes, max_header_bytes: int) -> list[Mailbox]:
    """The mailboxes of From; at least one. Scans all of `data` once.

    Raises:
        Unsound: it is not a message, or nobody could say who wrote it.
    """
    if not data:
        raise Unsound("it is empty: give a whole message, header fields first (RFC 5322)")
    if b"\0" in data:
        raise Unsound("it holds a NUL octet, which no message may (RFC 5322 4): encode binary content")
    found = [value for name, value in _fields(_block(data, max_header_bytes)) if name == "from"]
    if len(found) != 1:
        raise Unsound(f"it has {len(found)} From fields, and must have exactly one (RFC 5322 3.6)")
    try:
        mailboxes = [parse(email) for email in _addresses(found[0])]
    except Unsound as reason:
        raise Unsound(f"its From field {show(found[0].strip())} has no address that can be understood: {reason}") from None
    if not mailboxes:
        raise Unsound(f"its From field {show(found[0].strip())} has no address")
    return mailboxes


def check_lines(data: bytes, limits: Limits) -> None:
    """Scans all of `data` once, by leaps.

    Raises:
        Unsound: it has lines that these limits refuse.
    """
    if limits.raw_bare_ends == "refuse" and (found := _BARE_CR(data) or _BARE_LF(data)) is not None:
        number = _count_lines(data, found.start()) + 1
        raise Unsound(f"line {number} ends in a bare CR or LF: end every line in CR LF (RFC 5321 2.3.8)")
    if limits.raw_long_lines == "refuse" and (start := _long_line(data)) >= 0:
        number = _count_lines(data, start) + 1
        raise Unsound(
            f"line {number} has more than {MAX_LINE} octets, which SMTP does not carry (RFC 5321 4.5.3.1.6): "
            "fold it in the header, and encode the part as quoted-printable or base64 in a body"
        )


def _count_lines(data: bytes, before: int) -> int:
    return len(_END.findall(data, 0, before))


def _long_line(data: bytes) -> int:
    """Where the first one begins; negative: there is none."""
    at = 0
    while len(data) - at > MAX_LINE:
        end = max(data.rfind(b"\n", at, at + MAX_LINE + 1), data.rfind(b"\r", at, at + MAX_LINE + 1))
        if end < 0:
            return at
        at = end + 1
    return -1


def _block(data: bytes, limit: int) -> str:
    end = _BLOCK_END.search(data, 0, limit)
    if end is None and len(data) > limit:
        raise Unsound(f"its header block does not end within {limit} octets: an empty line must follow the header fields")
    return data[: end.start() if end else len(data)].decode("utf-8", "surrogateescape")


def _fields(block: str) -> Iterator[tuple[str, str]]:
    """Lower case names and unfolded values."""
    fields: list[str] = []
    for number, line in enumerate(_LINE_END.split(block)):
        if line.startswith((" ", "\t")) and fields:
            fields[-1] += line
        elif number == 0 and line.startswith("From ") and _FIELD.match(line) is None:
            raise Unsound("its first line is a mailbox file's `From ` line: remove it")
        elif line or number == 0:
            fields.append(line)
    for each in fields:
        form = _FIELD.fullmatch(each)
        if form is None:
            raise Unsound(f"its header block has the line {show(each)}, which is no header field: an empty line must end the block")
        yield form[1].lower(), form[2]


def _addresses(value: str) -> Iterator[str]:
    """The addresses of a From field (RFC 5322 3.4): what is in angle brackets, or stands alone, between commas.

    Comments go, and so does whatever is quoted outside of an address: it must not pass for one.
    """
    for tokens in _split(value):
        if "<" not in tokens:
            yield "".join(tokens).strip()
            continue
        start = tokens.index("<")
        end = tokens.index(">") if ">" in tokens else -1
        if end < start or "".join(tokens[end + 1 :]).strip():
            raise Unsound("its angle brackets do not match")
        yield "".join(tokens[start + 1 : end]).strip()


def _split(value: str) -> list[list[str]]:
    """The tokens of each mailbox; a quoted string is one, and comments are left out."""
    tokens = _TOKEN.findall(value)
    if sum(map(len, tokens)) != len(value):
        raise Unsound("a quotation mark is not closed")
    mailboxes: list[list[str]] = [[]]
    depth = 0
    for token in tokens:
        if token in ("(", ")"):
            depth += 1 if token == "(" else -1  # noqa: S105 - a bracket
        elif depth:
            continue
        elif token == ",":  # noqa: S105 - a comma
            mailboxes.append([])
        else:
            mailboxes[-1].append(token)
        if depth < 0:
            break
    if depth:
        raise Unsound("the brackets of a comment do not match")
    return [mailbox for mailbox in mailboxes if "".join(mailbox).strip()]
