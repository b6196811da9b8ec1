"""What of the pool limits need. Pure."""

from __future__ import annotations

from typing import Protocol

from sender.pool.handoff import Handoff
from sender.pool.path import Path
from sender.pool.relays import Trouble


class Connections(Protocol):
    """The pool, or what a test puts in its place."""

    def open(self, path: Path) -> None:
        """Take mail for it."""
        ...

    def shut(self, key: str) -> None:
        """Take no more."""
        ...

    def capacity(self, key: str) -> int:
        """Connections usable, being dialled, or dialled on demand."""
        ...

    def warm(self, key: str) -> int:
        """Connections open and usable."""
        ...

    def asleep(self, key: str) -> bool:
        """No connection is open, being dialled or wanted."""
        ...

    def start(self, handoff: Handoff) -> bool:
        """Put it on an idle connection. False: there is none now."""
        ...

    def trouble(self, key: str) -> Trouble | None:
        """Why a path has no connection."""
        ...
