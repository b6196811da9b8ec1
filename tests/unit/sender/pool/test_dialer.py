"""Dials against a real server on the loopback: TLS in each mode, AUTH, and whatever can go wrong before the first mail."""

from __future__ import annotations

import asyncio
import base64
import ssl
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from mailgate.route import AuthMode, Relay, TlsMode
from mailgate.verdict import Outcome, Phase
from sender.pool.call import Dialled
from sender.pool.credentials import Credentials, TokenOptions
from sender.pool.dialer import Dialer, DialFailed
from sender.pool.source import ANY, Source
from sender.pool.tls import CertificateOptions, Contexts
from sender.pool.turns import AT_ONCE, PATIENCE
from tests.unit.virtual_time import simulate

CLOSE, SILENCE = b"\1", b"\0"
PLAIN = b"250-peer.example\r\n250 8BITMIME\r\n"
OFFERS_TLS = b"250-peer.example\r\n250-PIPELINING\r\n250 STARTTLS\r\n"
PEERS = {"Peer._serve", "BaseSelectorEventLoop._accept_connection2"}
"""Tasks of the server."""
OFFERS_AUTH = b"250-peer.example\r\n250-PIPELINING\r\n250 AUTH PLAIN\r\n"


class Heard(asyncio.Protocol):
    """Takes a connection over and keeps what it hears."""

    def __init__(self) -> None:
        self.data = b""
        self.lost = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self.data += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)


async def dial(route, password: str | None = None, dialer: Dialer | None = None, source: Source = ANY) -> tuple[Dialled, Heard]:
    taken: list[tuple[Dialled, Heard]] = []

    def adopt(dialled: Dialled) -> Heard:
        taken.append((dialled, Heard()))
        return taken[0][1]

    before = asyncio.all_tasks()
    try:
        dialer = dialer or Dialer("node.example", Credentials({} if password is None else {route.secret: password}))
        await dialer.dial(route, route.relays[0], adopt, source)
    finally:
        assert {task for task in asyncio.all_tasks() - before if task.get_coro().__qualname__ not in PEERS} == set(), (
            "a task was left behind"
        )
    return taken[0]


async def hang_up(dialled: Dialled, heard: Heard) -> None:
    dialled.transport.close()
    await heard.lost


async def failure(route, password: str | None = None, dialer: Dialer | None = None, source: Source = ANY) -> DialFailed:
    with pytest.raises(DialFailed) as caught:
        await dial(route, password, dialer, source)
    return caught.value


async def test_in_clear(peer, route, until):
    """EHLO with our name; what the server then says is the new protocol's, and what that writes reaches the server."""
    async with peer() as server:
        dialled, heard = await dial(route(server.relay))
        assert (dialled.host, dialled.address, dialled.tls) == ("127.0.0.1", f"127.0.0.1:{server.port}", "")
        assert dialled.capabilities.pipelining
        assert dialled.capabilities.size_limit == 100_000_000
        dialled.transport.write(b"NOOP\r\n")
        await until(lambda: heard.data == b"250 2.0.0 Ok\r\n")
        await hang_up(dialled, heard)
        assert server.sessions[0].commands == [b"EHLO node.example", b"NOOP"]


def test_dials_take_turns(peer, route):
    """To a server that never greets: so many at once, and after their patience the next. One's own time begins with its turn."""

    async def main() -> None:
        async with peer(GREETING=SILENCE) as server:
            relay = replace(server.relay, addresses=("127.0.0.1",))  # no look-up, whose thread knows nothing of this clock
            there = route(relay, connect_timeout=timedelta(seconds=10 * PATIENCE))
            loop, dialer = asyncio.get_running_loop(), Dialer("node.example")
            start = loop.time()
            async with asyncio.TaskGroup() as dials:
                failures = [dials.create_task(failed_at(loop.time, dialer, there)) for _ in range(2 * AT_ONCE + 10)]
                seen = []
                for number in range(3):
                    await asyncio.sleep(start + (number + 0.5) * PATIENCE - loop.time())
                    seen.append(len(server.sessions))
            assert seen == [AT_ONCE, 2 * AT_ONCE, 2 * AT_ONCE + 10]
            times = [round((each.result() - start) / PATIENCE, 2) for each in failures]
            assert times == [10.0] * AT_ONCE + [11.0] * AT_ONCE + [12.0] * 10

    simulate(main)


async def failed_at(clock: Callable[[], float], dialer: Dialer, there) -> float:
    with pytest.raises(DialFailed):
        await dialer.dial(there, there.relays[0], lambda _: Heard())
    return clock()


