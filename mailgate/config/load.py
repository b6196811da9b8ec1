"""Settings of one process: the file and the variables, into its settings class; all mistakes at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar, cast

from mailgate.config.reader import ABSENT, Reader, Rules
from mailgate.config.sources import overlay, read_toml
from mailgate.errors import Mistake, SettingsInvalid

T = TypeVar("T")

Check = Callable[[T, Reader], None]
"""Looks over the whole and notes what does not fit together; it asks `Reader.sound` before it builds on a key."""


def load(
    cls: type[T],
    path: str | None,
    environ: Mapping[str, str],
    *,
    rules: Rules | None = None,
    check: Check[T] | None = None,
    others: Collection[str] = (),
) -> T:
    """Settings of the class `cls`, each field of which is a section. Blocks: it reads files.

    Args:
        cls: A frozen dataclass; what it and the classes of its fields do not say, `rules` say.
        path: The TOML file; None: there is none, and everything has its default or comes from `environ`.
        environ: Where MAILGATE_SECTION__KEY variables are looked for.
        rules: Bounds, and types with a way of their own.
        check: Looks at what fits together.
        others: Sections of the same file that another process reads.

    Raises:
        SettingsInvalid: with every mistake found.
    """
    mistakes: list[Mistake] = []
    tree = read_toml(path, mistakes) if path is not None else {}
    if mistakes:
        raise SettingsInvalid(mistakes)
    return from_tree(cls, tree, environ, rules=rules, check=check, others=others)


def from_tree(
    cls: type[T],
    tree: dict[str, Any],
    environ: Mapping[str, str],
    *,
    rules: Rules | None = None,
    check: Check[T] | None = None,
    others: Collection[str] = (),
) -> T:
    """As `load`, from tables that were read already."""
    mistakes: list[Mistake] = []
    reader = Reader(rules or Rules(), mistakes)
    made = reader.table(cls, overlay(tree, environ, mistakes), "", ignore=others)
    if made is not ABSENT and check is not None:
        check(cast(T, made), reader)
    if mistakes:
        raise SettingsInvalid(mistakes)
    return cast(T, made)
