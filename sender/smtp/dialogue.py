"""What a connection and its server say to each other, as lines to be shown: bodies are counted, never shown. Pure.

It reads our octets as a server does: commands a line each, after 354 a body up to its lone dot, after BDAT so many octets. What it takes
for a command must look like one of ours, so that no octet of a mail is shown even where it should lose its place.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from sender.smtp import body
from sender.smtp.conversation import Conversation
from sender.smtp.steps import Step
from sender.smtp.under_way import UnderWay

SHOWN = 512
"""Characters of a line; the rest is counted."""
LINES = 200
"""Of what came at once; the rest is counted. A mail to a hundred recipients has as many replies in one packet."""
KEPT = 8192
"""Octets of a line that has not ended."""

_COMMAND = re.compile(rb"(MAIL|RCPT|DATA|BDAT|RSET|NOOP|QUIT)(?: (?:FROM:<|TO:<|\d+(?: LAST)?$)[^\r\n]*)?")
_BDAT = re.compile(rb"BDAT (\d{1,10})( LAST)?")
_REPLY = re.compile(rb"([2-5]\d\d)(-?)")
_GO_ON = 354
_DOT = b".\r\n"
_END = b"\r\n" + _DOT


class Said(NamedTuple):
    """A line. `name`: the command that it is, or that it answers; `mail`: which transaction of the connection, counted from 1."""

    ours: bool
    text: str
    """Empty: nothing to show; a body begins."""
    name: str = ""
    mail: int = 0
    code: int = 0
    """Of the last line of a reply."""


class Owed(NamedTuple):
    """A command whose reply is to come."""

    name: str
    """MAIL, RCPT, DATA, BDAT, LAST, BODY (the final dot), RSET, NOOP, QUIT."""
    mail: int


class Dialogue:
    """From the moment on at which `owed` are the commands without a reply, and `unread` has come of the next one's line.

    `begun`: the next octets of ours are a body; `amid`: so they are, and it may have begun before.
    """

    def __init__(self, owed: Iterable[Owed] = (), mails: int = 0, *, begun: bool = False, amid: bool = False, unread: bytes = b"") -> None:
        self._owed = deque(owed)
        self.mails = mails
        """Transactions that were begun; the number of the newest."""
        self._body_of = mails if begun or amid else 0
        """The transaction whose body is next, or under way; 0: commands are."""
        self._amid = amid
        self._tail = b"" if amid else b"\r\n"
        """What the body ended in so far; it begins as if behind a line."""
        self._octets = 0
        self._chunk = 0
        """Octets to come of a chunk."""
        self._rest = b""
        self._heard = unread

    def wrote(self, data: bytes) -> list[Said]:
        """We wrote this."""
        said: list[Said] = []
        if self._rest:
            data, self._rest = self._rest + data, b""
        at = 0
        while at < len(data):
            if self._chunk:
                at = self._of_chunk(data, at, said)
            elif self._body_of:
                at = self._of_body(data, at, said)
            else:
                end = data.find(b"\n", at) + 1
                if not end:
                    self._rest = data[at : at + KEPT]
                    break
                said.append(self._command(data[at:end].rstrip(b"\r\n")))
                at = end
        return said

    def heard(self, data: bytes) -> list[Said]:
        """The server said this."""
        lines = (self._heard + data).split(b"\n")
        self._heard = lines.pop()[:KEPT]
        said = [self._reply(line.rstrip(b"\r")) for line in lines]
        if len(said) > LINES:
            return [*said[:LINES], Said(False, f"<… {len(said) - LINES:,} lines>")]
        return said

    def _of_chunk(self, data: bytes, at: int, said: list[Said]) -> int:
        octets = min(self._chunk, len(data) - at)
        self._chunk -= octets
        self._octets += octets
        if not self._chunk:
            said.append(self._elided("BDAT", self.mails))
        return at + octets

    def _of_body(self, data: bytes, at: int, said: list[Said]) -> int:
        if not self._amid:
            self._amid = True
            said.append(Said(True, "", "BODY", self._body_of))
        octets = self._tail + data[at:]
        found = octets.find(_END)
        if found < 0:
            self._octets += len(data) - at
            self._tail = octets[1 - len(_END) :]
            return len(data)
        end = found + len(_END) - len(self._tail)
        self._octets = max(self._octets + end - len(_DOT), 0)
        said.append(self._elided("BODY", self._body_of))
        self._owed.append(Owed("BODY", self._body_of))
        self._body_of, self._amid, self._tail = 0, False, b"\r\n"
        return at + end

    def _elided(self, name: str, mail: int) -> Said:
        octets, self._octets = self._octets, 0
        return Said(True, f"<… {octets:,} octets>", name, mail)

    def _command(self, line: bytes) -> Said:
        found = _COMMAND.fullmatch(line)
        if found is None:
            self._owed.append(Owed("", self.mails))
            return Said(True, f"<… {len(line):,} octets>")
        name = found[1].decode()
        self.mails += name == "MAIL"
        if (chunk := _BDAT.fullmatch(line)) is not None:
            self._chunk = int(chunk[1])
            name = "LAST" if chunk[2] else name
        self._owed.append(Owed(name, self.mails))
        return Said(True, shown(line), name, self.mails)

    def _reply(self, line: bytes) -> Said:
        found = _REPLY.match(line)
        if found is None:
            return Said(False, shown(line))
        owed = self._owed[0] if self._owed else Owed("", 0)
        if found[2]:
            return Said(False, shown(line), owed.name, owed.mail)
        if self._owed:
            self._owed.popleft()
        code = int(found[1])
        if owed.name == "DATA" and code == _GO_ON:
            self._body_of = owed.mail
        return Said(False, shown(line), owed.name, owed.mail, code)


def shown(line: bytes) -> str:
    """A line as text, cut where it is long."""
    text = line[: 4 * SHOWN].decode("utf-8", "replace")
    return text if len(line) <= SHOWN else f"{text[:SHOWN]} <… {len(line) - SHOWN:,} octets>"


def from_now_on(conversation: Conversation) -> Dialogue:
    """The dialogue of a connection that is amid its conversation: what it is about to answer is known from there."""
    step, (mails, unread) = conversation.step, conversation.under_way
    by_data = bool(mails) and mails[0].chunks is None
    owed: list[Owed] = []
    if step in _OWE:
        owed.append(Owed(_OWE[step] if by_data or step is not Step.ENDED else "LAST", 1))
    for number, mail in enumerate(mails, 1):
        if number > 1 or step in (Step.COMMANDS, Step.CHUNKS):
            owed += [Owed(name, number) for name in _commands_owed(mail)]
    amid = by_data and step is Step.BODY and len(mails[0].transaction.message) > body.PIECE_OCTETS
    begun = by_data and step in (Step.READY, Step.BODY) and not amid
    return Dialogue(owed, len(mails), begun=begun, amid=amid, unread=unread)


_OWE = {Step.ENDED: "BODY", Step.RESETTING: "RSET", Step.EMPTIED: "BODY", Step.QUITTING: "QUIT", Step.PROBING: "NOOP"}


def _commands_owed(mail: UnderWay) -> list[str]:
    last = ["DATA"] if mail.chunks is None else ["BDAT"] * mail.chunks.owed
    names = ["MAIL", *["RCPT"] * mail.count, *last][mail.answered :]
    return names[:1] if mail.answered < len(mail.commands) else names
