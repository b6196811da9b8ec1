"""One dial, step by step: aiosmtplib connects, greets, speaks TLS and AUTH; then the transport is handed over and aiosmtplib is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import SupportsIndex, cast

import aiosmtplib

from mailgate.route import AuthMode, Relay, Route, TlsMode
from mailgate.verdict import Phase
from sender.pool.reach import reach
from sender.pool.source import Source
from sender.pool.tls import Context
from sender.smtp.capabilities import Capabilities, parse_capabilities

_WAYS = {
    AuthMode.AUTO: ("plain", "login", "cram-md5"),
    AuthMode.PLAIN: ("plain",),
    AuthMode.LOGIN: ("login",),
    AuthMode.XOAUTH2: ("xoauth2",),
}
_NO_SUCH_WAY = frozenset({504, 534})
"""RFC 4954 4 and 6: the mechanism is not known, or too weak for this user. The password was not judged."""


@dataclass(frozen=True, slots=True)
class Dialled:
    """A connection that is ready for MAIL, and where it leads."""

    transport: asyncio.Transport
    capabilities: Capabilities
    host: str
    address: str
    """The IP address and port; empty when the connection had gone."""
    tls: str
    """Such as `TLSv1.3`; empty: in clear."""


class Refused(Exception):
    """We would not go on, though the relay would."""

    def __init__(self, text: str, bounce_class: str) -> None:
        self.bounce_class = bounce_class
        super().__init__(text)


class _Unread(bytearray):
    """What aiosmtplib has read and not yet understood. `dropped`: it had some, and threw it away."""

    dropped = False

    def __delitem__(self, part: SupportsIndex | slice) -> None:
        self.dropped = self.dropped or (part == slice(None) and len(self) > 0)
        super().__delitem__(part)


class Call:
    """One dial, step by step; `phase` says how far it came."""

    def __init__(self, route: Route, relay: Relay, secret: str, source: Source, helo: str, *, clear: bool) -> None:
        self._route = route
        self._relay = relay
        self._secret = secret
        self._source = source
        self._helo = helo
        self._clear = clear
        self.phase = Phase.CONNECT
        self.address = ""

    async def run(self, context: Context | None, adopt: Callable[[Dialled], asyncio.Protocol]) -> str:
        """The whole way; returns the name that was given to the server. Whatever it raises, no socket stays open."""
        sock = await reach(self._relay.host, self._relay.port, self._source, addresses=self._relay.addresses)
        self._client = client = aiosmtplib.SMTP(
            hostname=self._relay.host,
            sock=sock,
            local_hostname=self._helo or None,
            timeout=None,  # the whole dial has one
            use_tls=self._route.tls is TlsMode.IMPLICIT,
            start_tls=False,
            tls_context=context,
        )
        try:
            await client.connect()
            peer = client.get_transport_info("peername")
            self.address = f"[{peer[0]}]:{peer[1]}" if ":" in peer[0] else f"{peer[0]}:{peer[1]}"
            await self._greet()
            if not self._clear and self._route.tls is not TlsMode.IMPLICIT:
                await self._start_tls()
            if self._route.username:
                await self._log_in()
            dialled = self._dialled(context)
            dialled.transport.set_protocol(adopt(dialled))
        except BaseException:
            if client.transport is None:
                sock.close()
            else:
                # Under TLS `close` would wait for the server's good-bye, for half a minute.
                cast("asyncio.Transport", client.transport).abort()
            client.close()
            raise
        return client.local_hostname or ""

    async def _greet(self) -> None:
        self.phase = Phase.EHLO
        try:
            await self._client.ehlo()
        except aiosmtplib.SMTPHeloError as error:
            if error.code // 100 != 5 or not self._client.is_connected:  # noqa: PLR2004 - RFC 5321 3.2: a server without extensions
                raise
            await self._client.helo()

    async def _start_tls(self) -> None:
        if self._client.supports_extension("starttls"):
            self.phase = Phase.TLS
            await self._shake_hands(self._client)
            await self._greet()
        elif self._route.tls is TlsMode.REQUIRED:
            self.phase = Phase.TLS
            raise Refused('the relay does not offer STARTTLS and tls = "required"', "tls")

    async def _shake_hands(self, client: aiosmtplib.SMTP) -> None:
        """Refuses what stands behind the server's yes (RFC 3207 6; CVE-2021-33515 and its kin), where aiosmtplib would just forget it."""
        if client.protocol is not None:
            client.protocol._buffer = unread = _Unread(client.protocol._buffer)
            await client.starttls()
            if unread.dropped:
                raise Refused("the relay's words go on in clear behind its yes to STARTTLS: somebody else may have put them there", "tls")

    async def _log_in(self) -> None:
        self.phase = Phase.AUTH
        if self._route.tls is TlsMode.OPPORTUNISTIC and self._client.get_transport_info("sslcontext") is None:
            raise Refused('the relay speaks no TLS, and a password is not sent in clear unless tls = "none"', "auth")
        await self._prove(self._route.username)

    async def _prove(self, username: str) -> None:
        """One try by the first way that is offered: servers that lock accounts count each. Another where that can't be had."""
        client = self._client
        ways = {"plain": client.auth_plain, "login": client.auth_login, "cram-md5": client.auth_crammd5, "xoauth2": client.auth_xoauth2}
        offered = [name for name in _WAYS[self._route.auth] if name in client.server_auth_methods]
        for name in offered:
            try:
                await ways[name](username, self._secret)
            except aiosmtplib.SMTPAuthenticationError as error:
                if error.code not in _NO_SUCH_WAY or name == offered[-1]:
                    raise
            else:
                return
        theirs, ours = ", ".join(client.server_auth_methods).upper() or "nothing", " or ".join(_WAYS[self._route.auth]).upper()
        raise Refused(f"the relay offers {theirs} to log in by, and not {ours}: see the route's auth", "auth")

    def _dialled(self, context: Context | None) -> Dialled:
        """What aiosmtplib leaves behind: a lock and two futures that nobody waits for. Bytes that it holds back were not asked for."""
        client = self._client
        transport, protocol, ehlo = client.transport, client.protocol, client.last_ehlo_response
        if transport is None or protocol is None or transport.is_closing():
            raise ConnectionResetError("the server closed the connection after its greeting")
        if protocol._buffer:  # what came behind the last reply
            raise Refused("the server spoke out of turn", "protocol")
        security = transport.get_extra_info("ssl_object")
        if security is not None and context is not None:
            context.keep(security)
        return Dialled(
            transport=cast("asyncio.Transport", transport),
            capabilities=parse_capabilities(ehlo.message if ehlo else ""),
            host=client.hostname or "",
            address=self.address,
            tls=(security.version() or "") if security is not None else "",
        )
