"""A caller's own message on its way: byte for byte, but for what must not leave and what must be there. Pure.

Changed is only this: line ends become CR LF (a bare CR or LF never leaves), Bcc and Resent-Bcc are cut with their continuation lines, a
missing Message-ID or Date is put on top, and a last line without an end gets one.
"""

from __future__ import annotations

import re

from mailgate.errors import Invalid
from sender.compose.encodings import chunks, crlf

_BCC = re.compile(rb"^(?:resent-)?bcc[ \t]*:[^\r]*\r\n(?:[ \t][^\r]*\r\n)*", re.IGNORECASE | re.MULTILINE)
_MESSAGE_ID = re.compile(rb"^message-id[ \t]*:", re.IGNORECASE | re.MULTILINE)
_DATE = re.compile(rb"^date[ \t]*:", re.IGNORECASE | re.MULTILINE)


def carry(data: bytes, message_id: str, date: str) -> bytes:
    """The message as it goes out. `message_id` and `date` are whole fields, used where the message has none.

    Raises:
        Invalid: there is no message.
    """
    if not data.strip():
        raise Invalid.field("raw", "is empty: give a whole message, headers and body")
    pieces = [crlf(piece) for piece in chunks(data)]
    message = data if len(pieces) == 1 and pieces[0] is data else b"".join(pieces)
    if not message.endswith(b"\r\n"):
        message += b"\r\n"
    end = 0 if message.startswith(b"\r\n") else message.find(b"\r\n\r\n") + 2
    if end == 1:  # no blank line: headers alone
        end = len(message)
    head = message[:end]
    kept = _BCC.sub(b"", head)
    top = b""
    if not _MESSAGE_ID.search(head):
        top += message_id.encode()
    if not _DATE.search(head):
        top += date.encode()
    if not top and kept is head:
        return message
    return b"".join((top, kept, memoryview(message)[end:]))
