"""What a server says: replies out of bytes, however they are cut, and never more than a bounded amount of them (RFC 5321 4.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

MAX_LINE_OCTETS = 2048
"""RFC 5321 4.5.3.1.5 allows 512; servers with long policy texts exceed it, none seen exceeds this."""
MAX_LINES = 128
"""Of one reply. RFC 5321 sets no limit; an EHLO reply has about a dozen."""

_REMEMBERED = 3
"""Replies: to MAIL, to the last RCPT, and to DATA."""
_CODES = {b"%d" % code: code for code in range(200, 600)}


class ServerReply(NamedTuple):
    """One reply: its code, and the text of its lines, without code and line ends, joined by LF."""

    code: int
    text: bytes


@dataclass(frozen=True, slots=True)
class Rubbish:
    """What came is no reply. Nothing after it can be paired with a command, so the parser understands nothing more."""

    why: str


class ReplyParser:
    """Cuts replies out of the bytes of one connection.

    The same bytes give the same replies however they are cut. A line may end in LF alone (some servers do); codes are 200 to 599.
    """

    __slots__ = ("_code", "_deaf", "_heard", "_lines", "_meant", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._lines: list[bytes] = []
        self._code = 0
        self._deaf = False
        self._heard = b""
        """The last few replies of one line each, and
        (`_meant`) what they meant: servers answer the same commands in the same words."""
        self._meant: list[ServerReply | Rubbish] = []

    @property
    def amid(self) -> bool:
        """A reply has begun and is not complete."""
        return bool(self._rest or self._lines)

    @property
    def rest(self) -> bytes:
        """What came of a line that is not complete."""
        return self._rest

    def feed(self, data: bytes) -> list[ServerReply | Rubbish]:
        """The replies that `data` completes, not to be changed; after a Rubbish nothing comes any more."""
        if self._rest or self._lines or self._deaf:
            return self._parse(data)
        if self._heard and data.endswith(self._heard):
            before = data[: -len(self._heard)]
            if not before:
                return self._meant
            if (sole := _sole(before)) is not None:
                return [sole, *self._meant]
            if before.endswith(b"\n"):
                replies = self._parse(before)
                return replies + (self._meant if self._clean else self._parse(self._heard))
        elif (sole := _sole(data)) is not None:
            return [sole]
        replies = self._parse(data)
        if len(replies) >= _REMEMBERED and self._clean and data.count(b"\n") == len(replies):
            self._heard = b"\n".join(data.rsplit(b"\n", _REMEMBERED + 1)[-_REMEMBERED - 1 :])
            self._meant = replies[-_REMEMBERED:]
        return replies

    @property
    def _clean(self) -> bool:
        """Between two replies, and not deaf."""
        return not (self._rest or self._lines or self._deaf)

    def _parse(self, data: bytes) -> list[ServerReply | Rubbish]:
        replies: list[ServerReply | Rubbish] = []
        if self._deaf:
            return replies
        if self._rest:
            data = self._rest + data
        lines = data.split(b"\n")
        self._rest = lines.pop()
        bad = self._take(lines, replies)
        if bad is not None or len(self._rest) > MAX_LINE_OCTETS:
            replies.append(self._give_up(self._rest if bad is None else bad))
        return replies

    def _take(self, lines: list[bytes], replies: list[ServerReply | Rubbish]) -> bytes | None:
        """Appends the replies that these lines complete. Returns the first line that is none."""
        for line in lines:
            code = _CODES.get(line[:3])
            if code is None or len(line) > MAX_LINE_OCTETS or (self._lines and code != self._code):
                return line
            mark = line[3:4]
            if mark == b" " and not self._lines:
                replies.append(ServerReply(code, line[4:].rstrip(b"\r")))
            elif not self._line(line, code, mark, replies):
                return line
        return None

    def _line(self, line: bytes, code: int, mark: bytes, replies: list[ServerReply | Rubbish]) -> bool:
        """A line of a reply of several, or one without text. False: it is neither, or one too many."""
        if mark == b"-":
            self._code = code
            self._lines.append(line[4:].rstrip(b"\r"))
            return len(self._lines) < MAX_LINES
        if mark != b" " and line[3:].rstrip(b"\r"):
            return False
        replies.append(ServerReply(code, b"\n".join((*self._lines, line[4:].rstrip(b"\r")))))
        self._lines = []
        return True

    def _give_up(self, line: bytes) -> Rubbish:
        if len(line) > MAX_LINE_OCTETS:
            why = f"a line of a reply exceeds {MAX_LINE_OCTETS} octets"
        elif len(self._lines) >= MAX_LINES:
            why = f"a reply exceeds {MAX_LINES} lines"
        else:
            why = f"{line[:64].decode('ascii', 'backslashreplace').rstrip()!r} is not a line of a reply"
        self._deaf, self._rest, self._lines = True, b"", []
        return Rubbish(why)


def _sole(data: bytes) -> ServerReply | None:
    """What `data` says if that is one reply of one line, with a text, and nothing else; None: it may be anything."""
    code, last = _CODES.get(data[:3]), len(data) - 1
    if code is None or data[3:4] != b" " or last > MAX_LINE_OCTETS or data.find(b"\n") != last:
        return None
    return ServerReply(code, data[4:last].rstrip(b"\r"))
