"""Settings of a sender: the options of its rooms, composed; and what of them fits together. Nothing else reads the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from mailgate.config.load import from_tree, load
from mailgate.config.reader import Reader, Rules
from mailgate.config.scalars import show
from mailgate.config.secret import NONE, Secret
from mailgate.rpc.doors import check_address, check_files, check_guard, check_tls
from mailgate.rpc.tls import TlsOptions
from mailgate.telemetry.options import TelemetryOptions
from sender.delivery.routes import MAX_CONNECTIONS
from sender.delivery.stub import parse_nameserver
from sender.pool.credentials import TokenOptions
from sender.pool.source import HELO_CURE, SourceOptions, is_helo, mistakes_between
from sender.pool.tls import CertificateOptions

SECRET_VARIABLE = "MAILGATE_SECRET_"  # noqa: S105
"""MAILGATE_SECRET_<NAME> is `[secrets] name`."""

GATEWAY_SECTIONS = ("gateway", "tls", "limits", "journal", "dispatch", "etcd", "events", "routes", "shaping", "tenants", "verdicts")
"""Sections of the same file that gateways read."""


@dataclass(frozen=True, slots=True)
class SenderOptions:
    """`[sender]`: the node's door, and the gateways that it registers with."""

    listen: str = "127.0.0.1:0"
    """Where gateways reach this node; port 0 lets the system choose. Beyond loopback only with a fleet token or `[sender.tls] client_ca`: a
    node that took jobs from anybody would be an open relay."""
    advertise: str = ""
    """`host:port` as gateways reach it, where it is not `listen` (NAT, containers). Empty: `listen`, with the port that was chosen."""
    id: str = ""
    """The node's name for life, over restarts. Empty: host name and port."""
    gateways: tuple[str, ...] = ("127.0.0.1:8625",)
    """It registers with one of these and moves on to the next when that one is gone."""
    fleet_token: Secret = NONE
    """Shown to gateways and asked of them: the same on both sides. Or `fleet_token_file`."""
    drain_timeout: timedelta = timedelta(seconds=30)
    """How long SIGTERM waits for what is in hand (design: 30 s)."""
    max_connections: int = MAX_CONNECTIONS
    """SMTP connections of all routes together. Gateways say how many each route gets; beyond this a route gets what is left, or nothing."""
    helo: str = ""
    """The name in EHLO (RFC 5321 4.1.1.1). Empty: the host's full name, or its address literal."""
    nameservers: tuple[str, ...] = ()
    """Asked for the servers of recipients' domains by routes with `mx = true`: `["9.9.9.9", "127.0.0.1:5353"]`, the next where one is
    silent. Empty: the system's. They should be near, and keep answers themselves; relays' names are always looked up as the system does."""
    private_mx: bool = False
    """For tests: such mail may also go to loopback, private and own addresses. Elsewhere whoever owns a domain could have mail of his sent
    to what listens in your network."""
    tls: TlsOptions = field(default_factory=TlsOptions)
    """`[sender.tls]`: the node's door."""
    gateway_tls: TlsOptions | None = None
    """`[sender.gateway_tls]`: how gateways are dialled; without the table in clear, with it by TLS."""


@dataclass(frozen=True, slots=True)
class SenderSettings:
    """All of it, a field a section."""

    sender: SenderOptions = field(default_factory=SenderOptions)
    telemetry: TelemetryOptions = field(default_factory=TelemetryOptions)
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    """Passwords of relays by the name that routes give."""
    tokens: Mapping[str, TokenOptions] = field(default_factory=dict)
    """Passwords and access tokens that are renewed while the node runs, by the same names."""
    certificates: Mapping[str, CertificateOptions] = field(default_factory=dict)
    """Authorities to believe and certificates to show, by the name that routes give."""
    sources: Mapping[str, SourceOptions] = field(default_factory=dict)
    """Identities to send from, by name; routes name a pool of them."""


LIVE = ("certificates", "secrets", "sources", "tokens")
"""What counts at once when the settings are read again; all else from the next start on."""

RULES = Rules(
    bounds={
        "SenderOptions.drain_timeout": (timedelta(0), timedelta(hours=1)),
        "SenderOptions.max_connections": (1, 1_000_000),
        "TokenOptions.lifetime": (timedelta(seconds=10), timedelta(days=365)),
        "TokenOptions.timeout": (timedelta(milliseconds=100), timedelta(minutes=10)),
        "SourceOptions.weight": (1, 1000),
    }
)


