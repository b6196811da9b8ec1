"""The port between delivery and the pool: a mail that is to be handed off, and what its connection says of it. No I/O here.

The life of a Handoff: `Pool.start` puts it on an idle connection (MAIL, RCPT, DATA in one write where the server allows); then
- `listener.ready(handoff)` once, when the server has answered 354: the end of the body waits for `Pool.commit` or `Pool.withdraw`;
- `listener.done(handoff, tried)` once, whatever the end: before `ready` (every recipient refused, connection lost…) or after `commit`.
After `Pool.withdraw` nothing more is heard of it. All calls and callbacks are synchronous, on the loop, and must be cheap: no I/O waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mailgate.ids import format_id, mail_of
from mailgate.job import Fence, JobRecipient
from mailgate.verdict import Reply, Tried


@dataclass(slots=True, eq=False)
class Handoff:
    """One transaction to be. `message` is the whole mail with CRLF line ends, not dot-stuffed, ending in CRLF.

    `clean`: whoever made it has found that no line begins with a dot, and the rest of `sender.smtp.body.is_clean`.
    """

    fence: Fence
    route: str
    return_path: str
    recipients: tuple[JobRecipient, ...]
    message: bytes
    smtputf8: bool = False
    traceparent: str = ""
    clean: bool = False
    bulk: bool = False
    """It leaves the last connections to mail that is not."""
    path: str = ""
    """The key of the path that it takes, when that is known."""
    source: str = ""
    """Of that path: the name of the source that it leaves from."""

    @property
    def envelope_id(self) -> str:
        """The mail's id, for reports of servers."""
        return format_id(mail_of(self.fence.job_id))


class Listener(Protocol):
    """What the pool tells. Delivery implements it."""

    def ready(self, handoff: Handoff) -> None:
        """The server has answered 354."""
        ...

    def done(self, handoff: Handoff, tried: Tried) -> None:
        """Every recipient has its outcome."""
        ...

    def turned_away(self, path: str, reply: Reply) -> None:
        """A dial of this path failed: the server's words, or with code 0 what stands for them. No mail was on it."""
        ...

    def idle(self, path: str) -> None:
        """A connection of this path has become idle: `Pool.start` would work now. May be called when nothing waits."""
        ...
