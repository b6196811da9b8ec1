"""What admission asks of the rooms and the world around it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Protocol, TypeVar

from gateway.ledger.fact import Fact

T = TypeVar("T")


class Waiting(Protocol):
    """A call that waits for its mail."""

    async def __aenter__(self) -> Waiting:
        """Listen."""
        ...

    async def __aexit__(self, *_: object) -> None:
        """Listen no more."""
        ...

    def found(self, indexes: Iterable[int]) -> None:
        """These had their attempt before."""
        ...

    async def attempted(self, seconds: float) -> bool:
        """Wait, at most so long; whether each recipient has had an attempt."""
        ...


class Hub(Protocol):
    """Whom to tell of accepted mails."""

    @property
    def listening(self) -> bool:
        """Somebody listens."""
        ...

    def publish(self, facts: Iterable[Fact]) -> None:
        """Tell them; never fails."""
        ...

    def wait(self, mail_id: bytes, recipients: int) -> Waiting:
        """Listen for the first attempts of a mail that is yet to be accepted."""
        ...


class Shell(Protocol):
    """The world, as far as admission needs it."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        ...

    def clock(self) -> float:
        """Seconds by a monotonic clock; deadlines are of this one."""
        ...

    def random(self, octets: int) -> bytes:
        """Unpredictable octets."""
        ...

    async def offload(self, work: Callable[[], T]) -> T:
        """Run it off the loop."""
        ...

    async def finish(self, work: Coroutine[Any, Any, T]) -> T:
        """Run it to its end even when the caller is cancelled meanwhile."""
        ...
