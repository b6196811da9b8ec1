"""A message on its way by BDAT, all but the LAST, which is empty and is held back (RFC 3030). Pure.

A short message is one chunk, and leaves with MAIL and RCPT in one write. A long one waits until a recipient is accepted, and leaves chunk
by chunk, as fast as the server reads. Each chunk is owed one reply, also where the server refused the recipients, or the chunk before.
"""

from __future__ import annotations

from enum import IntEnum

from sender.smtp import body
from sender.smtp.classes import is_unknown
from sender.smtp.events import Transaction
from sender.smtp.replies import ServerReply

LAST = b"BDAT 0 LAST\r\n"
"""Lets the mail go."""
_OK, _MORE = 2, 3


class Said(IntEnum):
    """What a reply to a chunk comes to."""

    MORE = 0
    """There are chunks to send, or replies to come."""
    ALL = 1
    """No reply is owed, and no chunk is left that should be sent."""
    UNKNOWN = 2
    """The server does not know BDAT, though it offered it. What it took the octets of the chunk for nobody can tell."""
    NONSENSE = 3


class Chunks:
    """What was sent of one message, and what the server said to it."""

    __slots__ = ("_left", "begun", "first", "owed", "refused")

    def __init__(self, transaction: Transaction) -> None:
        message = transaction.message
        self.first = b""
        """The chunk of a short message, to be sent behind RCPT; empty: `next` has them."""
        self.owed = 0
        """Chunks that were sent, or leave with the commands, and have no reply."""
        self.begun = False
        """A chunk was answered: the server has a transaction to forget, whatever it said to MAIL."""
        self.refused: ServerReply | None = None
        """The first refusal."""
        self._left: body.Leaving | None = None
        if len(message) > body.PIECE_OCTETS:
            self._left = body.Leaving(body.blocks(message))
        else:
            self.first = _chunk(body.undotted(message, clean=transaction.clean))
            self.owed = 1

    def next(self) -> bytes:
        """The next chunk of a long message, its command before it; empty: all are out, or the rest was called off."""
        if self._left is None or not (block := self._left.next()):
            return b""
        self.owed += 1
        return _chunk(block)

    def call_off(self) -> bool:
        """No more chunks are sent. True: no reply is owed, and so RSET may follow."""
        self._left = None
        return not self.owed

    def answered(self, reply: ServerReply, *, wanted: bool) -> Said:
        """A reply, but not 421, to the oldest chunk that has none. `wanted`: a recipient was accepted, and so 503 makes no sense."""
        kind = reply.code // 100
        self.begun = True
        if kind == _MORE or not self.owed:
            return Said.NONSENSE
        if wanted and self.refused is None and is_unknown(reply.code):
            return Said.UNKNOWN
        self.owed -= 1
        if kind != _OK:
            self.refused = self.refused or reply
            self._left = None
        return Said.MORE if self.owed or (self._left is not None and not self._left.out) else Said.ALL


def _chunk(octets: bytes) -> bytes:
    return b"BDAT %d\r\n%b" % (len(octets), octets)