def read(path: str | None, environ: Mapping[str, str]) -> SenderSettings:
    """The settings of a sender from a file (None: no file) and MAILGATE_… variables. Blocks.

    Raises:
        SettingsInvalid: with every mistake found.
    """
    return _with_variables(load(SenderSettings, path, environ, rules=RULES, check=_check_all, others=GATEWAY_SECTIONS), environ)


def from_tables(tables: dict[str, Any], environ: Mapping[str, str]) -> SenderSettings:
    """As `read`, from a file's tables; certificates and keys are not looked at."""
    return _with_variables(from_tree(SenderSettings, tables, environ, rules=RULES, check=check, others=GATEWAY_SECTIONS), environ)


def _with_variables(settings: SenderSettings, environ: Mapping[str, str]) -> SenderSettings:
    given = {name.removeprefix(SECRET_VARIABLE).lower(): value for name, value in environ.items() if name.startswith(SECRET_VARIABLE)}
    secrets = {**settings.secrets, **{name: Secret(value) for name, value in given.items() if name and not name.startswith("_")}}
    return replace(settings, secrets=secrets)


def _check_all(settings: SenderSettings, reader: Reader) -> None:
    check(settings, reader)
    check_files({"sender.tls": settings.sender.tls}, {"sender.gateway_tls": settings.sender.gateway_tls}, reader)


def check(settings: SenderSettings, reader: Reader) -> None:
    """Note what does not fit together."""
    options = settings.sender
    if reader.sound("sender.gateways") and not options.gateways:
        reader.note("sender.gateways", "[]", 'name at least one gateway, such as ["127.0.0.1:8625"]')
    for index, address in enumerate(options.gateways):
        check_address(address, f"sender.gateways[{index}]", reader)
    if options.advertise:
        check_address(options.advertise, "sender.advertise", reader)
    for mistake in settings.telemetry.mistakes():
        if reader.sound(mistake.key):
            reader.note(mistake.key, mistake.value, mistake.cure)
    check_tls(options.tls, "sender.tls", reader)
    host = check_address(options.listen, "sender.listen", reader, zero=True)
    guarded = bool(options.fleet_token or options.tls.client_ca)
    check_guard(reader, "sender", "sender.tls", options.listen, host=host, guarded=guarded)
    _check_nameservers(options, reader)
    _check_tokens(settings, reader)
    _check_certificates(settings, reader)
    _check_sources(settings, reader)


def _check_nameservers(options: SenderOptions, reader: Reader) -> None:
    for index, text in enumerate(options.nameservers):
        try:
            parse_nameserver(text)
        except ValueError as error:
            reader.mistake(f"sender.nameservers[{index}]", text, str(error))


def _check_sources(settings: SenderSettings, reader: Reader) -> None:
    helo = settings.sender.helo
    if helo and not is_helo(helo) and reader.sound("sender.helo"):
        reader.note("sender.helo", show(helo), HELO_CURE)
    for mistake in mistakes_between(settings.sources):
        if reader.sound(mistake.key):
            reader.note(mistake.key, mistake.value, mistake.cure)


def _check_certificates(settings: SenderSettings, reader: Reader) -> None:
    for name, pair in settings.certificates.items():
        key = f"certificates.{name}"
        if pair.key and not pair.certificate and reader.sound(key):
            reader.note(f"{key}.certificate", '""', "give the path of the PEM certificate that belongs to the key")
        if not (pair.ca or pair.certificate or pair.key) and reader.sound(key):
            reader.note(key, "(empty)", "give ca, or certificate and key, or leave the table out")


def _check_tokens(settings: SenderSettings, reader: Reader) -> None:
    for name, token in settings.tokens.items():
        key = f"tokens.{name}"
        if bool(token.file) is bool(token.command) and reader.sound(key):
            reader.note(key, "(as set)", 'set one of file = "/path" and command = ["program", "argument"]')
        if name in settings.secrets and reader.sound(key, f"secrets.{name}"):
            reader.note(key, "(as set)", f"secrets.{name} is set too: keep one of the two")
