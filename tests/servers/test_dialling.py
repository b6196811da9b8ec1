"""Dials of real servers: Postfix by a pinned certificate, and taken up again; aiosmtpd with PLAIN, LOGIN and XOAUTH2, good and refused."""

from __future__ import annotations

import asyncio
import base64
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Session

from benchmarks.peers.postfix import Postfix, make_certificate
from mailgate.route import AuthMode, Relay, Route, TlsMode
from mailgate.verdict import Phase
from sender.pool.call import Dialled
from sender.pool.credentials import Credentials, TokenOptions
from sender.pool.dialer import Dialer, DialFailed
from sender.pool.tls import CertificateOptions, Contexts


class Held(asyncio.Protocol):
    """A connection that was dialled, and nothing more."""

    def __init__(self) -> None:
        self.lost = asyncio.Event()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()


async def dial(dialer: Dialer, route: Route) -> tuple[Dialled, bool]:
    """What was dialled, and whether a session was taken up again. It is hung up then."""
    taken: list[tuple[Dialled, Held]] = []

    def adopt(dialled: Dialled) -> Held:
        taken.append((dialled, Held()))
        return taken[0][1]

    await dialer.dial(route, route.relays[0], adopt)
    dialled, held = taken[0]
    security = dialled.transport.get_extra_info("ssl_object")
    reused = bool(security and security.session_reused)
    dialled.transport.close()
    await held.lost.wait()
    return dialled, reused


async def test_postfix_by_its_certificate_alone(maildrop: Postfix) -> None:
    """Believed because the route says so; the second dial takes the session up again, and Postfix agrees."""
    dialer = Dialer("node.example", Credentials({}), Contexts({"own": CertificateOptions(ca=str(maildrop.certificate))}))
    route = Route("r", (Relay("localhost", maildrop.port),), tls=TlsMode.REQUIRED, certificates="own")
    found = [await dial(dialer, route) for _ in range(3)]
    assert all(dialled.tls.startswith("TLSv1.") and dialled.capabilities.pipelining for dialled, _ in found)
    assert [reused for _, reused in found] == [False, True, True]
    with pytest.raises(DialFailed, match="certificate"):
        await dial(Dialer("node.example"), Route("r", route.relays, tls=TlsMode.REQUIRED))
    with pytest.raises(DialFailed, match="mismatch"):
        await dial(dialer, Route("r", route.relays, tls=TlsMode.REQUIRED, certificates="own", server_name="mx.example.com"))


class Accounts:
    """aiosmtpd's handler: one user, one password, one token, and whatever was tried."""

    token = "good"

    def __init__(self) -> None:
        self.tried: list[tuple[str, bytes]] = []

    def authenticate(self, server: SMTP, session: Session, envelope: object, mechanism: str, data: object) -> AuthResult:
        """PLAIN and LOGIN."""
        self.tried.append((mechanism, data.password))  # type: ignore[attr-defined]
        return AuthResult(success=data.password == b"pass", handled=False)  # type: ignore[attr-defined]

    async def auth_XOAUTH2(self, server: SMTP, args: list[str]) -> AuthResult:
        """As Google and Microsoft do: the wrong token has a challenge, whose answer is empty, before the 535."""
        said = base64.b64decode(args[1])
        self.tried.append(("XOAUTH2", said))
        if said == b"user=me\x01auth=Bearer " + self.token.encode() + b"\x01\x01":
            return AuthResult(success=True, auth_data=b"me")
        await server.push("334 " + base64.b64encode(b'{"status":"400"}').decode())
        assert (await server._reader.readuntil(b"\n")).strip() == b""
        await server.push("535 5.7.8 the token is not good")
        return AuthResult(success=False, handled=True)


@asynccontextmanager
async def accounts(folder: Path, **changes: object) -> AsyncIterator[tuple[Accounts, Relay, CertificateOptions]]:
    """An aiosmtpd under TLS from the first byte."""
    make_certificate(folder / "tls")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "tls/certificate.pem", folder / "tls/key.pem")
    handler = Accounts()
    loop = asyncio.get_running_loop()

    def make() -> SMTP:
        return SMTP(handler, authenticator=handler.authenticate, auth_require_tls=False, hostname="peer.example", loop=loop, **changes)

    server = await loop.create_server(make, "127.0.0.1", 0, ssl=context)
    async with server:
        yield handler, Relay("127.0.0.1", server.sockets[0].getsockname()[1]), CertificateOptions(ca=str(folder / "tls/certificate.pem"))


def to(relay: Relay, auth: AuthMode, **changes: object) -> Route:
    return Route("r", (relay,), tls=TlsMode.IMPLICIT, certificates="own", username="me", secret="s", auth=auth, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(("auth", "tried"), [(AuthMode.AUTO, "PLAIN"), (AuthMode.PLAIN, "PLAIN"), (AuthMode.LOGIN, "LOGIN")])
async def test_passwords(tmp_path: Path, auth: AuthMode, tried: str) -> None:
    """The right one opens; the wrong one is one try, though another way is offered."""
    async with accounts(tmp_path) as (handler, relay, own):
        contexts = Contexts({"own": own})
        await dial(Dialer("node.example", Credentials({"s": "pass"}), contexts), to(relay, auth))
        with pytest.raises(DialFailed) as caught:
            await dial(Dialer("node.example", Credentials({"s": "wrong"}), contexts), to(relay, auth))
        assert (caught.value.reply.phase, caught.value.reply.code) == (Phase.AUTH, 535)
        assert handler.tried == [(tried, b"pass"), (tried, b"wrong")]


async def test_a_token_of_a_command_that_has_gone_stale(tmp_path: Path) -> None:
    """Refused before its time: the command runs anew, and the dial succeeds; with the new one further dials do without the command."""
    count = tmp_path / "count"
    script = f"import pathlib; p = pathlib.Path({str(count)!r}); n = p.exists(); p.write_text('x'); print('good' if n else 'stale')"
    credentials = Credentials({}, {"s": TokenOptions(command=(sys.executable, "-c", script))})
    async with accounts(tmp_path) as (handler, relay, own):
        dialer = Dialer("node.example", credentials, Contexts({"own": own}))
        await dial(dialer, to(relay, AuthMode.XOAUTH2))
        await dial(dialer, to(relay, AuthMode.XOAUTH2))
        assert [said.split(b"Bearer ")[1].rstrip(b"\x01") for _, said in handler.tried] == [b"stale", b"good", b"good"]


async def test_a_token_that_is_no_good(tmp_path: Path) -> None:
    """From a file that nobody renewed: one try, and the relay's own words."""
    (tmp_path / "token").write_text("old")
    async with accounts(tmp_path) as (handler, relay, own):
        dialer = Dialer("node.example", Credentials({}, {"s": TokenOptions(file=str(tmp_path / "token"))}), Contexts({"own": own}))
        with pytest.raises(DialFailed, match="535"):
            await dial(dialer, to(relay, AuthMode.XOAUTH2))
        assert len(handler.tried) == 1