@pytest.mark.parametrize("tls", [TlsMode.OPPORTUNISTIC, TlsMode.REQUIRED, TlsMode.IMPLICIT])
async def test_under_tls(peer, route, until, server_context, certificate, monkeypatch, tls):
    """STARTTLS, then EHLO anew, whose capabilities count; or TLS from the first byte. The certificate is verified where it must be."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server = peer(EHLO=[PLAIN + b"" if tls is TlsMode.IMPLICIT else OFFERS_TLS, PLAIN])
    server.context, server.implicit = server_context, tls is TlsMode.IMPLICIT
    async with server:
        dialled, heard = await dial(route(server.relay, tls=tls, verify=True))
        assert dialled.tls == "TLSv1.3"
        assert dialled.capabilities.eight_bit_mime
        assert not dialled.capabilities.pipelining
        dialled.transport.write(b"NOOP\r\n" * 1000)
        await until(lambda: heard.data == b"250 2.0.0 Ok\r\n" * 1000)
        await hang_up(dialled, heard)
        assert [c for c in server.sessions[0].commands if c.startswith(b"STARTTLS")] == [b"STARTTLS"] * (tls is not TlsMode.IMPLICIT)


@pytest.mark.parametrize("tls", [TlsMode.REQUIRED, TlsMode.IMPLICIT])
async def test_a_certificate_that_nobody_vouches_for(peer, route, server_context, tls):
    """Refused with verify, taken without."""
    server = peer(EHLO=OFFERS_TLS)
    server.context, server.implicit = server_context, tls is TlsMode.IMPLICIT
    async with server:
        found = await failure(route(server.relay, tls=tls))
        assert (found.reply.phase, found.reply.code, found.reply.bounce_class) == (Phase.TLS, 0, "tls")
        assert "certificate" in found.reply.text
        await hang_up(*await dial(route(server.relay, tls=tls, verify=False)))


def certify(folder, name: str, days: int) -> ssl.SSLContext:
    """Of a server whose certificate, which is its own authority, is for this name and so many days."""
    subject = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "key.pem", "-out", "request.pem"]
    sign = ["x509", "-req", "-in", "request.pem", "-signkey", "key.pem", "-copy_extensions", "copy", "-days", str(days), "-out", "cert.pem"]
    for arguments in (["req", *key, *subject], sign):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


@pytest.mark.parametrize("tls", [TlsMode.REQUIRED, TlsMode.IMPLICIT])
@pytest.mark.parametrize(("name", "days", "why"), [("localhost", -1, "expired"), ("mx.example.com", 1, "mismatch"), ("localhost", 1, "")])
async def test_a_certificate_of_another_time_or_name(peer, route, tmp_path, tls, name, days, why):
    """The authority is believed, and that is not enough. Opportunistic TLS asks for neither (RFC 7435)."""
    server = peer(EHLO=OFFERS_TLS)
    server.context, server.implicit = certify(tmp_path, name, days), tls is TlsMode.IMPLICIT
    dialer = Dialer("node.example", contexts=Contexts({"own": CertificateOptions(ca=str(tmp_path / "cert.pem"))}))
    async with server:
        mine = route(Relay("localhost", server.port), tls=tls, certificates="own")
        if why:
            found = await failure(mine, dialer=dialer)
            assert (found.reply.phase, found.reply.code, found.reply.bounce_class) == (Phase.TLS, 0, "tls")
            assert why in found.reply.text
        else:
            await hang_up(*await dial(mine, dialer=dialer))
        if tls is TlsMode.REQUIRED:
            dialled, heard = await dial(route(server.relay, tls=TlsMode.OPPORTUNISTIC), dialer=dialer)
            assert dialled.tls
            await hang_up(dialled, heard)


async def test_no_starttls_where_it_is_required(peer, route):
    """A clear answer, and nothing was sent in clear but EHLO."""
    async with peer() as server:
        found = await failure(route(server.relay, tls=TlsMode.REQUIRED))
        assert found.reply.phase is Phase.TLS
        assert "STARTTLS" in found.reply.text


@pytest.mark.parametrize("answer", [b"454 4.7.0 not now\r\n", b"220 go\r\nrubbish that is no handshake\r\n", CLOSE])
async def test_starttls_fails(peer, route, answer):
    """OPPORTUNISTIC goes on in clear over a new connection (RFC 7435 3); REQUIRED does not."""
    async with peer(EHLO=OFFERS_TLS, STAR=answer) as server:
        dialled, heard = await dial(route(server.relay, tls=TlsMode.OPPORTUNISTIC))
        assert dialled.tls == ""
        assert len(server.sessions) == 2
        await hang_up(dialled, heard)
        found = await failure(route(server.relay, tls=TlsMode.REQUIRED))
        assert (found.reply.phase, found.reply.bounce_class) == (Phase.TLS, "tls")
        assert len(server.sessions) == 3


async def test_broken_tls_is_remembered_for_an_hour(peer, route, server_context):
    """The next dials are in clear at once; after the hour one tries again, and takes what it gets."""
    now = 0.0
    dialer = Dialer("node.example", clock=lambda: now)
    server = peer(EHLO=OFFERS_TLS, STAR=[b"454 4.7.0 not now\r\n", b"220 go\r\n", b"220 go\r\n"])
    server.context = server_context
    async with server:
        mine = route(server.relay, tls=TlsMode.OPPORTUNISTIC)
        for now, tls, sessions in ((0.0, "", 2), (3599.0, "", 3), (3601.0, "TLSv1.3", 4), (3602.0, "TLSv1.3", 5)):  # noqa: B007
            dialled, heard = await dial(mine, dialer=dialer)
            assert (dialled.tls, len(server.sessions)) == (tls, sessions)
            await hang_up(dialled, heard)
        starts = [session.commands.count(b"STARTTLS") for session in server.sessions]
        assert starts == [1, 0, 0, 1, 1]


async def test_what_is_remembered_binds_opportunistic_routes_alone(peer, route):
    """REQUIRED tries, and fails, each time; so does a route with credentials, and its password stays here."""
    dialer = Dialer("node.example", Credentials({"s": "pass"}))
    async with peer(EHLO=OFFERS_TLS, STAR=b"454 4.7.0 not now\r\n") as server:
        await hang_up(*await dial(route(server.relay, tls=TlsMode.OPPORTUNISTIC), dialer=dialer))
        for strict in (
            route(server.relay, tls=TlsMode.REQUIRED),
            route(server.relay, tls=TlsMode.OPPORTUNISTIC, username="me", secret="s"),
        ):
            before = len(server.sessions)
            found = await failure(strict, dialer=dialer)
            assert found.reply.phase is Phase.TLS
            assert [session.commands for session in server.sessions[before:]] == [[b"EHLO node.example", b"STARTTLS"]]


async def test_a_handshake_that_never_ends(peer, route):
    """It costs one time-out; the next dial is in clear."""
    dialer = Dialer("node.example")
    async with peer(EHLO=OFFERS_TLS, STAR=[SILENCE]) as server:
        mine = route(server.relay, tls=TlsMode.OPPORTUNISTIC, connect_timeout=timedelta(milliseconds=200))
        assert (await failure(mine, dialer=dialer)).reply.phase is Phase.TLS
        await hang_up(*await dial(mine, dialer=dialer))


async def test_nothing_is_remembered_where_clear_fails_too(peer, route):
    """Then it was not TLS that is broken."""
    dialer = Dialer("node.example")
    async with peer(GREETING=[b"220 x\r\n", CLOSE, b"220 x\r\n", b"220 x\r\n"], EHLO=OFFERS_TLS, STAR=CLOSE) as server:
        mine = route(server.relay, tls=TlsMode.OPPORTUNISTIC)
        await failure(mine, dialer=dialer)
        await hang_up(*await dial(mine, dialer=dialer))
        assert [session.commands.count(b"STARTTLS") for session in server.sessions] == [1, 0, 1, 0]


async def test_tls_stripped_after_starttls(peer, route):
    """220, and then on in clear as if nothing was: where TLS is required not a word more is said."""
    stripped = b"220 go\r\n250-peer.example\r\n250 AUTH PLAIN\r\n"
    async with peer(EHLO=OFFERS_TLS, STAR=stripped, AUTH=b"235 thanks\r\n") as server:
        found = await failure(route(server.relay, tls=TlsMode.REQUIRED, username="me", secret="s"), "pass")
        assert (found.reply.phase, found.reply.bounce_class) == (Phase.TLS, "tls")
        assert server.sessions[0].commands[:2] == [b"EHLO node.example", b"STARTTLS"]
        assert not any(b"AUTH" in command for command in server.sessions[0].commands)


@pytest.mark.parametrize("tls", [TlsMode.REQUIRED, TlsMode.OPPORTUNISTIC])
@pytest.mark.parametrize("injected", [b"250-evil.example\r\n250-PIPELINING\r\n250 SIZE 1\r\n", b"2", b"\n"])
async def test_replies_injected_before_tls(peer, route, server_context, tls, injected):
    """Whatever stands behind the 220 in clear is somebody else's (RFC 3207 6, CVE-2011-0411): no word more, and not in clear either."""
    server = peer(EHLO=[OFFERS_TLS, PLAIN], STAR=b"220 go\r\n" + injected)
    server.context = server_context
    async with server:
        found = await failure(route(server.relay, tls=tls, verify=False))
        assert (found.reply.phase, found.reply.bounce_class) == (Phase.TLS, "tls")
        assert "in clear" in found.reply.text
        assert [session.commands for session in server.sessions] == [[b"EHLO node.example", b"STARTTLS"]]


