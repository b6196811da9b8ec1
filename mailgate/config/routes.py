"""How a `[routes.NAME]` table is written: relays as URLs, TLS by their scheme. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from mailgate.config.reader import ABSENT, Made, Reader
from mailgate.config.scalars import Bound
from mailgate.route import BOUNDS as ROUTE_BOUNDS
from mailgate.route import Relay, Route, TlsMode

RELAY_CURE = 'write "smtp://host:25", or "smtps://host:465" for TLS from the first byte'
PORTS = {"smtp": 25, "smtps": 465}

BOUNDS: dict[str, Bound] = {f"Route.{name}": bound for name, bound in ROUTE_BOUNDS.items()}
"""As the rules of a Reader have them."""


def read_relay(text: str) -> tuple[Relay, bool]:
    """The relay of `smtp://host:port` or `smtps://host:port`, and whether it speaks TLS from the first byte.

    Raises:
        ValueError: it is none; the text of the error is the cure.
    """
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise ValueError(RELAY_CURE) from None
    if url.scheme not in PORTS or not url.hostname or port == 0 or " " in url.netloc:
        raise ValueError(RELAY_CURE)
    if url.username is not None or url.password is not None:
        raise ValueError("no user name or password here: set username and secret of the route, and the password in [secrets]")
    if url.path not in ("", "/") or url.query or url.fragment:
        raise ValueError(f"nothing may follow the port: {RELAY_CURE}")
    return Relay(url.hostname, port or PORTS[url.scheme]), url.scheme == "smtps"


def read_routes(reader: Reader, raw: object, key: str) -> Made:
    """The special of `Mapping[str, Route]`: each table with its name."""
    tables = reader.mapping(raw, key, f"this is a table: write [{key}.NAME] and its keys below")
    if tables is ABSENT:
        return ABSENT
    made = {name: _read_route(reader, name, table, f"{key}.{name}") for name, table in tables.items()}
    return {name: route for name, route in made.items() if route is not ABSENT}


def _read_route(reader: Reader, name: str, raw: object, key: str) -> Made:
    table = reader.mapping(raw, key, f"this is a table: write [{key}] and its keys below")
    if table is ABSENT:
        return ABSENT
    relays, implicit = _read_relays(reader, table, f"{key}.relays")
    further: Mapping[str, object] = {"tls": "implicit"} if implicit and "tls" not in table else {}
    rest = {name: value for name, value in table.items() if name != "relays"}
    return reader.table(Route, {**further, **rest}, key, given={"name": name, "relays": relays})


def _read_relays(reader: Reader, table: Mapping[str, object], key: str) -> tuple[tuple[Relay, ...], bool]:
    """The relays, and whether they speak TLS from the first byte."""
    if "relays" not in table:
        reader.note(key, "(missing)", f"a route without relays leads nowhere: {RELAY_CURE}, in a list")
        return (), False
    texts = reader.value(tuple[str, ...], table["relays"], key)
    if texts is ABSENT:
        return (), False
    if not texts and reader.sound(key):
        reader.mistake(key, table["relays"], f"a route without relays leads nowhere: {RELAY_CURE}, in the list")
    found, kinds = [], set()
    for index, text in enumerate(texts):
        try:
            relay, implicit = read_relay(text)
        except ValueError as error:
            reader.mistake(f"{key}[{index}]", _without_password(text), str(error))
            continue
        found.append(relay)
        kinds.add(implicit)
    if len(kinds) > 1:
        reader.mistake(key, table["relays"], "smtp:// and smtps:// do not mix in one route: make two routes, or use one kind")
    tls = str(table.get("tls", "implicit")).lower()
    if True in kinds and tls in {mode.name.lower() for mode in TlsMode} - {"implicit"}:
        reader.mistake(f"{key.removesuffix('relays')}tls", table["tls"], 'smtps:// means "implicit": leave tls out, or write smtp://')
    return tuple(found), True in kinds


def _without_password(text: str) -> str:
    head, at, host = text.rpartition("@")
    scheme, slashes, _ = head.partition("://")
    return f"{scheme}{slashes}…@{host}" if at else text
