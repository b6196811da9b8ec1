"""Settings of a gateway: the options of its rooms, composed; and what of them fits together. Nothing else reads the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import get_close_matches
from typing import Any

from gateway.admission.limits import Limits
from gateway.admission.tenants import TenantOptions, Tenants
from gateway.balancing.policies import POLICIES
from gateway.dispatch.options import DispatchOptions
from gateway.dispatch.rules import MOST, VerdictRule
from gateway.events.options import EventOptions
from gateway.journal.options import JournalOptions
from gateway.registry.etcd.options import RegistryOptions
from mailgate.classes import CLASSES
from mailgate.config.changes import merged, version_of
from mailgate.config.load import from_tree, load
from mailgate.config.reader import Reader, Rules
from mailgate.config.routes import BOUNDS, read_routes
from mailgate.config.scalars import Bound, listed, show
from mailgate.config.secret import NONE, Secret
from mailgate.config.units import format_duration
from mailgate.errors import SettingsInvalid
from mailgate.route import HASHED, AuthMode, DsnNotify, Route, TlsMode
from mailgate.rpc.doors import check_address, check_files, check_guard, check_tls
from mailgate.rpc.tls import TlsOptions
from mailgate.shaping.file import read as read_shaping
from mailgate.shaping.shaping import NO_SHAPING, Shaping
from mailgate.telemetry.options import TelemetryOptions

SENDER_SECTIONS = ("sender", "secrets", "tokens", "certificates", "sources")
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
    node_tls: TlsOptions | None = None
    """`[gateway.node_tls]`: how nodes are dialled; without the table in clear, with it by TLS."""
    advertise: str = ""
    """`host:port` as callers reach it, told to those that look for gateways in etcd. Empty: `listen`, with the port that was chosen."""
    id: str = ""
    """The gateway's name for life, over restarts. Empty: made once and kept in `data`."""


@dataclass(frozen=True, slots=True)
class ShapingSettings:
    """`[shaping]`: what large mailbox providers are sent at most, and what is done about their replies."""

    file: str = ""
    """A TOML file as docs/shaping.md has it; it is read again whenever the settings are. Empty: the one that ships. "none": no limits but
    those of the routes."""


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """All of it, a field a section."""

    gateway: GatewayOptions = field(default_factory=GatewayOptions)
    tls: TlsOptions = field(default_factory=TlsOptions)
    """The gateway's door. Files all empty: no TLS."""
    limits: Limits = field(default_factory=Limits)
    journal: JournalOptions = field(default_factory=JournalOptions)
    dispatch: DispatchOptions = field(default_factory=DispatchOptions)
    events: EventOptions = field(default_factory=EventOptions)
    telemetry: TelemetryOptions = field(default_factory=TelemetryOptions)
    etcd: RegistryOptions = field(default_factory=RegistryOptions)
    """Where several gateways keep their nodes, so that each works with all."""
    routes: Mapping[str, Route] = field(default_factory=dict)
    """By name; at most one is without domains and takes what no other takes."""
    verdicts: tuple[VerdictRule, ...] = ()
    """`[[verdicts]]`: what refusals mean, where the table of the nodes has it otherwise. The first that fits rules."""
    shaping: ShapingSettings = field(default_factory=ShapingSettings)
    tenants: Mapping[str, TenantOptions] = field(default_factory=dict)
    """By name; without any nobody may send."""


EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104
"""Hosts to listen on, and none to dial."""

SECOND, DAY, YEAR = timedelta(seconds=1), timedelta(days=1), timedelta(days=365)
MIB, GIB = 2**20, 2**30

OWN_BOUNDS: dict[str, Bound] = {
    # gRPC takes messages of 64 MiB: a larger mail would never get as far as this limit.
    "Limits.max_mail_bytes": (1024, 63 * MIB),
    "Limits.max_recipients": (1, 1_000_000),
    "Limits.max_recipients_per_job": (1, 10_000),
    "Limits.max_batch_entries": (1, 1_000_000),
    "Limits.max_batch_recipients": (1, 10_000_000),
    "Limits.default_ttl": (SECOND, YEAR),
    "Limits.max_ttl": (SECOND, YEAR),
    "Limits.max_in_flight_bytes": (MIB, None),
    "JournalOptions.group_rows": (1, 1_000_000),
    "JournalOptions.group_bytes": (1024, GIB),
    "JournalOptions.checkpoint_pages": (100, 10_000_000),
    "JournalOptions.cache_bytes": (MIB, None),
    "JournalOptions.window_jobs": (1, 10_000_000),
    "JournalOptions.window_bytes": (MIB, None),
    "JournalOptions.window_share": (0.001, 1.0),
    "JournalOptions.refill_jobs": (1, 100_000),
    "JournalOptions.take_jobs": (1, 100_000),
    "DispatchOptions.waiting_jobs": (1, 10_000_000),
    "DispatchOptions.waiting_bytes": (MIB, None),
    "DispatchOptions.node_bytes": (MIB, None),
    "DispatchOptions.retry_first": (timedelta(milliseconds=10), DAY),
    "DispatchOptions.retry_max": (timedelta(milliseconds=10), 7 * DAY),
    "DispatchOptions.retry_jitter": (0.0, 0.9),
    "DispatchOptions.doubt_wait": (timedelta(0), timedelta(hours=1)),
    "DispatchOptions.recovery_wait": (timedelta(0), timedelta(hours=1)),
    "DispatchOptions.losses_alone": (1, 100),
    "DispatchOptions.losses_dead": (1, 100),
    "VerdictRule.retry_after": (timedelta(seconds=10), 7 * DAY),
    "EventOptions.max_watchers": (1, 100_000),
    "EventOptions.max_watchers_per_tenant": (1, 100_000),
    "EventOptions.max_waiting": (500, 10_000_000),
    "RegistryOptions.timeout": (timedelta(milliseconds=100), timedelta(seconds=4)),
    "RegistryOptions.ttl": (timedelta(seconds=2), timedelta(minutes=5)),
}
"""Beyond these a value makes no sense or stops the gateway from working; the rooms document what is wise."""

