"""The port of the queue: ready work, in the order in which it became ready, by lane and site key. `memory.py` is the reference.

The ledger knows what must be done; the queue knows what can be done now. A job that `take` gave is the caller's until it is settled or
the process ends: the queue gives it to nobody else in this process's life, except after a Conclusion with `due_ms`, when it comes back at
that time. After a restart whatever was neither settled nor deferred is ready again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from mailgate.job import Job
from mailgate.mail import Lane

Room = Callable[[Lane, str], int]
"""How many jobs of this lane and site key the caller could take now. Called on the loop, must be cheap: no I/O."""


class Queue(Protocol):
    """See the module."""

    def put(self, jobs: Sequence[Job]) -> Awaitable[None]:
        """Make them ready. Durable when awaited; an embedded queue, whose ledger stored them already, is done at once."""
        ...

    async def take(self, room: Room) -> Sequence[Job]:
        """Wait for jobs for which there is room, and give at least one, at most a few hundred, never more of a key than its room.

        TRANSACTIONAL before BULK. One caller at a time. Cancelling it loses nothing.
        """
        ...

    def nudge(self) -> None:
        """Room has grown: a waiting `take` looks again. Cheap; may be called often."""
        ...

    def settle(self, jobs: Sequence[Job]) -> Awaitable[None]:
        """Their conclusions are recorded: forget them. Only after `Ledger.record` is durable."""
        ...
