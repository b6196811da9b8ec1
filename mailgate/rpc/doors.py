"""What the doors of both processes have in common in the settings: an address, TLS files that belong together, and who may come in."""

from __future__ import annotations

from collections.abc import Mapping

from mailgate.config.reader import Reader
from mailgate.config.scalars import show
from mailgate.errors import SettingsInvalid
from mailgate.rpc.address import is_loopback, split_address
from mailgate.rpc.tls import TlsOptions, channel_credentials, server_credentials


def check_address(text: str, key: str, reader: Reader, *, zero: bool = False) -> str:
    """The host of `host:port`, or nothing and a mistake; port 0 only where the system may choose (`zero`)."""
    if not reader.sound(key):
        return ""
    try:
        host, port = split_address(text, key)
    except SettingsInvalid as error:
        for mistake in error.mistakes:
            reader.note(mistake.key, show(text), mistake.cure)
        return ""
    if not port and not zero:
        reader.note(key, show(text), "port 0 can't be dialled: give the port that it listens on")
    return host


def check_tls(tls: TlsOptions, key: str, reader: Reader) -> None:
    """A door's certificate and key belong together."""
    if not tls.serves or not reader.sound(key):
        return
    for name, value in (("certificate", tls.certificate), ("key", tls.key)):
        if not value:
            reader.note(f"{key}.{name}", '""', "a door with TLS needs it: give the path of the PEM file, or leave the whole table out")


def check_files(doors: Mapping[str, TlsOptions], dials: Mapping[str, TlsOptions | None], reader: Reader) -> None:
    """The files of doors and dials, by the tables that name them, are there, and what they should be. Blocks."""
    made = [(key, server_credentials, tls) for key, tls in doors.items() if tls.serves]
    for key, make, tls in (*made, *((key, channel_credentials, tls) for key, tls in dials.items() if tls is not None)):
        try:
            make(tls, key)
        except SettingsInvalid as error:
            for mistake in error.mistakes:
                if reader.sound(mistake.key):
                    reader.note(mistake.key, mistake.value, mistake.cure)


def check_guard(reader: Reader, section: str, tls_key: str, listen: str, *, host: str, guarded: bool) -> None:
    """A door that takes nodes or jobs from anybody is an open relay: without a token and client certificates it stays on this machine."""
    keys = (f"{section}.listen", f"{section}.fleet_token", f"{section}.fleet_token_file", tls_key)
    if host and not guarded and not is_loopback(host) and reader.sound(*keys):
        cure = (
            f"whoever reaches it could send mail through it: set {section}.fleet_token (or fleet_token_file) or {tls_key}.client_ca, "
            "or listen on 127.0.0.1"
        )
        reader.note(f"{section}.listen", show(listen), cure)
