"""Certificates in dials: whom a route believes, what it shows, which name it asks for, and sessions that are taken up again."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mailgate.errors import SettingsInvalid
from mailgate.route import TlsMode
from mailgate.verdict import Phase
from sender.pool.credentials import Credentials
from sender.pool.dialer import Dialer, DialFailed
from sender.pool.tls import SESSIONS, CertificateOptions, Contexts, check_files, make_context

OFFERS_TLS = b"250-peer.example\r\n250-PIPELINING\r\n250 STARTTLS\r\n"
MODES = pytest.mark.parametrize("tls", [TlsMode.REQUIRED, TlsMode.IMPLICIT])


@pytest.fixture(scope="session")
def certify(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a certificate that signs itself, and its key, in one file."""
    folder = tmp_path_factory.mktemp("certificates")

    def make(name: str, *, alternative: str = "", days: int = 2) -> Path:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
             "-subj", f"/CN={name}", "-addext", f"subjectAltName={alternative or 'DNS:' + name}", "-keyout", "key.pem", "-out", "cert.pem"],
            cwd=folder, check=True, capture_output=True,
        )  # fmt: skip
        subprocess.run(
            ["openssl", "x509", "-in", "cert.pem", "-signkey", "key.pem", "-days", str(days), "-out", "signed.pem"],
            cwd=folder, check=True, capture_output=True,
        )  # fmt: skip
        both = folder / f"{name}{days}.pem"
        both.write_bytes((folder / "key.pem").read_bytes() + (folder / "signed.pem").read_bytes())
        return both

    return make


class Server:
    """A peer under TLS with this certificate, and what it saw of its clients."""

    def __init__(self, peer, tls: TlsMode, certificate: Path, *, asks: Path | None = None) -> None:
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.load_cert_chain(certificate)
        if asks:
            self.context.load_verify_locations(asks)
            self.context.verify_mode = ssl.CERT_REQUIRED
        self.names: list[str | None] = []
        self.context.sni_callback = lambda _, name, __: self.names.append(name)
        self.peer = peer(EHLO=OFFERS_TLS)
        self.peer.context, self.peer.implicit = self.context, tls is TlsMode.IMPLICIT


async def dial(dialer: Dialer, route) -> ssl.SSLObject:
    """Dials, hangs up, and gives what was agreed upon."""
    from tests.unit.sender.pool.test_dialer import Heard, hang_up

    taken = []

    def adopt(dialled):
        taken.append((dialled, Heard()))
        return taken[0][1]

    await dialer.dial(route, route.relays[0], adopt)
    security = taken[0][0].transport.get_extra_info("ssl_object")
    await hang_up(*taken[0])
    return security


def holding(**certificates: CertificateOptions) -> Dialer:
    return Dialer("node.example", Credentials({}), Contexts(certificates))


@MODES
async def test_a_pinned_certificate(peer, route, certificate, tls):
    """Only what the route names is believed, not the system's authorities."""
    server = Server(peer, tls, certificate)
    async with server.peer:
        mine = route(server.peer.relay, tls=tls, certificates="partner")
        await dial(holding(partner=CertificateOptions(ca=str(certificate))), mine)
        with pytest.raises(DialFailed, match="certificate"):
            await dial(holding(), route(server.peer.relay, tls=tls))


@MODES
async def test_a_certificate_that_was_renewed(peer, route, certify, tls, tmp_path):
    """The file has another one: it is believed when the files are read again, and not before."""
    file, renewed = tmp_path / "partner.pem", certify("renewed.example", alternative="IP:127.0.0.1")
    file.write_bytes(certify("old.example", alternative="IP:127.0.0.1").read_bytes())
    dialer = holding(partner=CertificateOptions(ca=str(file)))
    server = Server(peer, tls, renewed)
    async with server.peer:
        mine = route(server.peer.relay, tls=tls, certificates="partner")
        for _ in range(2):
            with pytest.raises(DialFailed, match="certificate"):
                await dial(dialer, mine)
            file.write_bytes(renewed.read_bytes())
        dialer.renew({}, {}, {"partner": CertificateOptions(ca=str(file))})
        await dial(dialer, mine)


