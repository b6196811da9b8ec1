"""A tap on a connection: what is written and what is heard go through it, and are told to whoever listens, as lines without bodies.

It stands between the connection and its transport, both ways. While nobody listens there is none, and a connection is as if this file did
not exist: the mails that nobody looks at pay nothing for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from sender.pool.connection import Connection
from sender.smtp.dialogue import Said, from_now_on


class Ear(Protocol):
    """Who listens. Called between the octets and the connection: synchronous, cheap, and never raising."""

    def said(self, tap: Tap, said: Said, now_ns: int) -> None:
        """A line, at this time since the epoch."""
        ...

    def closed(self, tap: Tap, why: str, now_ns: int) -> None:
        """The connection takes no more mail, and for what reason."""
        ...


class Tap(asyncio.Protocol):
    """See the module. `number`: of the connection, for those who see several; `clock`: nanoseconds since the epoch."""

    def __init__(self, connection: Connection, number: int, clock: Callable[[], int]) -> None:
        self.connection, self.number = connection, number
        self.dialogue = from_now_on(connection.conversation)
        self.ears: tuple[Ear, ...] = ()
        self._clock = clock
        self._transport = connection.remote.transport
        connection.through(_Outlet(self._transport, self))

    def __repr__(self) -> str:
        return f"<Tap {self.number} of {self.connection!r} for {len(self.ears)}>"

    def open(self) -> None:
        """Hear what comes, too: for a connection whose transport has it for its protocol already."""
        self._transport.set_protocol(self)

    def remove(self) -> None:
        """The connection is as it was before."""
        self.connection.through(self._transport)
        if not self._transport.is_closing():
            self._transport.set_protocol(self.connection)

    def wrote(self, data: bytes) -> None:
        """We are about to write this."""
        self._tell(self.dialogue.wrote(data))

    def closing(self, why: str) -> None:
        """The connection ends."""
        now_ns = self._clock()
        for ear in self.ears:
            ear.closed(self, why, now_ns)

    def _tell(self, lines: list[Said]) -> None:
        now_ns = self._clock()
        for said in lines:
            for ear in self.ears:
                ear.said(self, said, now_ns)

    # ---- what the transport does

    def data_received(self, data: bytes) -> None:
        """Told before the connection acts on it, so that lines stand in their order."""
        self._tell(self.dialogue.heard(data))
        self.connection.data_received(data)

    def eof_received(self) -> bool:
        """Passed on."""
        return self.connection.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Passed on."""
        self.connection.connection_lost(exc)

    def pause_writing(self) -> None:
        """Passed on."""
        self.connection.pause_writing()

    def resume_writing(self) -> None:
        """Passed on."""
        self.connection.resume_writing()


class _Outlet(asyncio.Transport):
    """The transport, as the connection sees it."""

    def __init__(self, transport: asyncio.Transport, tap: Tap) -> None:
        super().__init__()
        self._transport, self._tap = transport, tap

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._tap.wrote(bytes(data))
        self._transport.write(data)

    def close(self) -> None:
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - as asyncio has it
        return self._transport.get_extra_info(name, default)
