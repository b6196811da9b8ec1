"""A scripted SMTP server: each step of the conversation may be replaced, so that a test can have it misbehave and then behave."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

Step = str
"""greeting, EHLO, MAIL, RCPT, DATA, body, dot (after the whole body), QUIT, RSET, NOOP."""

REPLIES = {
    "greeting": b"220 scripted ESMTP\r\n",
    "EHLO": b"250-scripted\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
    "DATA": b"354 go on\r\n",
    "dot": b"250 2.0.0 taken\r\n",
    "QUIT": b"221 2.0.0 bye\r\n",
}
OK = b"250 2.0.0 ok\r\n"


class Close(Exception):
    """The server closes the connection without a word."""


@dataclass
class Conversation:
    """One connection, as a script sees it."""

    socket: socket.socket
    client: str = ""
    recipients: list[str] = field(default_factory=list)
    line: str = ""
    """The last command."""

    def say(self, data: bytes) -> None:
        """Write at once."""
        self.socket.sendall(data)


Script = Callable[[Conversation, Step], bytes | None]
"""What to answer at a step; None: nothing, ever. It may sleep, say something of its own, or raise Close."""


def behave(_: Conversation, step: Step) -> bytes | None:
    """As a good server does."""
    return REPLIES.get(step, OK)


def answer_at(step: Step, reply: bytes | None) -> Script:
    """Behave, but for one step."""
    return lambda conversation, at: reply if at == step else behave(conversation, at)


def close_at(step: Step) -> Script:
    """Behave up to a step, and close there."""

    def script(conversation: Conversation, at: Step) -> bytes | None:
        if at == step:
            raise Close
        return behave(conversation, at)

    return script


class Scripted:
    """The server, a thread a connection. `script` may be changed at any time and counts from the next step on."""

    def __init__(self, script: Script = behave, host: str = "127.0.0.1", port: int = 0) -> None:
        self.script = script
        self.taken: list[bytes] = []
        """Messages that were answered with 250, as they came."""
        self.steps: list[Step] = []
        self.connections = 0
        self.at_once = 0
        """The most of them."""
        self._listener = socket.create_server((host, port), backlog=100)
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._ended = False

    def __enter__(self) -> Scripted:
        self._run(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop_all()
        for thread in self._threads:
            thread.join(5)

    def drop_all(self) -> None:
        """Close every connection."""
        for one in tuple(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def say_to_all(self, data: bytes) -> None:
        """Something that nobody has asked for."""
        for one in tuple(self._open):
            with contextlib.suppress(OSError):
                one.sendall(data)

    def _run(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.add(accepted)
            self.at_once = max(self.at_once, len(self._open))
            self._run(lambda accepted=accepted: self._serve(accepted))  # type: ignore[misc]

    def _serve(self, accepted: socket.socket) -> None:
        with contextlib.suppress(OSError, Close), accepted, accepted.makefile("rb") as lines:
            try:
                conversation = Conversation(accepted)
                self._step(conversation, "greeting")
                while line := lines.readline():
                    self._command(conversation, line)
                    if line[:4].upper() == b"DATA":
                        self._body(conversation, lines)
            finally:
                self._open.discard(accepted)

    def _command(self, conversation: Conversation, line: bytes) -> None:
        verb = line[:4].decode(errors="replace").strip().upper()
        conversation.line = line.decode(errors="replace")
        if verb == "EHLO":
            conversation.client = line[5:].decode(errors="replace").strip()
        elif verb == "MAIL":
            conversation.recipients = []
        elif verb == "RCPT" and (found := re.search(rb"<([^>]*)>", line)):
            conversation.recipients.append(found.group(1).decode())
        self._step(conversation, verb)
        if verb == "QUIT":
            raise Close

    def _body(self, conversation: Conversation, lines: object) -> None:
        body = []
        for line in lines:  # type: ignore[attr-defined]
            if not body:
                self._step(conversation, "body", silent=True)
            if line == b".\r\n":
                self._step(conversation, "dot")
                self.taken.append(b"".join(body))
                return
            body.append(line)
        raise Close

    def _step(self, conversation: Conversation, step: Step, *, silent: bool = False) -> None:
        self.steps.append(step)
        reply = self.script(conversation, step)
        if reply is None:
            while not self._ended:
                time.sleep(0.05)
            raise Close
        if not silent:
            conversation.say(reply)
