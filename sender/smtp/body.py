"""A message as octets of the wire: lines end in CRLF and in nothing else.

After DATA dots are doubled, and only the last line is a lone dot (RFC 5321 4.5.2). After BDAT they are as they are (RFC 3030 2).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

PIECE_OCTETS = 256 * 1024
"""A longer message is written in pieces of about this size, so that neither memory nor the loop feels it."""

END = b".\r\n"


class Leaving:
    """A body on its way out, in the order of `next`: `pieces`, or `blocks`."""

    __slots__ = ("_pieces", "_upcoming")

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._upcoming = next(self._pieces, b"")

    @property
    def out(self) -> bool:
        """The last piece has been handed out. It has the final dot, if there is one: nobody can call that back."""
        return not self._upcoming

    def next(self) -> bytes:
        """The next piece; empty when all are out."""
        piece, self._upcoming = self._upcoming, next(self._pieces, b"")
        return piece


def is_clean(message: bytes) -> bool:
    """The message can leave as it is, before the final dot: it ends in CRLF, CR and LF occur in CRLF alone, and no line begins with a dot.

    Clean pieces make a clean whole. 2 KB take 2 µs.
    """
    return message.endswith(b"\r\n") and not message.startswith(b".") and _BARE_CR_OR_DOT(message) is None and _BARE_LF(message) is None


def wire(message: bytes, *, clean: bool = False) -> bytes:
    """The whole body with its final dot. Bare CR and bare LF become CRLF: left alone, they are what smuggling is made of.

    `clean`: somebody has found that `is_clean`; it is not looked at again.
    """
    if clean or is_clean(message):
        return message + END
    if not message:
        return END
    return _doubled(b"\r\n".join(message.splitlines()), True) + b"\r\n.\r\n"  # for bytes: at CRLF, CR and LF, and nowhere else


def undotted(message: bytes, *, clean: bool = False) -> bytes:
    """What a receiver makes of `wire`: the message with CRLF for a bare CR or LF, and behind its last line. For BDAT.

    `clean`: as for `wire`.
    """
    if clean or not message or (message.endswith(b"\r\n") and _BARE_CR(message) is None and _BARE_LF(message) is None):
        return message
    return b"\r\n".join(message.splitlines()) + b"\r\n"


def pieces(message: bytes) -> Iterator[bytes]:
    """The same octets as `wire`, in pieces made one by one; the final dot is in the last."""
    fresh, last = True, b""
    for block in blocks(message):
        if last:
            yield last
        last = _doubled(block, fresh)
        fresh = block.endswith(b"\n")
    yield last + END


def blocks(message: bytes) -> Iterator[bytes]:
    """The same octets as `undotted`, in pieces made one by one; none of an empty message."""
    at, end = 0, len(message)
    while end - at > PIECE_OCTETS:
        cut = message.rfind(b"\n", at, at + PIECE_OCTETS) + 1 or _within_line(message, at + PIECE_OCTETS)
        yield _lines(message[at:cut])
        at = cut
    if last := _lines(message[at:]):
        yield last if last.endswith(b"\r\n") else last + b"\r\n"


# Literal first octets: the engine leaps from one to the next. `in` and `count` are slower at two octets.
_BARE_CR_OR_DOT = re.compile(rb"\r(?:[^\n]|\n\.)").search
_BARE_CR = re.compile(rb"\r(?!\n)").search
_BARE_LF = re.compile(rb"\n(?<!\r\n)").search


def _within_line(message: bytes, cut: int) -> int:
    """A place to cut a line too long for a piece: never between CR and LF."""
    return cut + 1 if message[cut - 1 : cut + 1] == b"\r\n" else cut


def _lines(text: bytes) -> bytes:
    """With CRLF for every bare CR and LF."""
    return b"\r\n".join(text.splitlines()) + (b"\r\n" if text.endswith((b"\n", b"\r")) else b"")


def _doubled(text: bytes, fresh: bool) -> bytes:
    """With the dots at the beginning of lines doubled; `fresh`: the text begins a line."""
    text = text.replace(b"\n.", b"\n..")
    return b"." + text if fresh and text.startswith(b".") else text
