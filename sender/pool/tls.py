"""TLS towards relays: whom a node believes, what it shows, the name that it asks for, and sessions that are taken up again."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

from mailgate.errors import Mistake, SettingsInvalid
from mailgate.route import Route, TlsMode

SESSIONS = 1000
"""Remembered by each context; the oldest goes first. About 10 KB each (OpenSSL 3.0)."""


@dataclass(frozen=True, slots=True)
class CertificateOptions:
    """`[certificates.NAME]`: PEM files on this node for the routes that name it. Read at the start, and at SIGHUP."""

    ca: str = ""
    """Authorities of the relay's certificate, instead of the system's: private ones, or the one certificate to be believed."""
    certificate: str = ""
    """Shown to relays that ask for one, with the chain after it."""
    key: str = ""
    """The certificate's private key, not encrypted."""


class Unknown(Exception):
    """The route names certificates that this node has not. The text says what to do."""


class Context(ssl.SSLContext):
    """A client's context that keeps the last session of each server, and may ask for another name than the host's.

    A session that is taken up again saves a round trip of certificates and both sides' work on them (RFC 8446 2.2). The server's
    certificate was verified when the session began, by this very context; a server that does not know the session any more just begins
    anew. asyncio and uvloop have no place for a session or a name, but both ask `wrap_bio` for the object that they drive.
    """

    name: str = ""
    """For SNI and the certificate; empty: the host that is dialled."""
    _sessions: dict[str, ssl.SSLSession]

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """As ssl's, with the session and the name filled in."""
        name = self.name or str(server_hostname or "")
        return super().wrap_bio(incoming, outgoing, server_side, name or None, session or self._sessions.get(name))

    @property
    def kept(self) -> int:
        """How many sessions may be taken up again."""
        return len(self._sessions)

    def keep(self, security: ssl.SSLObject) -> None:
        """After the server has spoken under TLS: TLS 1.3 sends its tickets behind the handshake."""
        name, session = security.server_hostname, security.session
        if not name or session is None or not (session.has_ticket or session.id):
            return
        self._sessions.pop(name, None)
        if len(self._sessions) >= SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[name] = session


class Contexts:
    """One for each way to verify. `certificates` are the node's, by the name that routes give."""

    def __init__(self, certificates: Mapping[str, CertificateOptions] | None = None) -> None:
        self.renew(certificates or {})

    def renew(self, certificates: Mapping[str, CertificateOptions]) -> None:
        """These instead, and the files of all read again: for the dials from now on. Connections that are open keep what they have."""
        self._certificates = certificates
        self._made: dict[tuple[bool, str, str], Context] = {}

    async def of(self, route: Route) -> Context | None:
        """What this route speaks TLS by; None: it does not. To load the authorities takes tens of milliseconds, hence the thread.

        Raises:
            Unknown: the route's certificates are not among the node's.
        """
        if route.tls is TlsMode.NONE:
            return None
        if route.certificates and route.certificates not in self._certificates:
            raise Unknown(f"the certificates {route.certificates!r} are not known here: put them under [certificates.{route.certificates}]")
        key, made = (route.verify and route.tls is not TlsMode.OPPORTUNISTIC, route.server_name, route.certificates), self._made
        if key not in made:
            context = await asyncio.to_thread(make_context, self._certificates.get(route.certificates, CertificateOptions()), verify=key[0])
            context.name = route.server_name
            made.setdefault(key, context)
        return made[key]


def make_context(options: CertificateOptions, *, verify: bool) -> Context:
    """A new one. Blocks: it reads files.

    Raises:
        OSError, ssl.SSLError, ValueError: a file is not what it should be.
    """
    context = Context(ssl.PROTOCOL_TLS_CLIENT)
    context._sessions = {}
    if not verify:  # keeps listeners out, and believes whoever answers
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif options.ca:
        context.load_verify_locations(options.ca)
    else:
        context.load_default_certs()
    if options.ca and verify:
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a pinned certificate need not be an authority's
    if options.certificate:
        context.load_cert_chain(options.certificate, options.key or None, password=_no_password)
    return context


def check_files(certificates: Mapping[str, CertificateOptions]) -> None:
    """Blocks: it reads them.

    Raises:
        SettingsInvalid: all that is wrong with them.
    """
    mistakes = []
    for name, options in certificates.items():
        pair = CertificateOptions("", options.certificate, options.key)
        for option, alone in (("ca", CertificateOptions(options.ca)), ("certificate", pair)):
            try:
                make_context(alone, verify=bool(alone.ca))
            except (OSError, ValueError) as error:
                path = options.ca if option == "ca" else options.certificate
                what = "certificates" if option == "ca" else "a certificate with the unencrypted key that belongs to it"
                why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
                mistakes.append(Mistake(f"certificates.{name}.{option}", f'"{path}"', f"give the path of a PEM file of {what} ({why})"))
    if mistakes:
        raise SettingsInvalid(mistakes)


def _no_password() -> str:
    """Otherwise OpenSSL would ask for it on the terminal."""
    raise ValueError("the key is encrypted")
