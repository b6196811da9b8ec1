"""Opens connections: aiosmtplib connects, greets, speaks TLS and AUTH; then the transport is handed over and aiosmtplib is gone."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from socket import gaierror
from typing import SupportsIndex, cast

import aiosmtplib

from mailgate.route import AuthMode, Relay, Route, TlsMode
from mailgate.verdict import Phase, Reply
from sender.pool.credentials import Credentials, NoCredential, TokenOptions
from sender.pool.reach import SourceFailed, reach
from sender.pool.relays import refuses_login
from sender.pool.shortcomings import Shortcomings, Skill
from sender.pool.source import ANY, Source
from sender.pool.tls import CertificateOptions, Context, Contexts, Unknown
from sender.pool.turns import Turns
from sender.smtp.capabilities import Capabilities, parse_capabilities
from sender.smtp.replies import ServerReply
from sender.smtp.verdicts import broken, understand

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


class DialFailed(Exception):
    """The relay can't be used now. `reply` says in which phase it failed, and how; no socket is left open.

    `of_source`: the source could not be dialled from, which says nothing of the relay.
    """

    def __init__(self, reply: Reply, relay: Relay, address: str = "", *, of_source: bool = False) -> None:
        self.reply = reply
        self.relay = relay
        self.address = address
        self.of_source = of_source
        super().__init__(f"{relay.host}:{relay.port}, {reply.phase.name}: {reply.code or ''} {reply.text}")


class _Refused(Exception):
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


class Dialer:
    """Dials for one process. `helo`: what we call ourselves; empty: this host's name. `shortcomings`: of hosts whose TLS is broken."""

    def __init__(
        self,
        helo: str = "",
        credentials: Credentials | None = None,
        contexts: Contexts | None = None,
        shortcomings: Shortcomings | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._helo = helo
        self._credentials = credentials or Credentials({})
        self._contexts = contexts or Contexts()
        self._shortcomings = shortcomings or Shortcomings()
        self._clock = clock
        self._turns = Turns()

    def renew(self, secrets: Mapping[str, str], tokens: Mapping[str, TokenOptions], certificates: Mapping[str, CertificateOptions]) -> None:
        """Log in with these, and believe and show these, from now on."""
        self._credentials.renew(secrets, tokens)
        self._contexts.renew(certificates)

    async def dial(self, route: Route, relay: Relay, adopt: Callable[[Dialled], asyncio.Protocol], source: Source = ANY) -> None:
        """Connects, within the route's `connect_timeout`, TLS and AUTH included; then hands over to the protocol that `adopt` makes.

        It leaves from the source's addresses and greets with its name.

        `adopt` is called last, when nothing can fail any more; bytes that the server sends from then on are the protocol's. With
        OPPORTUNISTIC, a STARTTLS that fails is followed by one more try in clear (RFC 7435 3), and for an hour the host is spoken to in
        clear at once; but not by a route with credentials, whose password never leaves in clear. A token that is refused is had anew, and
        tried once more if it is another.

        Raises:
            DialFailed: whatever the reason.
        """
        secret = await self._secret(route, relay)
        try:
            await self._dial(route, relay, secret, adopt, source)
        except DialFailed as failure:
            judged = failure.reply.code and refuses_login(failure.reply)
            if not judged or not self._credentials.refused(route.secret, secret):
                raise
            if (another := await self._secret(route, relay)) == secret:
                raise
            await self._dial(route, relay, another, adopt, source)

    async def _secret(self, route: Route, relay: Relay) -> str:
        """Before the dial, whose time does not have to do for a command too."""
        if not route.username:
            return ""
        try:
            return await self._credentials.get(route.secret)
        except NoCredential as error:
            raise DialFailed(broken(Phase.AUTH, str(error), "auth"), relay) from error

    async def _dial(self, route: Route, relay: Relay, secret: str, adopt: Callable[[Dialled], asyncio.Protocol], source: Source) -> None:
        seconds = route.connect_timeout / timedelta(seconds=1)
        limit = asyncio.timeout(seconds)
        may_be_clear = route.tls is TlsMode.OPPORTUNISTIC and not route.username
        broken_tls = may_be_clear and self._shortcomings.lacks(relay, Skill.TLS, self._clock())
        call = _Call(route, relay, secret, source, source.helo or self._helo, clear=broken_tls or route.tls is TlsMode.NONE)
        try:
            context = await self._contexts.of(route)
            async with self._turns.one(), limit:
                try:
                    name = await call.run(context, adopt)
                except Exception as error:
                    if not may_be_clear or call.phase is not Phase.TLS or isinstance(error, _Refused):
                        raise
                    call = _Call(route, relay, secret, source, source.helo or self._helo, clear=True)
                    name = await call.run(context, adopt)
                    self._shortcomings.no_tls(relay, self._clock())
            self._helo = self._helo if source.helo else name  # of this host: to find it may take a look-up
        except Exception as error:
            late = isinstance(error, TimeoutError) and limit.expired()
            if late and may_be_clear and call.phase is Phase.TLS:
                self._shortcomings.no_tls(relay, self._clock())
            reply = broken(call.phase, f"no answer within {seconds:g} s") if late else _understood(call.phase, error)
            of_source = isinstance(error, SourceFailed)
            if not call.address and not of_source:  # nobody was there: the address that was meant is all there is to tell
                reply = reply._replace(text=f"{relay.host}:{relay.port}: {reply.text}")
            raise DialFailed(reply, relay, call.address, of_source=of_source) from error


class _Call:
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
            raise _Refused('the relay does not offer STARTTLS and tls = "required"', "tls")

    async def _shake_hands(self, client: aiosmtplib.SMTP) -> None:
        """Refuses what stands behind the server's yes (RFC 3207 6; CVE-2021-33515 and its kin), where aiosmtplib would just forget it."""
        if client.protocol is not None:
            client.protocol._buffer = unread = _Unread(client.protocol._buffer)
            await client.starttls()
            if unread.dropped:
                raise _Refused("the relay's words go on in clear behind its yes to STARTTLS: somebody else may have put them there", "tls")

    async def _log_in(self) -> None:
        self.phase = Phase.AUTH
        if self._route.tls is TlsMode.OPPORTUNISTIC and self._client.get_transport_info("sslcontext") is None:
            raise _Refused('the relay speaks no TLS, and a password is not sent in clear unless tls = "none"', "auth")
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
        raise _Refused(f"the relay offers {theirs} to log in by, and not {ours}: see the route's auth", "auth")

    def _dialled(self, context: Context | None) -> Dialled:
        """What aiosmtplib leaves behind: a lock and two futures that nobody waits for. Bytes that it holds back were not asked for."""
        client = self._client
        transport, protocol, ehlo = client.transport, client.protocol, client.last_ehlo_response
        if transport is None or protocol is None or transport.is_closing():
            raise ConnectionResetError("the server closed the connection after its greeting")
        if protocol._buffer:  # what came behind the last reply
            raise _Refused("the server spoke out of turn", "protocol")
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


def _understood(phase: Phase, error: Exception) -> Reply:
    """A failure as a reply: the server's own where it gave one that refuses."""
    if isinstance(error, aiosmtplib.SMTPResponseException) and error.code >= 400:  # noqa: PLR2004 - RFC 5321 4.2.1: it says no
        return understand(phase, ServerReply(error.code, error.message.encode("utf-8", "replace")))
    if isinstance(error, Unknown):
        return broken(Phase.TLS, str(error), "tls")
    if isinstance(error, _Refused):
        return broken(phase, str(error), error.bounce_class)
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    by_phase = {Phase.TLS: "tls", Phase.AUTH: "auth"}
    if isinstance(cause, ssl.SSLError):
        return broken(Phase.TLS, str(cause), "tls")
    if isinstance(error, aiosmtplib.SMTPResponseException):
        said = f"a reply that makes no sense here: {error.code} {error.message}" if error.code > 0 else error.message
        return broken(phase, said, by_phase.get(phase, "protocol"))
    words = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    return broken(phase, words or type(cause).__name__, by_phase.get(phase, "dns" if isinstance(cause, gaierror) else "connect"))