@pytest.mark.parametrize(
    ("offered", "tried"),
    [
        (b"AUTH LOGIN PLAIN CRAM-MD5", [b"AUTH PLAIN"]),
        (b"AUTH CRAM-MD5 LOGIN", [b"AUTH LOGIN"]),
        (b"AUTH GSSAPI", []),
    ],
)
async def test_a_refusal_is_one_try(peer, route, offered, tried):
    """Of a server that offers several ways; each would count towards locking the account."""
    async with peer(EHLO=b"250-x\r\n250 " + offered + b"\r\n", AUTH=b"535 5.7.8 no\r\n") as server:
        found = await failure(route(server.relay, username="me", secret="s"), "pass")
        assert found.reply.phase is Phase.AUTH
        assert [b" ".join(command.split()[:2]) for command in server.sessions[0].commands[1:]] == tried


def tokens(folder) -> tuple[Credentials, object]:
    """A token in a file, and the file."""
    file = folder / "token"
    file.write_text("old")
    return Credentials({}, {"s": TokenOptions(file=str(file))}), file


def shown(server) -> list[bytes]:
    """The tokens that the server was shown, over all connections."""
    said = [command.split()[2] for session in server.sessions for command in session.commands if command.startswith(b"AUTH XOAUTH2")]
    return [base64.b64decode(text) for text in said]


