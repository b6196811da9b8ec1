"""Where a conversation stands, and what it waits for then. Pure values; the way from step to step is conversation.py's."""

from __future__ import annotations

from enum import IntEnum


class Step(IntEnum):
    """Where the conversation stands; see the diagram in conversation.py."""

    IDLE = 0
    COMMANDS = 1
    CHUNKS = 2
    READY = 3
    BODY = 4
    ENDED = 5
    RESETTING = 6
    EMPTIED = 7
    QUITTING = 8
    CLOSED = 9
    PROBING = 10


class Waiting(IntEnum):
    """Which of the shell's deadlines runs; `Route.*_timeout` say how long they are."""

    NOTHING = 0
    COMMAND = 1
    """The server owes a reply to MAIL, RCPT, RSET or QUIT."""
    DATA = 2
    """It owes the reply to DATA, or to a short message's chunk."""
    BLOCK = 3
    """A long message is being written."""
    BODY = 4
    """It owes the reply to the final dot, or to the last chunk."""
    PROBE = 5
    """It owes the reply to NOOP."""


WAITING = {
    Step.IDLE: Waiting.NOTHING,
    Step.COMMANDS: Waiting.COMMAND,
    Step.CHUNKS: Waiting.BLOCK,
    Step.READY: Waiting.NOTHING,
    Step.BODY: Waiting.BLOCK,
    Step.ENDED: Waiting.BODY,
    Step.RESETTING: Waiting.COMMAND,
    Step.EMPTIED: Waiting.COMMAND,
    Step.QUITTING: Waiting.COMMAND,
    Step.CLOSED: Waiting.NOTHING,
    Step.PROBING: Waiting.PROBE,
}
"""The deadline of each step; in COMMANDS it is DATA's when all before it is answered."""

LINES = {Step.QUITTING: b"QUIT\r\n", Step.PROBING: b"NOOP\r\n"}
"""What asks a server for it."""

AWAITED = {
    Step.CHUNKS: "a part of the body",
    Step.BODY: "the body",
    Step.ENDED: "the body",
    Step.RESETTING: "RSET",
    Step.EMPTIED: "a lone dot",
    Step.QUITTING: "QUIT",
    Step.PROBING: "NOOP",
}
"""What is awaited, in words, where the phase alone does not say it."""
