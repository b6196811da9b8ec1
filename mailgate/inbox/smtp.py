"""The inbox's SMTP side: takes whatever comes to whomever, on aiosmtpd. Imported only when an inbox starts (extra `inbox`)."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from contextlib import suppress

from aiosmtpd.smtp import SMTP, Envelope, Session

from mailgate.inbox.store import Store

SIZE_LIMIT = 64 * 1024 * 1024
"""Octets of one mail, as SIZE tells."""

NAME = "inbox.mailgate.localhost"

logging.getLogger("mail.log").setLevel(logging.WARNING)  # it logs addresses

_TROUBLE = re.compile(r"(?:bounce\+(5\d\d)|defer\+(4\d\d))@", re.IGNORECASE)


class Mailroom:
    """What aiosmtpd asks at each command: every mail goes into the store, but for recipients that ask for trouble."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def handle_EHLO(self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]) -> list[str]:
        """Offers PIPELINING beside the rest: commands are read one after another from a buffer, so it holds."""
        session.host_name = hostname
        return [responses[0], "250-PIPELINING", *responses[1:]]

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        """Any recipient is welcome; `bounce+5NN@` and `defer+4NN@` get the code that they name."""
        if match := _TROUBLE.match(address):
            code = match[1] or match[2]
            return f"{code} {code[0]}.0.0 As the address asks"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Keep it."""
        sender = envelope.mail_from or ""
        mail = self._store.add(
            "" if sender == "<>" else sender, tuple(envelope.rcpt_tos), bytes(envelope.original_content or b""), int(time.time() * 1000)
        )
        return f"250 2.0.0 Kept as {mail.id}"


class Connection(SMTP):
    """One connection. Lines of any length are taken (real mail has them), and a client that goes away is no error."""

    line_length_limit = SIZE_LIMIT

    def __init__(self, mailroom: Mailroom, loop: asyncio.AbstractEventLoop, open_connections: set[Connection]) -> None:
        super().__init__(mailroom, data_size_limit=SIZE_LIMIT, enable_SMTPUTF8=True, hostname=NAME, ident="Mailgate inbox", loop=loop)
        self._open = open_connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it among the open ones."""
        super().connection_made(transport)
        self._open.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        """Forget it."""
        self._open.discard(self)
        super().connection_lost(error)

    @property
    def conversation(self) -> asyncio.Task[None] | None:
        """The task that answers the client, for whoever stops the inbox to wait for."""
        return self._handler_coroutine

    def abort(self) -> None:
        """Cut the connection now."""
        if isinstance(self.transport, asyncio.Transport):
            self.transport.abort()

    async def _handle_client(self) -> None:
        with suppress(ConnectionError):
            await super()._handle_client()
