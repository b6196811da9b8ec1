"""The development inbox, running: its SMTP side and its door on the current loop, started and stopped together."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

from mailgate.errors import Mistake, SettingsInvalid
from mailgate.inbox.store import MAX_MAILS, MAX_OCTETS, InboxStats, Store

if TYPE_CHECKING:
    from mailgate.inbox.smtp import Connection

_STOP = 2.0
"""Seconds that connections have to end when the inbox stops."""


class Inbox:
    """Takes mail at `smtp_port` and shows it at `door_port`; port 0 takes a free one. An asynchronous context manager.

    Bound to loopback unless told otherwise: it asks nobody who they are.

    Raises, on entering:
        SettingsInvalid: the extra `inbox` is not installed, or a port is taken: it says which, and how to choose another.
    """

    def __init__(
        self,
        smtp_host: str = "127.0.0.1",
        smtp_port: int = 1025,
        door_host: str = "127.0.0.1",
        door_port: int = 8025,
        *,
        max_mails: int = MAX_MAILS,
        max_octets: int = MAX_OCTETS,
    ) -> None:
        self.smtp_host = smtp_host
        self.smtp_port = smtp_port
        self.door_host = door_host
        self.door_port = door_port
        self._store = Store(max_mails, max_octets)
        self._running = AsyncExitStack()

    async def __aenter__(self) -> Inbox:
        _require_extra()
        async with AsyncExitStack() as starting:
            smtp = starting.enter_context(_bound(self.smtp_host, self.smtp_port, "smtp_port", "--inbox-smtp-port"))
            door = starting.enter_context(_bound(self.door_host, self.door_port, "port", "--inbox-port"))
            await starting.enter_async_context(_Smtp(self._store, smtp))
            await starting.enter_async_context(_Http(self._store, door, self.door_host))
            self.smtp_port = smtp.getsockname()[1]
            self.door_port = door.getsockname()[1]
            self._running = starting.pop_all()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await asyncio.shield(self._running.aclose())

    @property
    def door(self) -> str:
        """The door's address, for a browser."""
        return f"http://{f'[{self.door_host}]' if ':' in self.door_host else self.door_host}:{self.door_port}"

    def stats(self) -> InboxStats:
        """What was received and what is kept."""
        return self._store.stats()

    def __repr__(self) -> str:
        stats = self.stats()
        return f"<Inbox smtp {self.smtp_host}:{self.smtp_port}, door {self.door}: {stats.received} received, {stats.kept} kept>"


def _require_extra() -> None:
    try:
        import aiosmtpd  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as missing:
        raise SettingsInvalid(
            [Mistake("inbox", "on", f"needs {missing.name}, which is not installed: pip install 'mailgate[inbox]'")]
        ) from None


@contextmanager
def _bound(host: str, port: int, key: str, flag: str) -> Iterator[socket.socket]:
    """A listening socket to be.

    Raises:
        SettingsInvalid: it cannot be bound.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise SettingsInvalid([Mistake(f"inbox.{key}", f"{host}:{port}", f"is no address of this machine ({error})")]) from None
    with listener:
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.setblocking(False)
        except (OSError, OverflowError) as error:
            taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
            why = "another process has it" if taken else f"it can't be listened on ({getattr(error, 'strerror', None) or error})"
            cure = f"{why}: choose another port with {flag}, 0 for any that is free"
            raise SettingsInvalid([Mistake(f"inbox.{key}", f"{host}:{port}", cure)]) from None
        yield listener


class _Smtp:
    """The SMTP side: a server and its open connections."""

    def __init__(self, store: Store, listener: socket.socket) -> None:
        self._store = store
        self._listener = listener
        self._open: set[Connection] = set()

    async def __aenter__(self) -> _Smtp:
        from mailgate.inbox.smtp import Connection, Mailroom

        loop = asyncio.get_running_loop()
        mailroom = Mailroom(self._store)
        self._server = await loop.create_server(lambda: Connection(mailroom, loop, self._open), sock=self._listener, backlog=1024)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        conversations = {task for connection in self._open if (task := connection.conversation)}
        for connection in tuple(self._open):
            connection.abort()
        if conversations:
            await asyncio.wait(conversations, timeout=_STOP)


class _Http:
    """The door: a uvicorn server without its own way with signals and logs."""

    def __init__(self, store: Store, listener: socket.socket, host: str) -> None:
        self._store = store
        self._listener = listener
        self._host = host

    async def __aenter__(self) -> _Http:
        from uvicorn import Config, Server

        from mailgate.inbox.door import Door

        ready = asyncio.Event()

        class Quiet(Server):
            @contextmanager
            def capture_signals(self) -> Iterator[None]:
                yield  # signals are the process's, not the door's

            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets)
                ready.set()

        config = Config(
            Door(self._store, self._host),
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        self._uvicorn = Quiet(config)
        self._task = asyncio.create_task(self._uvicorn.serve([self._listener]), name="inbox door")
        self._task.add_done_callback(lambda _: ready.set())
        try:
            await ready.wait()
        except BaseException:
            self._task.cancel()
            raise
        if self._task.done():
            await self._task
        return self

    async def __aexit__(self, *_: object) -> None:
        self._uvicorn.should_exit = True
        await self._task
