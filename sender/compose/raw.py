"""A caller's own message on its way: byte for byte, but for what must not leave and what must be there. Pure.

Changed is only this: line ends become CR LF (a bare CR or LF never leaves), lines of more than 998 octets are broken, Bcc and Resent-Bcc
are cut with their continuation lines, a missing Message-ID or Date is put on top, and a last line without an end gets one.
"""

from __future__ import annotations

import re
from operator import is_

from mailgate.errors import Invalid
from sender.compose.encodings import chunks, crlf
from sender.compose.lines import first_long, fold

_SOMETHING = re.compile(rb"\S")
_BCC = re.compile(rb"^(?:resent-)?bcc[ \t]*:[^\r]*\r\n(?:[ \t][^\r]*\r\n)*", re.IGNORECASE | re.MULTILINE)
_MESSAGE_ID = re.compile(rb"^message-id[ \t]*:", re.IGNORECASE | re.MULTILINE)
_DATE = re.compile(rb"^date[ \t]*:", re.IGNORECASE | re.MULTILINE)


def carry(data: bytes, message_id: str, date: str) -> bytes:
    """The message as it goes out. `message_id` and `date` are whole fields, used where the message has none.

    Raises:
        Invalid: there is no message.
    """
    if not _SOMETHING.search(data):
        raise Invalid.field("raw", "is empty: give a whole message, headers and body")
    given = list(chunks(data))
    pieces = [crlf(piece) for piece in given]
    if not pieces[-1].endswith(b"\r\n"):
        pieces[-1] += b"\r\n"
    if not all(piece.endswith(b"\r\n") for piece in pieces[:-1]) or any(first_long(piece) >= 0 for piece in pieces):
        pieces = [fold(b"".join(pieces))]
    end = _end_of_head(pieces[0])
    if end < 0:  # a header block longer than a chunk, or headers alone
        pieces = [b"".join(pieces)]
        end = _end_of_head(pieces[0])
    head = pieces[0] if end < 0 else pieces[0][:end]
    kept = _BCC.sub(b"", head)
    top = ("" if _MESSAGE_ID.search(head) else message_id) + ("" if _DATE.search(head) else date)
    if not top and len(kept) == len(head) and all(map(is_, given, pieces)) and len(given) == len(pieces):
        return data
    return b"".join((top.encode(), kept, pieces[0][len(head) :], *pieces[1:]))


def _end_of_head(message: bytes) -> int:
    """Where the header block ends, with its last line; 0 when it is empty, negative when no blank line ends it."""
    if message.startswith(b"\r\n"):
        return 0
    end = message.find(b"\r\n\r\n")
    return end + 2 if end > 0 else -1
