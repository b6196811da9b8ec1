"""Where a conversation stands, and what it waits for then. Pure values; the way from step to step is conversation.py's."""

from __future__ import annotations

from enum import IntEnum


class Step(IntEnum):
    """Where the conversation stands; see the diagram in conversation.py."""

    IDLE = 0
    COMMANDS = 1
    READY = 2
    BODY = 3
    ENDED = 4
    RESETTING = 5
    EMPTIED = 6
    QUITTING = 7
    CLOSED = 8


class Waiting(IntEnum):
    """Which of the shell's deadlines runs."""

    NOTHING = 0
    COMMAND = 1
    """The server owes a reply to a command."""
    BODY = 2
    """The body is being written, or the server owes the reply to the final dot."""


WAITING = {
    Step.IDLE: Waiting.NOTHING,
    Step.COMMANDS: Waiting.COMMAND,
    Step.READY: Waiting.NOTHING,
    Step.BODY: Waiting.BODY,
    Step.ENDED: Waiting.BODY,
    Step.RESETTING: Waiting.COMMAND,
    Step.EMPTIED: Waiting.COMMAND,
    Step.QUITTING: Waiting.COMMAND,
    Step.CLOSED: Waiting.NOTHING,
}
"""The deadline of each step."""

AWAITED = {Step.BODY: "the body", Step.ENDED: "the body", Step.RESETTING: "RSET", Step.EMPTIED: "a lone dot", Step.QUITTING: "QUIT"}
"""What is awaited, in words, where the phase alone does not say it."""