LIVE = (
    *("limits", "routes", "shaping", "tenants", "verdicts"),
    *("dispatch.retry_first", "dispatch.retry_jitter", "dispatch.retry_max"),
)
"""What counts at once when the settings are read again; all else from the next start on."""

RULES = Rules(bounds={**BOUNDS, **OWN_BOUNDS}, special={Mapping[str, Route]: read_routes})


def read(path: str | None, environ: Mapping[str, str]) -> GatewaySettings:
    """The settings of a gateway from a file (None: no file) and MAILGATE_SECTION__KEY variables. Blocks.

    Raises:
        SettingsInvalid: with every mistake found.
    """
    return load(GatewaySettings, path, environ, rules=RULES, check=_check_all, others=SENDER_SECTIONS)


def from_tables(tables: dict[str, Any], environ: Mapping[str, str]) -> GatewaySettings:
    """As `read`, from a file's tables; certificates and keys are not looked at."""
    return from_tree(GatewaySettings, tables, environ, rules=RULES, check=check, others=SENDER_SECTIONS)


def version(settings: GatewaySettings, shaping: Shaping = NO_SHAPING) -> str:
    """A short hash of what can change while the gateway runs."""
    return version_of(merged(GatewaySettings(), settings, LIVE), shaping.version)


def _check_all(settings: GatewaySettings, reader: Reader) -> None:
    check(settings, reader)
    check_files({"tls": settings.tls}, {"gateway.node_tls": settings.gateway.node_tls, "etcd": settings.etcd.tls}, reader)


def check(settings: GatewaySettings, reader: Reader) -> None:
    """Note what does not fit together."""
    options = settings.gateway
    if reader.sound("gateway.data") and not options.data:
        reader.note("gateway.data", '""', 'name a directory, such as "./mailgate-data"')
    check_tls(settings.tls, "tls", reader)
    host = check_address(options.listen, "gateway.listen", reader, zero=True)
    guarded = bool(options.fleet_token or settings.tls.client_ca)
    check_guard(reader, "gateway", "tls", options.listen, host=host, guarded=guarded)
    for mistake in settings.telemetry.mistakes():
        if reader.sound(mistake.key):
            reader.note(mistake.key, mistake.value, mistake.cure)
    _check_etcd(settings, host, reader)
    _check_pairs(settings, reader)
    _check_routes(settings.routes, reader)
    _check_rules(settings, reader)
    for judge in (lambda: Tenants(settings.tenants), lambda: read_shaping(settings.shaping.file)):
        try:
            judge()
        except SettingsInvalid as error:
            reader.mistakes += error.mistakes


def _check_etcd(settings: GatewaySettings, host: str, reader: Reader) -> None:
    """What is told in etcd must be an address that others can dial."""
    advertise = settings.gateway.advertise
    if advertise:
        check_address(advertise, "gateway.advertise", reader)
    elif settings.etcd.endpoints and host in EVERYWHERE:
        cure = f'callers can\'t dial {host}: write the "host:port" at which they reach this gateway'
        reader.note("gateway.advertise", '""', cure)


def _check_rules(settings: GatewaySettings, reader: Reader) -> None:
    if len(settings.verdicts) > MOST:
        reader.note("verdicts", f"({len(settings.verdicts)} rules)", f"{MOST} are the most: each is tried on every refusal")
    for index, rule in enumerate(settings.verdicts):
        key = f"verdicts[{index}].route"
        if rule.route and rule.route not in settings.routes and reader.sound(key, f"routes.{rule.route}", "verdicts"):
            reader.note(key, show(rule.route), f"there is no such route: write one of {listed(sorted(settings.routes))}, or leave it out")


