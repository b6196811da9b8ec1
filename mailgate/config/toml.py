"""Settings as TOML text: tables of raw values, and settings objects with their secrets hidden. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import timedelta
from enum import Enum
from itertools import groupby

from mailgate.config.secret import Secret
from mailgate.config.units import format_duration, format_size
from mailgate.route import Relay, Route, TlsMode

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")

Raw = str | bool | int | float | list["Raw"] | dict[str, "Raw"]


def plain(value: object, key: str = "") -> Raw | None:
    """A settings object as raw values, as they are written in a file; None for what is not set. A secret shows only that it is there."""
    if isinstance(value, Mapping):
        return {str(name): made for name, below in value.items() if (made := plain(below, str(name))) is not None}
    if isinstance(value, tuple | list | frozenset | set):
        items = sorted(value, key=str) if isinstance(value, frozenset | set) else value
        return [made for item in items if (made := plain(item, key)) is not None]
    return _object(value) if is_dataclass(value) else _single(value, key)


def dumps(tables: Mapping[str, Raw]) -> str:
    """TOML text of tables; values before sub-tables, in the order given."""
    return "\n".join(_lines(tables, "")) + "\n"


def _single(value: object, key: str) -> Raw | None:
    if isinstance(value, Enum):
        return value.name.lower()
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, str | Secret):
        return str(value)
    if isinstance(value, int) and key.endswith("_bytes"):
        return format_size(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    raise TypeError(f"{key}: {type(value).__name__} has no form in settings")


def _object(value: object) -> dict[str, Raw]:
    made: dict[str, Raw] = {}
    route = isinstance(value, Route)
    for f in fields(value):  # type: ignore[arg-type]
        raw = getattr(value, f.name)
        if route and f.name == "relays":
            scheme = "smtps" if getattr(value, "tls", None) is TlsMode.IMPLICIT else "smtp"
            made[f.name] = _relays(raw, scheme)
        elif not (route and f.name == "name"):
            shown = plain(raw, f.name)
            if shown is not None:
                made[f.name] = shown
    return made


def _relays(relays: Iterable[Relay], scheme: str) -> list[Raw]:
    """Those that share the load in a list of their own."""
    groups = [list(group) for _, group in groupby(relays, key=lambda relay: relay.preference)]
    return [_relay(group[0], scheme) if len(group) == 1 else [_relay(relay, scheme) for relay in group] for group in groups]


def _relay(relay: Relay, scheme: str) -> str:
    host = f"[{relay.host}]" if ":" in relay.host else relay.host
    weight = "" if relay.weight == 1 else f"?weight={relay.weight}"
    return f"{scheme}://{host}:{relay.port}{weight}"


def _lines(table: Mapping[str, Raw], path: str) -> Iterator[str]:
    below = {name: value for name, value in table.items() if _is_table(value)}
    for name, value in table.items():
        if name not in below:
            yield f"{_key(name)} = {_value(value)}"
    for name, value in below.items():
        dotted = f"{path}.{_key(name)}" if path else _key(name)
        for each in value if isinstance(value, list) else [value]:
            assert isinstance(each, dict)  # noqa: S101 (for the type checker: _is_table said so)
            if isinstance(value, list) or not each or any(not _is_table(inner) for inner in each.values()):
                yield ""
                yield f"[[{dotted}]]" if isinstance(value, list) else f"[{dotted}]"
            yield from _lines(each, dotted)


def _is_table(value: Raw) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value))


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _value(name)


def _value(value: Raw) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(name)} = {_value(below)}" for name, below in value.items()) + " }"
    return repr(value)