XOAUTH2 = b"250-x\r\n250 AUTH PLAIN XOAUTH2\r\n"
CHALLENGE = b"334 " + base64.b64encode(b'{"status":"401"}') + b"\r\n"


async def test_a_token(peer, route, tmp_path):
    """XOAUTH2 as it is written down by those who ask for it, and nothing else, though PLAIN is offered too."""
    credentials, _ = tokens(tmp_path)
    async with peer(EHLO=XOAUTH2, AUTH=b"235 2.7.0 welcome\r\n") as server:
        mine = route(server.relay, username="me", secret="s", auth=AuthMode.XOAUTH2)
        await hang_up(*await dial(mine, dialer=Dialer("node.example", credentials)))
        assert shown(server) == [b"user=me\x01auth=Bearer old\x01\x01"]


async def test_a_refused_token_is_had_anew_and_tried_once(peer, route, tmp_path):
    """The challenge is answered by an empty line, 535 follows; another token is tried at once, the same one is not."""
    credentials, file = tokens(tmp_path)
    dialer = Dialer("node.example", credentials)
    async with peer(EHLO=XOAUTH2, AUTH=[CHALLENGE, CHALLENGE, b"235 2.7.0 welcome\r\n"]) as server:
        server.answers["\r\n"] = server.answers[""] = [b"220 x\r\n", b"535 5.7.8 no\r\n", b"220 x\r\n", b"535 5.7.8 no\r\n", b"220 x\r\n"]
        mine = route(server.relay, username="me", secret="s", auth=AuthMode.XOAUTH2)
        found = await failure(mine, dialer=dialer)
        assert (found.reply.code, found.reply.phase) == (535, Phase.AUTH)
        assert len(shown(server)) == 1

        genuine = credentials.refused

        def refused(name: str, text: str) -> bool:
            file.write_text("new")
            return genuine(name, text)

        credentials.refused = refused
        await hang_up(*await dial(mine, dialer=dialer))
        assert [text.split(b"Bearer ")[1][:3] for text in shown(server)] == [b"old", b"old", b"new"]


async def test_a_relay_without_the_way_that_is_wanted(peer, route):
    """What it offers, what was asked for; and the password was not sent another way."""
    async with peer(EHLO=b"250-x\r\n250 AUTH PLAIN\r\n") as server:
        found = await failure(route(server.relay, username="me", secret="s", auth=AuthMode.LOGIN), "pass")
        assert "offers PLAIN to log in by, and not LOGIN" in found.reply.text
        assert server.sessions[0].commands == [b"EHLO node.example"]


