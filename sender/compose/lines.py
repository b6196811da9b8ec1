"""Lines longer than SMTP carries, broken. Pure.

A server need not take a line of more than 998 octets (RFC 5321 4.5.3.1.6), and some cut them, or refuse the mail. So whoever breaks them
first knows where.
"""

from __future__ import annotations

from sender.compose.encodings import HARD_LINE

_SPACE = b" "
_BREAK = b"\r\n"
_IN_UTF8 = range(0x80, 0xC0)
"""Octets of a character but its first."""


def first_long(data: bytes, start: int = 0) -> int:
    """Where the first line of more than HARD_LINE octets begins; negative: there is none. Leaps from end to end: 2 KB take 1 µs.

    `data` has CR LF at its line ends, and at its own end; `start` begins a line.
    """
    size = len(data)
    while size - start > HARD_LINE + len(_BREAK):
        end = data.rfind(_BREAK, start, start + HARD_LINE + len(_BREAK))
        if end < 0:
            return start
        start = end + len(_BREAK)
    return -1


def fold(data: bytes) -> bytes:
    """`data` with such lines broken: where there is a space, else a space is put in, and never within a character of UTF-8.

    So a field of the header stays one, and of a text it is a space more that is seen, if at all. Postfix does about the same.
    """
    pieces, at = list[bytes](), 0
    while (long := first_long(data, at)) >= 0:
        end = data.find(_BREAK, long)
        pieces += (data[at:long], _BREAK.join(_parts(data[long:end])))
        at = end
    return b"".join((*pieces, data[at:]))


def _parts(line: bytes) -> list[bytes]:
    parts: list[bytes] = []
    rest = line
    while len(rest) > HARD_LINE:
        cut = rest.rfind(_SPACE, 1, HARD_LINE + 1)
        if cut > 0 and rest[:cut].strip():
            parts.append(rest[:cut])
            rest = rest[cut:]
            continue
        cut = HARD_LINE
        while rest[cut] in _IN_UTF8 and cut > HARD_LINE - 3:
            cut -= 1
        parts.append(rest[:cut])
        rest = _SPACE + rest[cut:]
    return [*parts, rest]
