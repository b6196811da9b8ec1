"""Two readings of the same settings: what differs, and what of the new one counts while the process runs. Pure.

A settings object is a frozen dataclass, each field of which is a section; keys are dotted, as mistakes have them. `live` names those that
count at once, with all that stands below them: `routes`, or `dispatch.retry_first`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from hashlib import sha256
from typing import Any, TypeVar

from mailgate.config.reader import join
from mailgate.config.toml import plain

S = TypeVar("S")

DIGITS = 10
"""Hex digits of a version: two that an operator sees beside each other differ but once in 10^12."""


def changes(old: object, new: object, key: str = "") -> Iterator[str]:
    """The keys whose values differ, as deep as both have them; of a table that only one has its own key alone. Never a value."""
    if is_dataclass(old) and type(old) is type(new):
        for f in fields(old):
            yield from changes(getattr(old, f.name), getattr(new, f.name), join(key, f.name))
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in {**old, **new}:
            below = join(key, str(name))
            if name in old and name in new:
                yield from changes(old[name], new[name], below)
            else:
                yield below
    elif old != new:
        yield key


def is_live(key: str, live: Collection[str]) -> bool:
    """It counts at once."""
    return any(key == each or key.startswith(f"{each}.") for each in live)


def merged(old: S, new: S, live: Collection[str]) -> S:
    """The old settings with what is live of the new."""
    values: dict[str, Any] = {}
    for f in fields(old):  # type: ignore[arg-type]
        below = [key.removeprefix(f"{f.name}.") for key in live if key.startswith(f"{f.name}.")]
        if f.name in live:
            values[f.name] = getattr(new, f.name)
        elif below:
            values[f.name] = merged(getattr(old, f.name), getattr(new, f.name), below)
    return replace(old, **values)  # type: ignore[type-var]


def version_of(settings: object, *further: str) -> str:
    """A short hash: the same for the same settings, whatever their order in the file. Secrets leave no trace in it.

    `further`: texts that belong to them, such as a file's that they name.
    """
    said = json.dumps([plain(settings), *further], sort_keys=True, ensure_ascii=False)
    return sha256(said.encode()).hexdigest()[:DIGITS]
