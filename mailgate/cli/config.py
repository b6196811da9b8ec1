"""`mailgate config`: settings checked and shown, and new API keys."""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailgate.cli import exits, output, target
from mailgate.cli.named import warnings
from mailgate.config.routes import at_odds
from mailgate.config.toml import dumps, plain
from mailgate.errors import Mistake, SettingsInvalid

if TYPE_CHECKING:
    from gateway.settings import GatewaySettings
    from sender.settings import SenderSettings

HELP = f"""Check and show settings; make API keys.

Examples:

  mailgate config check --config mailgate.toml

  mailgate config key --tenant shop

{exits.HELP}"""

KEY_PREFIX = "mg_"
KEY_OCTETS = 24
"""192 random bits: the settings keep a hash without salt, which protects only what cannot be guessed."""

EXAMPLE_ROUTE = {"MAILGATE_ROUTES__DEFAULT__RELAYS": "smtp://relay.example.com:25"}

config = typer.Typer(help=HELP, no_args_is_help=True)

File = Annotated[
    str, typer.Option("--config", envvar="MAILGATE_CONFIG", metavar="FILE", help="The settings (TOML).", show_default="variables alone")
]


CHECK_HELP = f"""Say every mistake in the settings of gateway and sender: key, value and cure. Without any: the policy of each route.

What a route names and only the senders have (secret, certificates, sources) is a warning where it is not in the same settings; so are two
routes that count the limits of sites each by itself.

Example: mailgate config check --config mailgate.toml

{exits.HELP}"""


@config.command("check", help=CHECK_HELP)
def check(file: File = "", json: target.Json = False) -> None:
    """See CHECK_HELP."""
    gateway, sender = _read(file, os.environ, files=True)
    doubtful = [*warnings(gateway, sender), *at_odds(gateway.routes)]
    policies = {name: route.balanced_by for name, route in gateway.routes.items()}
    if json:
        output.json_line({"valid": True, "warnings": [exits.mistake_json(each) for each in doubtful], "policies": policies})
        return
    output.line(f"{file or 'the MAILGATE_… variables'}: no mistakes")
    for name, policy in policies.items():
        output.line(f"  routes.{name}: {policy}")
    for each in doubtful:
        output.line(f"warning: {each}", sys.stderr)


@config.command("show")
def show(file: File = "", json: target.Json = False) -> None:
    """Show the settings as both processes see them, defaults included, secrets hidden.

    Without any: the defaults and, but in JSON, a route for example.

    Example: mailgate config show --config mailgate.toml
    """
    example = False
    try:
        gateway, sender = _read(file, os.environ)
    except SettingsInvalid as error:
        if file or [mistake.key for mistake in error.mistakes] != ["routes"]:
            raise
        example = True
        gateway, sender = _read(file, {**os.environ, **EXAMPLE_ROUTE})
    shown: Any = {**_plain(gateway), **_plain(sender)}
    if json:
        # It has no comments, in which the example could be called one.
        output.json_line({**shown, "routes": {}} if example else shown)
    else:
        if example:
            output.line("# No route is set: [routes.default] is an example.")
        output.line(dumps(shown).rstrip("\n"))


@config.command("key")
def key(
    tenant: Annotated[str, typer.Option("--tenant", metavar="NAME", help="Whose key it is.")] = "default",
    scopes: Annotated[str, typer.Option("--scopes", metavar="LIST", help="Of send, read, operate.")] = "send,read",
    json: target.Json = False,
) -> None:
    """Make an API key: the key for the caller, and its hash for the settings, which never hold the key itself.

    Example: mailgate config key --tenant shop --scopes send,read
    """
    from gateway.admission.tenants import Scope

    wanted = [scope.strip() for scope in scopes.split(",") if scope.strip()]
    known = [scope.value for scope in Scope]
    wrong = [scope for scope in wanted if scope not in known]
    if wrong or not wanted:
        raise exits.Usage(f"--scopes {scopes!r}: choose of {', '.join(known)}, with commas between")
    made = new_key()
    if json:
        output.json_line({"key": made, "hash": hash_of(made), "tenant": tenant, "scopes": wanted})
        return
    output.line(f"key, shown only here: {made}")
    output.line("for the settings:")
    if Scope.SEND.value in wanted:
        output.line(f'# [tenants.{tenant}] may send only from its domains: give it some, as in domains = ["shop.example"]; "*" is any')
    output.line(dumps({"tenants": {tenant: {"keys": [{"hash": hash_of(made), "scopes": list(wanted)}]}}}).rstrip("\n"))


def new_key() -> str:
    """A random API key."""
    return KEY_PREFIX + base64.urlsafe_b64encode(os.urandom(KEY_OCTETS)).decode()


def hash_of(api_key: str) -> str:
    """The key as settings hold it."""
    return "sha256:" + sha256(api_key.encode()).hexdigest()


def _read(file: str, environ: Mapping[str, str], *, files: bool = False) -> tuple[GatewaySettings, SenderSettings]:
    """Both processes' settings; their mistakes together, each once.

    `files`: those that the settings name are looked at too, as the processes do at their start and at SIGHUP.
    """
    from gateway import settings as gateway
    from sender import settings as sender
    from sender.pool.tls import check_files

    def of_sender(path: str | None, environ: Mapping[str, str]) -> SenderSettings:
        found = sender.read(path, environ)
        if files:
            check_files(found.certificates)
        return found

    mistakes: dict[Mistake, None] = {}
    read: list[Any] = []
    for part in (gateway.read, of_sender):
        try:
            read.append(part(file or None, environ))
        except SettingsInvalid as error:
            mistakes.update(dict.fromkeys(error.mistakes))
    if mistakes:
        raise SettingsInvalid(list(mistakes))
    return read[0], read[1]


def _plain(settings: object) -> dict[str, Any]:
    shown: Any = plain(settings)
    return {name: table for name, table in shown.items() if table}
