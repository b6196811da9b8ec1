"""The transfer encodings of a body (RFC 2045 6): 7bit, quoted-printable or base64, by what is safe, readable and short. Pure.

Nothing here loops in Python over lines or octets, and large data is worked on by the chunk, so that a thread that composes gives the
interpreter to others every few milliseconds.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

MAX_LINE = 78
"""Octets of a line, its end not counted, that 7bit may have: RFC 5322 2.1.1 asks for no more."""

HARD_LINE = 998
"""RFC 5322 2.1.1: no line may have more octets."""

CHUNK = 1 << 18
"""Octets encoded at a stretch: 256 KiB take 1 to 3 ms."""

_BASE64_OCTETS = 57  # make a line of 76 (RFC 2045 6.8)
_BASE64_LINE = Struct("76s")
_BASE64_STRETCH = _BASE64_OCTETS * 4096
_BASE64_LINES = Struct("76s" * 4096)
_BASE64_COST = 78 / _BASE64_OCTETS
_QUOTED_COST = 1.04
"""Soft line breaks: three octets for each 75."""

_READABLE = 1.25
"""So much longer quoted-printable may be: people and filters can read it, and filters count base64 against a text in Latin script."""

_PLAIN = bytes(range(0x20, 0x7F)) + b"\t\r\n"
_SOFT_BREAK = b"=\r\n"


class Encoded(NamedTuple):
    """An encoded body: the name of its encoding, and its pieces, to be joined. No line end is added to what was given."""

    encoding: str
    pieces: tuple[bytes, ...]


def crlf(data: bytes) -> bytes:
    """`data` with CR LF at every line end, whatever it had: LF, CR or CR LF. Itself when nothing is to be changed."""
    if b"\r" in data:
        ends = data.count(b"\r\n")
        if data.count(b"\r") == ends == data.count(b"\n"):
            return data
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return data.replace(b"\n", b"\r\n") if b"\n" in data else data


def chunks(data: bytes) -> Iterator[bytes]:
    """`data` in pieces of about CHUNK octets, cut after a line where there is one, and never inside CR LF."""
    start, end = 0, len(data)
    while end - start > CHUNK:
        cut = data.rfind(b"\n", start, start + CHUNK) + 1
        if not cut:
            cut = start + CHUNK
            cut += data[cut - 1 : cut + 1] == b"\r\n"
        yield data[start:cut]
        start = cut
    yield data[start:] if start else data


def encode_text(text: str) -> Encoded:
    """Text in UTF-8 with CR LF line ends, encoded so that every relay carries it as it is.

    Raises:
        UnicodeEncodeError: a lone surrogate.
    """
    pieces = [crlf(piece) for piece in chunks(text.encode())]
    octets = sum(map(len, pieces))
    odd = sum(len(piece.translate(None, _PLAIN)) for piece in pieces)
    if not odd and max(max(map(len, piece.split(b"\r\n"))) for piece in pieces) <= MAX_LINE:
        return Encoded("7bit", tuple(pieces))
    escapes = odd + sum(piece.count(b"=") for piece in pieces)
    if octets * _QUOTED_COST + 2 * escapes > octets * _BASE64_COST * _READABLE:
        return Encoded("base64", base64(b"".join(pieces)))
    return Encoded("quoted-printable", _quoted(pieces))


def _quoted(pieces: list[bytes]) -> tuple[bytes, ...]:
    quoted: list[bytes] = []
    for piece in pieces:
        if piece.endswith(b"\n"):
            quoted.append(binascii.b2a_qp(piece))
        else:  # b2a_qp takes the kind of its soft breaks from the first line end that it finds
            quoted += (binascii.b2a_qp(piece + b"\r\n")[:-2], _SOFT_BREAK)
    if quoted[-1] is _SOFT_BREAK:
        quoted.pop()
    return tuple(quoted)


def base64(data: bytes) -> tuple[bytes, ...]:
    """`data` in lines of 76 (RFC 2045 6.8) with CR LF between them, and none at the end."""
    if len(data) <= _BASE64_STRETCH:
        return (_lines(binascii.b2a_base64(data, newline=False)),)
    view = memoryview(data)
    pieces: list[bytes] = []
    for start in range(0, len(data), _BASE64_STRETCH):
        pieces += (_lines(binascii.b2a_base64(view[start : start + _BASE64_STRETCH], newline=False)), b"\r\n")
    return tuple(pieces[:-1])


def _lines(encoded: bytes) -> bytes:
    """Unpacking and joining are C: 0.1 µs a line."""
    if len(encoded) == _BASE64_LINES.size:
        return b"\r\n".join(_BASE64_LINES.unpack(encoded))
    whole = len(encoded) // _BASE64_LINE.size * _BASE64_LINE.size
    lines = [line for (line,) in _BASE64_LINE.iter_unpack(memoryview(encoded)[:whole])]
    if whole < len(encoded):
        lines.append(encoded[whole:])
    return b"\r\n".join(lines)


def fits_7bit(data: bytes) -> bool:
    """`data` can travel as it is: ASCII, no NUL, line ends that are all CR LF, and no line of more than 998 octets (RFC 2045 2.7)."""
    return all(_plain(piece) for piece in chunks(data))


def _plain(piece: bytes) -> bool:
    return not piece.translate(None, _PLAIN) and crlf(piece) is piece and max(map(len, piece.split(b"\r\n"))) <= HARD_LINE