async def test_a_way_that_is_not_there(peer, route):
    """504 judges no password: the next way is tried."""
    answers = [b"504 5.5.4 no such mechanism\r\n", b"334 UGFzc3dvcmQ6\r\n"]
    async with peer(EHLO=b"250-x\r\n250 AUTH PLAIN LOGIN\r\n", AUTH=answers) as server:
        server.answers[base64.b64encode(b"pass")[:4].upper().decode()] = b"235 2.7.0 welcome\r\n"
        await hang_up(*await dial(route(server.relay, username="me", secret="s"), "pass"))
        assert server.sessions[0].commands[2:] == [b"AUTH LOGIN " + base64.b64encode(b"me"), base64.b64encode(b"pass")]


async def test_log_in(peer, route):
    """The password is given as the route says, after EHLO."""
    async with peer(EHLO=OFFERS_AUTH, AUTH=b"235 2.7.0 welcome\r\n") as server:
        await hang_up(*await dial(route(server.relay, username="me", secret="s"), "pass"))
        assert server.sessions[0].commands[1] == b"AUTH PLAIN " + base64.b64encode(b"\0me\0pass")


async def test_a_password_is_not_sent_in_clear_by_accident(peer, route):
    """OPPORTUNISTIC and no STARTTLS: whoever stands in the way may have cut it out."""
    async with peer(EHLO=OFFERS_AUTH) as server:
        found = await failure(route(server.relay, username="me", secret="s", tls=TlsMode.OPPORTUNISTIC), "pass")
        assert (found.reply.phase, found.reply.bounce_class) == (Phase.AUTH, "auth")
        assert 'tls = "none"' in found.reply.text
        assert server.sessions[0].commands == [b"EHLO node.example"]


async def test_a_secret_that_is_not_known(peer, route):
    """It is named; so is where to put it. Another node may know it, unlike one that the relay refuses."""
    async with peer(EHLO=OFFERS_AUTH, AUTH=b"535 5.7.8 bad credentials\r\n") as server:
        assert not (await failure(route(server.relay, username="me", secret="s"), "wrong")).of_node
        found = await failure(route(server.relay, username="me", secret="smarthost"))
        assert found.of_node
        assert "'smarthost'" in found.reply.text
        assert "[secrets]" in found.reply.text


async def test_log_in_refused(peer, route):
    """The server's own words, and never the password."""
    async with peer(EHLO=OFFERS_AUTH, AUTH=b"535 5.7.8 bad credentials\r\n") as server:
        found = await failure(route(server.relay, username="me", secret="s"), "hunter2")
        assert (found.reply.phase, found.reply.code, found.reply.enhanced_code, found.reply.bounce_class) == (
            Phase.AUTH,
            535,
            "5.7.8",
            "auth",
        )
        assert "hunter2" not in str(found)


async def test_a_server_without_extensions(peer, route):
    """RFC 5321 3.2: EHLO is refused, HELO is not, and nothing is offered."""
    async with peer(EHLO=b"500 what?\r\n") as server:
        dialled, heard = await dial(route(server.relay))
        assert not dialled.capabilities.pipelining
        assert server.sessions[0].commands == [b"EHLO node.example", b"HELO node.example"]
        await hang_up(dialled, heard)


