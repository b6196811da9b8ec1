"""Where settings come from: a TOML file, and MAILGATE_SECTION__KEY variables over it, as one tree of raw values."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

from mailgate.errors import Mistake

PREFIX = "MAILGATE_"
SEPARATOR = "__"
MAX_DEPTH = 20
"""Levels of tables and lists."""
MAX_FILE_BYTES = 4 * 2**20
"""A settings file is read whole; more than this is a mistaken path."""


class FromVariable(str):
    """Text that came from an environment variable, to be read as whatever type its place has."""

    __slots__ = ("variable",)

    variable: str

    def __new__(cls, text: str, variable: str) -> FromVariable:
        """The text, and the name of its variable."""
        made = super().__new__(cls, text)
        made.variable = variable
        return made


def read_toml(path: str, mistakes: list[Mistake]) -> dict[str, Any]:
    """The file's tables; {} and a mistake where it can't be read. Blocks."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        mistakes.append(Mistake(path, "", f"it can't be read ({error.strerror or error}): check the path and its permissions"))
        return {}
    if len(data) > MAX_FILE_BYTES:
        mistakes.append(Mistake(path, "", f"it has more than {MAX_FILE_BYTES} octets: this is no settings file"))
        return {}
    return parse_toml(data, path, mistakes)


def parse_toml(data: bytes, path: str, mistakes: list[Mistake]) -> dict[str, Any]:
    """The tables of a file's octets; {} and a mistake where they are no TOML."""
    deep = Mistake(path, "", "its tables or lists are nested too deeply: nothing here needs more than a few levels")
    try:
        tree = tomllib.loads(data.decode())
        if not _deeper(tree, MAX_DEPTH):
            return tree
        mistakes.append(deep)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        mistakes.append(Mistake(f"{path}, line {line}", "", "it is not UTF-8: save it as UTF-8"))
    except tomllib.TOMLDecodeError as error:
        what, at, where = str(error).rpartition(" (at ")
        place = f"{path}, {where.removesuffix(')')}" if at else path
        mistakes.append(Mistake(place, "", f"it is not TOML: {(what if at else where).lower()}"))
    except RecursionError:
        mistakes.append(deep)
    return {}


def _deeper(tree: dict[str, Any], most: int) -> bool:
    """There are more levels of tables and lists than so many."""
    level: list[Any] = [tree]
    for _ in range(most):
        level = [below for each in level for below in (each.values() if isinstance(each, dict) else each) if isinstance(below, dict | list)]
        if not level:
            return False
    return True


def overlay(tree: dict[str, Any], environ: Mapping[str, str], mistakes: list[Mistake]) -> dict[str, Any]:
    """A copy of `tree` with the values of MAILGATE_A__B__C over a.b.c.

    A name of a table (a route, a tenant) is found whatever its case, and with _ for -. Variables without `__` are not settings of the file.
    """
    merged = _copy(tree)
    for variable in sorted(name for name in environ if name.startswith(PREFIX) and SEPARATOR in name):
        path = variable.removeprefix(PREFIX).split(SEPARATOR)
        if not all(path):
            mistakes.append(Mistake(variable, "", "the name is not MAILGATE_SECTION__KEY: two underscores between section and key"))
            continue
        _put(merged, path, FromVariable(environ[variable], variable), mistakes)
    return merged


def _put(tree: dict[str, Any], path: list[str], value: FromVariable, mistakes: list[Mistake]) -> None:
    table = tree
    for step, name in enumerate(path):
        key = _existing(table, name)
        if step == len(path) - 1:
            table[key] = value
            return
        below = table.setdefault(key, {})
        if not isinstance(below, dict):
            mistakes.append(
                Mistake(value.variable, "", f"{'.'.join(path[: step + 1]).lower()} is not a table: nothing can be set below it")
            )
            return
        table = below


def _existing(table: Mapping[str, Any], name: str) -> str:
    wanted = name.lower()
    return next((key for key in table if key.lower().replace("-", "_") == wanted), wanted)


def _copy(table: dict[str, Any]) -> dict[str, Any]:
    return {key: _copy(below) if isinstance(below, dict) else below for key, below in table.items()}
