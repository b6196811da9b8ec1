"""What a connection tells whoever has it: the pool. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sender.pool.handoff import Handoff
from sender.smtp.events import Close, Done

if TYPE_CHECKING:
    from sender.pool.connection import Connection


class Owner(Protocol):
    """What a connection tells: the pool. Synchronous; nothing but `on_closing` is called from within `start`, `commit` or `withdraw`."""

    def on_ready(self, handoff: Handoff) -> None:
        """354 is here, or all chunks are taken."""
        ...

    def on_done(self, connection: Connection, done: Done) -> None:
        """Every recipient of `done.transaction`, a Handoff, has its outcome."""
        ...

    def on_idle(self, connection: Connection) -> None:
        """The next mail may come."""
        ...

    def on_closing(self, connection: Connection, close: Close) -> None:
        """It takes no more mail."""
        ...

    def on_closed(self, connection: Connection) -> None:
        """The socket is gone. The last that is told."""
        ...