@pytest.mark.parametrize(
    ("answers", "phase", "code"),
    [
        ({"GREETING": b"554 5.7.1 go away\r\n"}, Phase.CONNECT, 554),
        ({"GREETING": b"421 4.7.0 too many connections\r\n"}, Phase.CONNECT, 421),
        ({"GREETING": CLOSE}, Phase.CONNECT, 0),
        ({"GREETING": b"SSH-2.0-OpenSSH_9.2\r\n"}, Phase.CONNECT, 0),
        ({"GREETING": SILENCE}, Phase.CONNECT, 0),
        ({"GREETING": b"220 " + b"x" * 100_000 + b"\r\n"}, Phase.CONNECT, 0),
        ({"EHLO": b"421 4.3.2 shutting down\r\n"}, Phase.EHLO, 421),
        ({"EHLO": b"550 no\r\n", "HELO": b"550 no\r\n"}, Phase.EHLO, 550),
        ({"EHLO": CLOSE}, Phase.EHLO, 0),
        ({"EHLO": SILENCE}, Phase.EHLO, 0),
        ({"EHLO": b"rubbish\r\n"}, Phase.EHLO, 0),
        ({"EHLO": b"250 x\r\n250 and more\r\n"}, Phase.EHLO, 0),
        ({"EHLO": b"250-x\r\n" * 10_000}, Phase.EHLO, 0),
        ({"GREETING": b"220 x\r\n250 and more\r\n"}, Phase.EHLO, 0),
        ({"GREETING": b"220 x\r\n220 x\r\n"}, Phase.EHLO, 0),
    ],
)
async def test_bad_servers(peer, route, until, answers, phase, code):
    """One typed failure that says where and why; no socket is left, and the time is bounded."""
    async with peer(**answers) as server:
        found = await failure(route(server.relay, connect_timeout=timedelta(milliseconds=300)))
        assert (found.reply.phase, found.reply.code) == (phase, code)
        assert found.reply.text
        assert found.reply.bounce_class
        assert len(found.reply.text) <= 512
        await until(lambda: all(session.ended or session.writer.is_closing() for session in server.sessions))


async def test_nobody_listens(peer, route):
    """Refused at once, with the system's words."""
    async with peer() as server:
        pass
    found = await failure(route(server.relay))
    assert (found.reply.phase, found.reply.code, found.reply.bounce_class) == (Phase.CONNECT, 0, "connect")
    assert str(server.port) in str(found)


async def test_a_bug_in_the_new_protocol_closes_the_socket(peer, route, until):
    """Whatever `adopt` raises, no connection is left."""

    def adopt(dialled: Dialled) -> Heard:
        raise RuntimeError("a bug")

    async with peer() as server:
        with pytest.raises(DialFailed):
            await Dialer("x").dial(route(server.relay), server.relay, adopt)
        await until(lambda: server.sessions[0].ended)


async def test_a_whole_mail_under_starttls(peer, running, route, handoff, until, server_context):
    """The pool over TLS; two megabytes pass whole, and the TLS version is told."""
    server = peer(EHLO=OFFERS_TLS)
    server.context = server_context
    message = b"x" * 76 + b"\r\n" + b".\r\n" * 700_000
    async with server, running(route(server.relay, tls=TlsMode.OPPORTUNISTIC)) as listener:
        listener.send(mail := handoff(message))
        await until(lambda: mail in listener.outcomes, 20)
        assert listener.outcomes[mail].recipients[0].outcome is Outcome.DELIVERED
        assert listener.outcomes[mail].tls == "TLSv1.3"
        assert server.mails == [message]
        await listener.pool.close()


async def test_a_name_that_resolves_to_nothing(route):
    """RFC 6761 6.4: `.invalid` never does."""
    found = await failure(route(Relay("mx.invalid", 25)))
    assert (found.reply.phase, found.reply.code, found.reply.bounce_class) == (Phase.CONNECT, 0, "dns")


async def test_a_source_greets_with_its_name(peer, route, server_context):
    """After STARTTLS too, and from its address; who dials without a source afterwards has the node's name."""
    server = peer(EHLO=[OFFERS_TLS, PLAIN, OFFERS_TLS, PLAIN])
    server.context = server_context
    dialer = Dialer("node.example")
    async with server:
        there = route(server.relay, tls=TlsMode.OPPORTUNISTIC)
        for source, name, address in (
            (Source("a", "mx7.example.com", "127.0.0.11"), b"mx7.example.com", "127.0.0.11"),
            (ANY, b"node.example", "127.0.0.1"),
        ):
            taken = await dial(there, dialer=dialer, source=source)
            session = server.sessions[-1]
            assert session.commands == [b"EHLO " + name, b"STARTTLS", b"EHLO " + name]
            assert session.writer.get_extra_info("peername")[0] == address
            await hang_up(*taken)


async def test_a_source_that_fails_is_no_word_on_the_relay(peer, route):
    """It is said whose fault it is; a refusal on the way from a source is the relay's."""
    elsewhere = Source("elsewhere", "mx.example.com", "192.0.2.7")
    async with peer(GREETING=b"554 no\r\n") as server:
        found = await failure(route(server.relay), source=elsewhere)
        assert (found.of_source, found.reply.phase, found.reply.bounce_class) == (True, Phase.CONNECT, "connect")
        assert found.reply.text == "the source elsewhere can't dial from 192.0.2.7: this machine has no such address"
        assert not (await failure(route(server.relay), source=Source("a", "mx.example.com", "127.0.0.11"))).of_source