@MODES
async def test_a_certificate_for_another_name(peer, route, certify, tls):
    """Refused, until the route says that this is the name: then that is asked for, and the host's own would not do."""
    other = certify("mx.partner.example")
    dialer = holding(partner=CertificateOptions(ca=str(other)))
    server = Server(peer, tls, other)
    async with server.peer:
        mine = {"tls": tls, "certificates": "partner"}
        with pytest.raises(DialFailed) as caught:
            await dial(dialer, route(server.peer.relay, **mine))
        assert (caught.value.reply.phase, caught.value.reply.bounce_class) == (Phase.TLS, "tls")
        assert "127.0.0.1" in caught.value.reply.text
        await dial(dialer, route(server.peer.relay, **mine, server_name="mx.partner.example"))
        assert server.names[-1] == "mx.partner.example"
        with pytest.raises(DialFailed, match="mismatch"):
            await dial(dialer, route(server.peer.relay, **mine, server_name="mx.other.example"))


@MODES
async def test_an_expired_certificate(peer, route, certify, tls):
    """Refused though its maker is believed, and the words say so."""
    old = certify("localhost", alternative="IP:127.0.0.1", days=-1)
    server = Server(peer, tls, old)
    async with server.peer:
        with pytest.raises(DialFailed, match="expired"):
            await dial(holding(partner=CertificateOptions(ca=str(old))), route(server.peer.relay, tls=tls, certificates="partner"))


@MODES
async def test_a_certificate_is_shown(peer, route, certificate, certify, tls):
    """To a server that asks for one; without, that server does not go on."""
    own = certify("node.example")
    keys = {"with": CertificateOptions(str(certificate), str(own)), "without": CertificateOptions(str(certificate))}
    dialer = holding(**keys)
    server = Server(peer, tls, certificate, asks=own)
    async with server.peer:
        await dial(dialer, route(server.peer.relay, tls=tls, certificates="with"))
        with pytest.raises(DialFailed) as caught:
            await dial(dialer, route(server.peer.relay, tls=tls, certificates="without"))
        assert caught.value.reply.phase in (Phase.TLS, Phase.EHLO, Phase.CONNECT)


async def test_certificates_that_are_not_here(peer, route):
    """They are named, and where to put them; nothing is dialled, least of all without them."""
    async with peer() as server:
        with pytest.raises(DialFailed, match=r"'partner' are not known here: put them under \[certificates.partner\]") as caught:
            await dial(holding(), route(server.relay, tls=TlsMode.REQUIRED, certificates="partner"))
        assert caught.value.of_node, "another node may have them"
        assert not server.sessions


@MODES
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_session_is_taken_up_again(peer, route, certificate, tls, version):
    """The second dial has no certificate to verify; by another context (it believes others) the session is not known."""
    server = Server(peer, tls, certificate)
    server.context.minimum_version = server.context.maximum_version = version
    pin = CertificateOptions(ca=str(certificate))
    dialer = holding(one=pin, other=pin)
    async with server.peer:
        mine = {"tls": tls}
        reused = [
            (await dial(dialer, route(server.peer.relay, **mine, certificates=name))).session_reused
            for name in ("one", "one", "one", "other", "other")
        ]
        assert reused == [False, True, True, False, True]


async def test_a_server_that_has_forgotten_the_session(peer, route, certificate):
    """It begins anew, and the dial succeeds."""
    dialer = holding(one=CertificateOptions(ca=str(certificate)))
    first = Server(peer, TlsMode.IMPLICIT, certificate)
    async with first.peer:
        await dial(dialer, route(first.peer.relay, tls=TlsMode.IMPLICIT, certificates="one"))
    second = Server(peer, TlsMode.IMPLICIT, certificate)
    async with second.peer:
        security = await dial(dialer, route(second.peer.relay, tls=TlsMode.IMPLICIT, certificates="one"))
        assert not security.session_reused


def test_sessions_are_bounded():
    """The oldest goes first."""

    class Agreed:
        def __init__(self, number: int) -> None:
            self.server_hostname, self.session = f"h{number}", self
            self.has_ticket, self.id = True, b""

    context = make_context(CertificateOptions(), verify=False)
    for number in range(SESSIONS + 5):
        context.keep(Agreed(number))
    assert context.kept == SESSIONS


def test_files_are_looked_at_before_the_first_dial(tmp_path, certificate):
    """All mistakes at once: key, value and cure."""
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate")
    check_files({"good": CertificateOptions(str(certificate), str(certificate)), "alone": CertificateOptions(certificate=str(certificate))})
    with pytest.raises(SettingsInvalid) as caught:
        check_files({"a": CertificateOptions(ca="/nowhere"), "b": CertificateOptions(str(bad), str(bad), str(bad))})
    found = {mistake.key: (mistake.value, mistake.cure) for mistake in caught.value.mistakes}
    assert set(found) == {"certificates.a.ca", "certificates.b.ca", "certificates.b.certificate"}
    assert found["certificates.a.ca"][0] == '"/nowhere"'
    assert "No such file" in found["certificates.a.ca"][1]
