"""Opens connections, in turns and within a time limit: what is tried again, and what a failure means."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from socket import gaierror

import aiosmtplib

from mailgate.route import Relay, Route, TlsMode
from mailgate.verdict import Phase, Reply
from sender.pool.call import Call, Dialled, Refused
from sender.pool.credentials import Credentials, NoCredential, TokenOptions
from sender.pool.reach import SourceFailed
from sender.pool.relays import refuses_login
from sender.pool.shortcomings import Shortcomings, Skill
from sender.pool.source import ANY, Source
from sender.pool.tls import CertificateOptions, Contexts, Unknown
from sender.pool.turns import Turns
from sender.smtp.replies import ServerReply
from sender.smtp.verdicts import broken, understand


class DialFailed(Exception):
    """The relay can't be used now. `reply` says in which phase it failed, and how; no socket is left open.

    `of_source`: the source could not be dialled from; `of_node`: this node lacks what another may have. Neither says a thing of the relay.
    """

    def __init__(self, reply: Reply, relay: Relay, address: str = "", *, of_source: bool = False, of_node: bool = False) -> None:
        self.reply = reply
        self.relay = relay
        self.address = address
        self.of_source = of_source
        self.of_node = of_node
        super().__init__(f"{relay.host}:{relay.port}, {reply.phase.name}: {reply.code or ''} {reply.text}")


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
        """Connects, within the route's `connect_timeout` from its turn on, TLS and AUTH included; then `adopt` makes the next protocol.

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
            raise DialFailed(broken(Phase.AUTH, str(error), "auth"), relay, of_node=True) from error

    async def _dial(self, route: Route, relay: Relay, secret: str, adopt: Callable[[Dialled], asyncio.Protocol], source: Source) -> None:
        seconds = route.connect_timeout / timedelta(seconds=1)
        limit = asyncio.timeout(None)
        may_be_clear = route.tls is TlsMode.OPPORTUNISTIC and not route.username
        broken_tls = may_be_clear and self._shortcomings.lacks(relay, Skill.TLS, self._clock())
        call = Call(route, relay, secret, source, source.helo or self._helo, clear=broken_tls or route.tls is TlsMode.NONE)
        try:
            context = await self._contexts.of(route)
            async with self._turns.one(), limit:
                limit.reschedule(asyncio.get_running_loop().time() + seconds)  # to wait for its turn costs nothing of it
                try:
                    name = await call.run(context, adopt)
                except Exception as error:
                    if not may_be_clear or call.phase is not Phase.TLS or isinstance(error, Refused):
                        raise
                    call = Call(route, relay, secret, source, source.helo or self._helo, clear=True)
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
            raise DialFailed(reply, relay, call.address, of_source=of_source, of_node=isinstance(error, Unknown)) from error


def _understood(phase: Phase, error: Exception) -> Reply:
    """A failure as a reply: the server's own where it gave one that refuses."""
    if isinstance(error, aiosmtplib.SMTPResponseException) and error.code >= 400:  # noqa: PLR2004 - RFC 5321 4.2.1: it says no
        return understand(phase, ServerReply(error.code, error.message.encode("utf-8", "replace")))
    if isinstance(error, Unknown):
        return broken(Phase.TLS, str(error), "tls")
    if isinstance(error, Refused):
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
