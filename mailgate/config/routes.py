"""How a `[routes.NAME]` table is written: relays as URLs, TLS by their scheme. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from urllib.parse import urlsplit

from mailgate.config.reader import ABSENT, Made, Reader
from mailgate.config.scalars import Bound, show
from mailgate.errors import Mistake
from mailgate.route import BOUNDS as ROUTE_BOUNDS
from mailgate.route import DEFAULT_POOL, MX_PORT, Relay, Route, TlsMode

RELAY_CURE = 'write "smtp://host:25", or "smtps://host:465" for TLS from the first byte'
NOWHERE_CURE = f"a route without relays leads nowhere: {RELAY_CURE}, in a list; or mx = true, to send to the servers of each domain"
MOST_WEIGHT = 1000
MOST_PORT = 65_535
_PORT = re.compile(r":([0-9]{1,9})$")
"""At the end of what stands before a path; an IPv6 address ends with a bracket."""
PORTS = {"smtp": 25, "smtps": 465}

BOUNDS: dict[str, Bound] = {f"Route.{name}": bound for name, bound in ROUTE_BOUNDS.items()}
"""As the rules of a Reader have them."""


def read_relay(text: str) -> tuple[Relay, bool]:
    """The relay of `smtp://host:port` or `smtps://host:port`, with its `?weight=3`, and whether it speaks TLS from the first byte.

    Raises:
        ValueError: it is none; the text of the error is the cure.
    """
    try:
        url = urlsplit(text)
        written = _PORT.search(url.netloc)
        beyond = written is not None and not 1 <= int(written[1]) <= MOST_PORT
        port = None if beyond else url.port
    except ValueError:
        raise ValueError(RELAY_CURE) from None
    if beyond:
        raise ValueError(f"a port is from 1 to {MOST_PORT}: {RELAY_CURE}")
    if url.scheme not in PORTS or not url.hostname or " " in url.netloc:
        raise ValueError(RELAY_CURE)
    if url.username is not None or url.password is not None:
        raise ValueError("no user name or password here: set username and secret of the route, and the password in [secrets]")
    if url.path not in ("", "/") or url.fragment:
        raise ValueError(f"nothing may follow the port: {RELAY_CURE}")
    return Relay(url.hostname, port or PORTS[url.scheme], weight=_weight(url.query)), url.scheme == "smtps"


def _weight(query: str) -> int:
    if not query:
        return 1
    name, _, text = query.partition("=")
    if name != "weight" or not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_WEIGHT:
        near = ": did you mean weight?" if name != "weight" and get_close_matches(name, ["weight"]) else ""
        raise ValueError(f"only a weight of 1 to {MOST_WEIGHT} may follow the port, as in smtp://host:25?weight=3{near}")
    return int(text)


def at_odds(routes: Mapping[str, Route]) -> Iterator[Mistake]:
    """Routes by MX without homes for their sites, beside one that has them from the same sources: no mistake where there is one node."""
    homed: dict[str, str] = {}
    for name, route in routes.items():
        if route.mx and route.homed:
            homed.setdefault(route.sources or DEFAULT_POOL, name)
    for name, route in routes.items():
        other = homed.get(route.sources or DEFAULT_POOL)
        if route.mx and not route.homed and other is not None:
            cure = (
                f"mail of routes.{other} has a node for each site, which may do all that the site allows, and mail of this route comes on "
                "top of it: give both the same policy, or other sources"
            )
            yield Mistake(f"routes.{name}.policy", show(route.balanced_by), cure)


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
    if "/" in name or "@" in name:
        reader.note(key, show(name), "a route's name has no / and no @, which sites and sources are written with: take another")
    mx = reader.value(bool, table["mx"], f"{key}.mx") if "mx" in table else False
    relays, implicit = ((), False) if mx is ABSENT else _read_relays(reader, table, f"{key}.relays", mx=mx)
    further: Mapping[str, object] = {"tls": "implicit"} if implicit and "tls" not in table else {}
    rest = {name: value for name, value in table.items() if name not in ("relays", "mx")}
    made = reader.table(Route, {**further, **rest}, key, given={"name": name, "relays": relays, "mx": mx is True})
    if made is not ABSENT:
        _check_mx(reader, made, key)
    return made


def _check_mx(reader: Reader, route: Route, key: str) -> None:
    """What belongs to one server makes no sense for those of every domain."""
    if not route.mx:
        if route.mx_port != MX_PORT and reader.sound(f"{key}.mx", f"{key}.relays"):
            reader.note(f"{key}.mx_port", str(route.mx_port), "relays have their ports in their URLs: leave it out, or write mx = true")
        return
    for option in ("username", "secret", "server_name"):
        if getattr(route, option) and reader.sound(f"{key}.{option}"):
            cure = "with mx = true mail goes to the servers of strangers, who have none of it in common: leave it out, or name relays"
            reader.note(f"{key}.{option}", show(getattr(route, option)), cure)
    if route.tls is TlsMode.IMPLICIT and reader.sound(f"{key}.tls"):
        cure = 'servers that take mail from strangers speak STARTTLS (RFC 3207): write "opportunistic" or "required", or leave it out'
        reader.note(f"{key}.tls", '"implicit"', cure)


def _read_relays(reader: Reader, table: Mapping[str, object], key: str, *, mx: bool) -> tuple[tuple[Relay, ...], bool]:
    """The relays, and whether they speak TLS from the first byte."""
    items = reader.items(table["relays"], key) if "relays" in table else []
    if items is ABSENT:
        return (), False
    if mx:
        if items:
            reader.mistake(key, table["relays"], "mx = true sends to the servers of each domain instead: keep one of the two")
        return (), False
    if not items:
        said = show(table["relays"]) if "relays" in table else "(missing)"
        reader.note(key, said, NOWHERE_CURE)
    found: list[tuple[Relay, bool]] = []
    for index, item in enumerate(items):
        found += _read_group(reader, item, f"{key}[{index}]", index)
    kinds = {implicit for _, implicit in found}
    if len(kinds) > 1:
        reader.mistake(key, table["relays"], "smtp:// and smtps:// do not mix in one route: make two routes, or use one kind")
    tls = str(table.get("tls", "implicit")).lower()
    if True in kinds and tls in {mode.name.lower() for mode in TlsMode} - {"implicit"}:
        reader.mistake(f"{key.removesuffix('relays')}tls", table["tls"], 'smtps:// means "implicit": leave tls out, or write smtp://')
    return tuple([relay for relay, _ in found]), True in kinds


def _read_group(reader: Reader, raw: object, key: str, preference: int) -> list[tuple[Relay, bool]]:
    """One relay, or a list of those that share the load."""
    group = isinstance(raw, list | tuple)
    if group and not raw:
        reader.mistake(key, raw, f"a list without relays: {RELAY_CURE}, in the list")
    found = []
    for index, item in enumerate(raw if isinstance(raw, list | tuple) else [raw]):
        place = f"{key}[{index}]" if group else key
        text = reader.value(str, item, place)
        if text is ABSENT:
            continue
        try:
            relay, implicit = read_relay(text)
        except ValueError as error:
            reader.mistake(place, _without_password(text), str(error))
            continue
        if relay.weight != 1 and not group:
            cure = "a weight is a part of what relays share: put those that do in a list of their own within the list"
            reader.mistake(place, text, cure)
        found.append((replace(relay, preference=preference), implicit))
    return found


def _without_password(text: str) -> str:
    head, at, host = text.rpartition("@")
    scheme, slashes, _ = head.partition("://")
    return f"{scheme}{slashes}…@{host}" if at else text
