"""TLS of a door and of a dial: the `[tls]` of the settings, read and checked before gRPC sees it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

from mailgate.errors import Mistake, SettingsInvalid


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """Paths of PEM files; all empty: no TLS at a door, the system's authorities for a dial."""

    certificate: str = ""
    """Our own certificate, with the chain after it. A door needs it for TLS, a dial for mTLS."""
    key: str = ""
    """The certificate's private key, not encrypted."""
    client_ca: str = ""
    """At a door: authorities of the certificates that peers must show (mTLS). Empty: none is asked for."""
    ca: str = ""
    """In a dial: authorities of the server's certificate. Empty: the system's."""
    server_name: str = ""
    """In a dial: the name that the server's certificate must have. Empty: the host that is dialled."""

    @property
    def serves(self) -> bool:
        """A door with these options speaks TLS."""
        return bool(self.certificate or self.key or self.client_ca)


def server_credentials(options: TlsOptions, section: str = "tls") -> grpc.ServerCredentials:
    """For a door; with `client_ca` a peer without a certificate of these authorities does not get in.

    Raises:
        SettingsInvalid: all that is wrong with the files; `section` names the table of the settings.
    """
    mistakes = _pair_mistakes(options, section, needed=True)
    chain = _read(options.certificate, f"{section}.certificate", mistakes)
    key = _read(options.key, f"{section}.key", mistakes)
    client_ca = _read(options.client_ca, f"{section}.client_ca", mistakes)
    _check(options, options.client_ca, f"{section}.client_ca", section, mistakes)
    return grpc.ssl_server_credentials([(key, chain)], client_ca or None, require_client_auth=bool(client_ca))


def channel_credentials(options: TlsOptions, section: str = "tls") -> grpc.ChannelCredentials:
    """For a dial.

    Raises:
        SettingsInvalid: all that is wrong with the files; `section` names the table of the settings.
    """
    mistakes = _pair_mistakes(options, section, needed=False)
    chain = _read(options.certificate, f"{section}.certificate", mistakes)
    key = _read(options.key, f"{section}.key", mistakes)
    ca = _read(options.ca, f"{section}.ca", mistakes)
    _check(options, options.ca, f"{section}.ca", section, mistakes)
    return grpc.ssl_channel_credentials(ca or None, key or None, chain or None)


def _pair_mistakes(options: TlsOptions, section: str, *, needed: bool) -> list[Mistake]:
    mistakes = []
    if not options.certificate and (needed or options.key):
        mistakes.append(Mistake(f"{section}.certificate", '""', "give the path of the PEM certificate that belongs to the key"))
    if not options.key and (needed or options.certificate):
        mistakes.append(Mistake(f"{section}.key", '""', "give the path of the PEM private key that belongs to the certificate"))
    return mistakes


def _read(path: str, key: str, mistakes: list[Mistake]) -> bytes:
    if not path:
        return b""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        mistakes.append(Mistake(key, repr(path), f"this file cannot be read ({error.strerror}): give the path of a PEM file"))
        return b""


def _check(options: TlsOptions, ca: str, ca_key: str, section: str, mistakes: list[Mistake]) -> None:
    """Of a bad file gRPC says only that it could not bind; OpenSSL says which one."""
    if not mistakes:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if options.certificate:
            try:
                context.load_cert_chain(options.certificate, options.key, password=_no_password)
            except (ssl.SSLError, ValueError) as error:
                cure = f"this is not a PEM certificate with the unencrypted key that belongs to it ({error})"
                mistakes.append(Mistake(f"{section}.certificate", repr(options.certificate), cure))
        if ca:
            try:
                context.load_verify_locations(ca)
            except ssl.SSLError as error:
                cure = f"this is not a PEM file of certificates ({error}): give one with BEGIN CERTIFICATE in it"
                mistakes.append(Mistake(ca_key, repr(ca), cure))
    if mistakes:
        raise SettingsInvalid(mistakes)


def _no_password() -> str:
    """Otherwise OpenSSL would ask for it on the terminal."""
    raise ValueError("the key is encrypted")
