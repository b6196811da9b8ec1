"""Where the command line finds the gateway: flags, MAILGATE_… variables, or what `mailgate up` left in its data directory."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from mailgate.cli.exits import NoGateway, Usage
from mailgate.errors import Invalid, SettingsInvalid
from mailgate.ids import parse_id
from mailgate.rpc.address import check_target

if TYPE_CHECKING:
    from mailgate.client.client import GatewayClient
    from mailgate.client.mail_client import MailClient

CLIENT_FILE = "client.json"
DEFAULT_DATA = "./mailgate-data"

Address = Annotated[
    str,
    typer.Option(
        "--address",
        envvar="MAILGATE_ADDRESS",
        metavar="HOST:PORT",
        help="The gateway, or etcd://… where gateways are told.",
        show_default="of `mailgate up`",
    ),
]
Key = Annotated[str, typer.Option("--key", envvar="MAILGATE_KEY", metavar="KEY", help="The API key.", show_default="of `mailgate up`")]
Data = Annotated[str, typer.Option("--data", envvar="MAILGATE_DATA", metavar="DIR", help="The data directory of `mailgate up`.")]
Tls = Annotated[bool, typer.Option("--tls", envvar="MAILGATE_TLS", help="Speak TLS, verified by the system's authorities.")]
Ca = Annotated[str, typer.Option("--ca", envvar="MAILGATE_CA", metavar="FILE", help="Speak TLS, verified by these authorities (PEM).")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@dataclass(frozen=True, slots=True)
class Target:
    """A gateway, and the key to it; `inbox` is the door of the development inbox, empty where there is none."""

    address: str
    key: str
    inbox: str = ""
    tls: bool = False
    ca: str = ""

    def client(self) -> GatewayClient:
        """A client, to be entered."""
        from mailgate.client.client import GatewayClient
        from mailgate.rpc.tls import TlsOptions

        return GatewayClient(self.address, self.key, TlsOptions(ca=self.ca) if self.tls or self.ca else None)

    def mail_client(self) -> MailClient:
        """A client that tries again, to be entered."""
        from mailgate.client.mail_client import MailClient
        from mailgate.rpc.tls import TlsOptions

        return MailClient(self.address, self.key, tls=TlsOptions(ca=self.ca) if self.tls or self.ca else None)


def find(address: str = "", key: str = "", data: str = DEFAULT_DATA, tls: bool = False, ca: str = "") -> Target:
    """What the flags say, and for the rest what `mailgate up` left in `data`. A key is never sent to an address that it was not left for.

    Raises:
        NoGateway: nobody said where the gateway is.
        Usage: the file of `mailgate up` can't be read, or `ca` is no file of authorities.
        SettingsInvalid: `address` is none.
    """
    if ca:
        _check_ca(ca)
    if address.startswith("etcd://"):
        from mailgate.client.discovery import place_of

        place_of(address, key="--address")
    elif address:
        check_target(address, "--address")
    left = _left(Path(data) / CLIENT_FILE)
    if not address and not left:
        raise NoGateway(f"no gateway is known: start one with `mailgate up`, or give --address and --key ({data} has no {CLIENT_FILE})")
    known = left.get("address", "")
    if not address or address == known:
        return Target(known, key or left.get("key", ""), left.get("inbox", ""), tls, ca)
    return Target(address, key, "", tls, ca)


@dataclass(frozen=True, slots=True)
class Where:
    """The flags that say which gateway, as they were typed. `find` looks no sooner than it is called: other mistakes are told first."""

    address: Address = ""
    key: Key = ""
    data: Data = DEFAULT_DATA
    tls: Tls = False
    ca: Ca = ""

    def find(self) -> Target:
        """See the function."""
        return find(self.address, self.key, self.data, self.tls, self.ca)


def reaches_gateway(command: Callable[..., Any]) -> Callable[..., Any]:
    """A command with a parameter `where`, which is filled from flags: the one place that gives a command --address, --key and the rest.

    The flags stand before --json in the help, where the command has that.
    """
    hints, flags = get_type_hints(command, include_extras=True), get_type_hints(Where, include_extras=True)
    own = [each.replace(annotation=hints[each.name], kind=Parameter.KEYWORD_ONLY) for each in signature(command).parameters.values()]
    ours = [Parameter(name, Parameter.KEYWORD_ONLY, default=getattr(Where(), name), annotation=hint) for name, hint in flags.items()]
    last = [each for each in own if each.name == "json"]
    first = [each for each in own if each.name not in ("where", "json")]

    def run(**given: Any) -> object:  # noqa: ANN401 - whatever the parser makes of the flags
        where = Where(**{name: given.pop(name) for name in flags})
        return command(where=where, **given)

    run.__name__, run.__doc__, run.__module__ = command.__name__, command.__doc__, command.__module__
    run.__signature__ = Signature([*first, *ours, *last])  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in (*first, *ours, *last)}
    return run


def mail_id(text: str) -> bytes:
    """The id of a mail from the command line.

    Raises:
        Usage: it is none.
    """
    try:
        return parse_id(text, "MAIL_ID")
    except Invalid as error:
        raise Usage(str(error)) from None


def _check_ca(path: str) -> None:
    from mailgate.rpc.tls import TlsOptions, channel_credentials

    try:
        channel_credentials(TlsOptions(ca=path))
    except SettingsInvalid as error:
        raise Usage(f"--ca {path}: {error.mistakes[0].cure}") from None


def _left(path: Path) -> dict[str, str]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not JSON"
        raise Usage(f"{path}: it can't be read ({why}): start `mailgate up` anew, or give --address and --key") from None
    if not isinstance(told, dict) or not isinstance(told.get("address"), str):
        raise Usage(f"{path}: it names no gateway: start `mailgate up` anew, or give --address and --key")
    return {name: value for name, value in told.items() if isinstance(value, str)}