def _check_pairs(settings: GatewaySettings, reader: Reader) -> None:
    """Options of which one must not exceed the other."""
    limits, dispatch = settings.limits, settings.dispatch
    pairs = (
        ("limits.default_ttl", limits.default_ttl, "limits.max_ttl", limits.max_ttl),
        ("dispatch.retry_first", dispatch.retry_first, "dispatch.retry_max", dispatch.retry_max),
    )
    for low, value, high, bound in pairs:
        if value > bound and reader.sound(low, high):
            reader.note(low, format_duration(value), f"it exceeds {high}, which is {format_duration(bound)}: lower it, or raise that")
    if dispatch.losses_alone > dispatch.losses_dead and reader.sound("dispatch.losses_alone", "dispatch.losses_dead"):
        cure = f"it exceeds dispatch.losses_dead, which is {dispatch.losses_dead}: lower it, or raise that"
        reader.note("dispatch.losses_alone", str(dispatch.losses_alone), cure)


def _check_login(name: str, route: Route, reader: Reader) -> None:
    if route.secret and not route.username:
        reader.note(f"routes.{name}.username", '""', "a secret without a user name: set username, or leave secret out")
    if route.username and not route.secret:
        cure = "a user name without a password: set secret to a name under [secrets] or [tokens], or leave username out"
        reader.note(f"routes.{name}.secret", '""', cure)
    if route.auth is not AuthMode.AUTO and not route.username and reader.sound(f"routes.{name}.username"):
        reader.note(f"routes.{name}.username", '""', "auth without a user name: set username and secret, or leave auth out")
    if route.auth is AuthMode.XOAUTH2 and route.tls is TlsMode.NONE:
        cure = 'a token is as good as a password to whoever listens: write tls = "required", or use smtps://'
        reader.note(f"routes.{name}.tls", '"none"', cure)


def _check_tls(name: str, route: Route, reader: Reader) -> None:
    """What is set for nothing: whoever pins a certificate believes that it is looked at."""
    for option, value in (("server_name", route.server_name), ("certificates", route.certificates)):
        if value and route.tls is TlsMode.NONE and reader.sound(f"routes.{name}.tls"):
            cure = 'tls = "none" has no use for it: write tls = "required", or leave it out'
            reader.note(f"routes.{name}.{option}", show(value), cure)
    if route.certificates and route.tls is TlsMode.OPPORTUNISTIC and reader.sound(f"routes.{name}.tls"):
        cure = 'opportunistic TLS believes whoever answers: write tls = "required", or leave it out'
        reader.note(f"routes.{name}.certificates", show(route.certificates), cure)
    if route.server_name and (any(character.isspace() for character in route.server_name) or ":" in route.server_name):
        reader.note(f"routes.{name}.server_name", show(route.server_name), 'write a host name without a port, such as "mx.example.com"')


def _check_failover(name: str, route: Route, reader: Reader) -> None:
    for index, each in enumerate(route.failover if reader.sound(f"routes.{name}.failover") else ()):
        if each not in CLASSES:
            near = get_close_matches(each, CLASSES, n=1)
            cure = f"did you mean {near[0]}?" if near else f"write some of {listed(CLASSES)}"
            reader.note(f"routes.{name}.failover[{index}]", show(each), f"there is no such class: {cure}")


def _check_dsn(name: str, route: Route, reader: Reader) -> None:
    """RFC 3461 4.1: never stands alone."""
    key = f"routes.{name}.dsn_notify"
    if not reader.sound(key):
        return
    said = show([each.name.lower() for each in route.dsn_notify])
    if len(set(route.dsn_notify)) < len(route.dsn_notify):
        reader.note(key, said, "something stands there twice: write it once")
    elif DsnNotify.NEVER in route.dsn_notify and (len(route.dsn_notify) > 1 or route.dsn_return):
        what = "no other" if len(route.dsn_notify) > 1 else "no dsn_return"
        reader.note(key, said, f'where nothing is to be reported there is {what}: leave it out, or "never"')


def _check_policy(name: str, route: Route, reader: Reader) -> None:
    if not reader.sound(f"routes.{name}.policy"):
        return
    if route.policy and route.policy not in POLICIES:
        reader.note(f"routes.{name}.policy", show(route.policy), f"write one of {listed(sorted(POLICIES))}, or leave it out")
    elif route.hash_by != "site" and route.balancing != HASHED and reader.sound(f"routes.{name}.hash_by"):
        cure = f'{route.balancing} does not hash: write policy = "{HASHED}", or leave it out'
        reader.note(f"routes.{name}.hash_by", show(route.hash_by), cure)


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
        _check_policy(name, route, reader)
        _check_login(name, route, reader)
        _check_tls(name, route, reader)
        _check_failover(name, route, reader)
        _check_dsn(name, route, reader)
        for domain in route.domains:
            first = taken.setdefault(domain.lower(), name)
            if first != name:
                reader.note(f"routes.{name}.domains", show(domain), f"routes.{first} has this domain already: keep it in one of the two")
