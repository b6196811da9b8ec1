"""Settings of a gateway: the options of its rooms, composed; and what of them fits together. Nothing else reads the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.balancing.policies import POLICIES
from gateway.dispatch.options import DispatchOptions
from mailgate.config.load import load
from mailgate.config.reader import Reader, Rules
from mailgate.config.routes import BOUNDS, read_routes
from mailgate.config.scalars import listed, show
from mailgate.config.secret import NONE, Secret
from mailgate.route import Route
from mailgate.rpc.doors import check_address, check_guard, check_tls
from mailgate.rpc.tls import TlsOptions
from mailgate.telemetry.options import TelemetryOptions

SENDER_SECTIONS = ("sender", "secrets")
"""Sections of the same file that senders read."""


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """`[gateway]`: its door and its place on the disk."""

    listen: str = "127.0.0.1:8625"
    """The gRPC door, `host:port`; port 0 lets the system choose. Beyond loopback only with a fleet token or `[tls] client_ca`: nodes that
    anybody may register get the mail."""
    data: str = "./mailgate-data"
    """The directory of ledger and queue; one gateway's alone."""
    fleet_token: Secret = NONE
    """Asked of nodes that register and shown to those that are dialled: the same on both sides. Or `fleet_token_file`."""
    id: str = ""
    """The gateway's name for life, over restarts. Empty: made once and kept in `data`."""


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """All of it, a field a section."""

    gateway: GatewayOptions = field(default_factory=GatewayOptions)
    tls: TlsOptions = field(default_factory=TlsOptions)
    """The gateway's door. Files all empty: no TLS."""
    dispatch: DispatchOptions = field(default_factory=DispatchOptions)
    telemetry: TelemetryOptions = field(default_factory=TelemetryOptions)
    routes: Mapping[str, Route] = field(default_factory=dict)
    """By name; at most one is without domains and takes what no other takes."""


RULES = Rules(bounds=BOUNDS, special={Mapping[str, Route]: read_routes})


def read(path: str | None, environ: Mapping[str, str]) -> GatewaySettings:
    """The settings of a gateway from a file (None: no file) and MAILGATE_SECTION__KEY variables. Blocks.

    Raises:
        SettingsInvalid: with every mistake found.
    """
    return load(GatewaySettings, path, environ, rules=RULES, check=check, others=SENDER_SECTIONS)


def check(settings: GatewaySettings, reader: Reader) -> None:
    """Note what does not fit together."""
    options = settings.gateway
    if reader.sound("gateway.data") and not options.data:
        reader.note("gateway.data", '""', 'name a directory, such as "./mailgate-data"')
    check_tls(settings.tls, "tls", reader)
    host = check_address(options.listen, "gateway.listen", reader, zero=True)
    guarded = bool(options.fleet_token or settings.tls.client_ca)
    check_guard(reader, "gateway", "tls", options.listen, host=host, guarded=guarded)
    _check_routes(settings.routes, reader)


def _check_routes(routes: Mapping[str, Route], reader: Reader) -> None:
    if not routes and reader.sound("routes"):
        cure = 'mail needs a way out: write [routes.default] with relays = ["smtp://host:25"]'
        reader.note("routes", "(missing)", cure)
    catch_all = [name for name, route in routes.items() if not route.domains and reader.sound(f"routes.{name}.domains")]
    for name in catch_all[1:]:
        cure = f"routes.{catch_all[0]} takes whatever no other route takes already: name the domains of this one"
        reader.note(f"routes.{name}.domains", "[]", cure)
    taken: dict[str, str] = {}
    for name, route in routes.items():
        if route.policy not in POLICIES and reader.sound(f"routes.{name}.policy"):
            reader.note(f"routes.{name}.policy", show(route.policy), f"write one of {listed(sorted(POLICIES))}")
        if route.secret and not route.username:
            reader.note(f"routes.{name}.username", '""', "a secret without a user name: set username, or leave secret out")
        for domain in route.domains:
            first = taken.setdefault(domain.lower(), name)
            if first != name:
                reader.note(f"routes.{name}.domains", show(domain), f"routes.{first} has this domain already: keep it in one of the two")
