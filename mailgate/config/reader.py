"""Reader: raw values into frozen dataclasses by their type hints, gathering every mistake on the way. Pure but for `*_file` keys."""

from __future__ import annotations

import difflib
import tomllib
import types
import typing
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from enum import Enum
from typing import Any, cast

from mailgate.config.scalars import Bound, is_sensitive, listed, outside, read_scalar, show
from mailgate.config.secret import HIDDEN, Secret
from mailgate.config.sources import FromVariable
from mailgate.errors import Invalid, Mistake

Made = Any
"""A value of the type that a hint names, or ABSENT."""

ABSENT: Made = object()
"""Nothing could be made of a value; the mistake is noted."""

MAX_SECRET_CHARACTERS = 65_536

Special = Callable[["Reader", object, str], Made]
"""Reads one type in its own way: (reader, raw, key) to a value, or ABSENT with the mistake noted."""


@dataclass(frozen=True)
class Rules:
    """What the types alone do not say. `bounds` by "Class.field"; without one, numbers and durations may not be negative.

    A dataclass may also have a method `mistakes(key)` that gives those of its own, and `__post_init__` may raise Invalid or ValueError.
    Where it has that method, fields without a default are None in it when nothing could be made of them, so that the others are told too.
    """

    bounds: Mapping[str, Bound] = field(default_factory=dict)
    special: Mapping[object, Special] = field(default_factory=dict)


def file_text(path: str) -> str:
    """The text of a file that holds one secret, without the space around it. Blocks."""
    with open(path, encoding="utf-8") as file:
        return file.read(MAX_SECRET_CHARACTERS).strip()


class Reader:
    """One reading. It makes what it can, so that one mistake does not hide the next; `mistakes` says whether the result may be used."""

    def __init__(self, rules: Rules, mistakes: list[Mistake], read_file: Callable[[str], str] = file_text) -> None:
        self.mistakes = mistakes
        self._rules = rules
        self._read_file = read_file
        self._broken: set[str] = set()

    def mistake(self, key: str, raw: object, cure: str, *, hidden: bool = False) -> Made:
        """Note one about the raw value that stands at `key`; gives ABSENT."""
        named = f"{key} (from {raw.variable})" if isinstance(raw, FromVariable) else key
        return self.note(named, HIDDEN if hidden or is_sensitive(key) else show(raw), cure, broken=key)

    def note(self, key: str, said: str, cure: str, *, broken: str = "") -> Made:
        """Note one; `said` stands for the value as it is. Gives ABSENT."""
        self._broken.add(broken or key)
        self.mistakes.append(Mistake(key, said, cure))
        return ABSENT

    def sound(self, *keys: str) -> bool:
        """None of these keys, nor anything below or above them, has a mistake: a check that builds on them makes sense."""
        return not any(_related(key, broken) for key in keys for broken in self._broken)

    def table(self, cls: type, raw: object, key: str, given: Mapping[str, object] | None = None, ignore: Collection[str] = ()) -> Made:
        """An instance of the dataclass `cls`; `given` are fields that come from elsewhere, `ignore` keys that are somebody else's."""
        tree = self.mapping(raw, key, f"this is a table: write [{key}] and its keys below")
        if tree is ABSENT:
            return ABSENT
        values = dict(given or {})
        hints = typing.get_type_hints(cls)
        known = [f for f in fields(cls) if f.init and f.name not in values]
        for f in known:
            value = self._field(cls, f, hints[f.name], tree, key)
            if value is not ABSENT:
                values[f.name] = value
        names = [f.name for f in known]
        self._unknown(tree, [*names, *(f"{name}_file" for name in names if hints[name] is Secret)], key, ignore)
        return self._build(cls, values, key, tree)

    def value(self, hint: Any, raw: object, key: str, bound: Bound | None = None) -> Made:  # noqa: ANN401 (a type form has no type)
        """A value of the type `hint`, or ABSENT."""
        origin = typing.get_origin(hint)
        if origin in (types.UnionType, typing.Union):
            hint = next(argument for argument in typing.get_args(hint) if argument is not type(None))
            return self.value(hint, raw, key, bound)
        if hint in self._rules.special:
            return self._rules.special[hint](self, raw, key)
        if is_dataclass(hint):
            return self.table(cast(type, hint), raw, key)
        if origin is not None:
            return self._generic(origin, typing.get_args(hint), raw, key, bound)
        if isinstance(hint, type) and issubclass(hint, Enum):
            return self._choice(hint, raw, key)
        return self._scalar(hint, raw, key, bound)

    def _field(self, cls: type, f: Field[Any], hint: object, raw: Mapping[str, object], key: str) -> Made:
        below = join(key, f.name)
        if hint is Secret and f"{f.name}_file" in raw:
            return self._secret_file(f.name, raw, key)
        if f.name in raw:
            return self.value(hint, raw[f.name], below, self._rules.bounds.get(f"{cls.__name__}.{f.name}"))
        if _required(f):
            self.note(below, "(missing)", "it has no default: set it")
        return ABSENT

    def _secret_table(self, raw: Mapping[str, object], key: str) -> Made:
        """`{ file = "…" }`, for secrets whose names are the operator's: `NAME_file` may be a name there."""
        path = raw.get("file")
        if set(raw) != {"file"} or not isinstance(path, str) or not path:
            return self.mistake(key, raw, 'write it in quotes, "…", or as { file = "/path" }')
        return self.secret_from(path, key)

    def _secret_file(self, name: str, raw: Mapping[str, object], key: str) -> Made:
        below = join(key, f"{name}_file")
        path = raw[f"{name}_file"]
        if raw.get(name):
            return self.mistake(below, path, f"{name} is set too: keep one of the two")
        if not isinstance(path, str) or not path:
            return self.mistake(below, path, "write the path of a file that holds it")
        return self.secret_from(path, below)

    def secret_from(self, path: str, key: str) -> Made:
        """The Secret that a file holds."""
        try:
            text = self._read_file(str(path))
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else "it is not text"
            return self.mistake(key, path, f"the file can't be read ({why}): check the path and its permissions")
        return Secret(text) if text else self.mistake(key, path, "the file is empty: write the secret into it")

    def _build(self, cls: type, values: dict[str, Any], key: str, raw: Mapping[str, object]) -> Made:
        missing = [f.name for f in fields(cls) if _required(f) and f.name not in values]
        if missing and not hasattr(cls, "mistakes"):
            return ABSENT
        try:
            made = cls(**values, **dict.fromkeys(missing))
        except Invalid as error:
            for violation in error.violations:
                self.mistake(join(key, violation.field), raw.get(violation.field, ""), violation.description)
            return ABSENT
        except ValueError as error:
            return self.note(key, "(as set)", str(error))
        if hasattr(made, "mistakes"):
            # what is said of the whole makes no sense where a value of it could not be read
            for found in [each for each in made.mistakes(key) if self.sound(each.key)]:
                self.note(found.key, found.value, found.cure)
        return ABSENT if missing else made

    def _unknown(self, raw: Mapping[str, object], known: Collection[str], key: str, ignore: Collection[str]) -> None:
        for name in raw:
            if name not in known and name not in ignore:
                near = difflib.get_close_matches(name, [*known, *ignore], n=1, cutoff=0.6)
                rest = f"did you mean {near[0]}?" if near else f"known are {listed(sorted([*known, *ignore]))}"
                self.mistake(join(key, name), raw[name], f"there is no such {'key' if key else 'section'}: {rest}")

    def _generic(self, origin: Any, arguments: tuple[Any, ...], raw: object, key: str, bound: Bound | None) -> Made:  # noqa: ANN401
        if origin is typing.Literal:
            return self._one_of(arguments, raw, key)
        if issubclass(origin, Mapping):
            return self._named(arguments[1], raw, key)
        items = self.items(raw, key)
        if items is ABSENT:
            return ABSENT
        made = [self.value(arguments[0], item, f"{key}[{index}]", bound) for index, item in enumerate(items)]
        return origin(item for item in made if item is not ABSENT)

    def items(self, raw: object, key: str) -> Made:
        """A list of raw values, or ABSENT; the text of a variable is read as an inline list, or split at its commas."""
        if isinstance(raw, FromVariable):
            if raw.strip().startswith("["):
                raw = self._inline(raw, key)
            else:
                raw = [FromVariable(item.strip(), raw.variable) for item in raw.split(",") if item.strip()]
        if raw is ABSENT or isinstance(raw, list | tuple):
            return raw
        return self.mistake(key, raw, 'this is a list: write it as ["…", "…"]')

    def _named(self, hint: object, raw: object, key: str) -> Made:
        tree = self.mapping(raw, key, f"this is a table: write [{key}.NAME] and its keys below")
        if tree is ABSENT:
            return ABSENT
        made = {name: self.value(hint, below, join(key, name)) for name, below in tree.items()}
        return {name: value for name, value in made.items() if value is not ABSENT}

    def mapping(self, raw: object, key: str, cure: str) -> Made:
        """A table of raw values, or ABSENT; the text of a variable is read as an inline table."""
        if isinstance(raw, FromVariable):
            raw = self._inline(raw, key)
        return raw if raw is ABSENT or isinstance(raw, Mapping) else self.mistake(key, raw, cure)

    def _inline(self, raw: FromVariable, key: str) -> Made:
        try:
            return tomllib.loads(f"value = {raw}")["value"]
        except tomllib.TOMLDecodeError:
            return self.mistake(key, raw, 'write it as TOML has it on one line: ["…", "…"] or { key = value }')

    def _choice(self, hint: type[Enum], raw: object, key: str) -> Made:
        name = self._one_of([member.name.lower() for member in hint], raw, key)
        return ABSENT if name is ABSENT else hint[name.upper()]

    def _one_of(self, names: Collection[str], raw: object, key: str) -> Made:
        said = str(raw).strip().lower()
        if isinstance(raw, str) and said in names:
            return said
        near = difflib.get_close_matches(said, names, n=1, cutoff=0.6)
        return self.mistake(key, raw, f"write one of {listed(names)}" + (f": did you mean {near[0]}?" if near else ""))

    def _scalar(self, hint: object, raw: object, key: str, bound: Bound | None) -> Made:
        if hint is Secret and isinstance(raw, Mapping):
            return self._secret_table(raw, key)
        try:
            value = read_scalar(hint, raw, key)
        except ValueError as error:
            return self.mistake(key, raw, str(error), hidden=hint is Secret)
        wrong = outside(value, bound, key)
        return self.mistake(key, raw, wrong) if wrong else value


def join(key: str, name: str) -> str:
    """The dotted key of what stands below `key`."""
    return f"{key}.{name}" if key else name


def _required(f: Field[Any]) -> bool:
    return f.init and f.default is MISSING and f.default_factory is MISSING


def _related(key: str, other: str) -> bool:
    return any(a == b or a.startswith((b + ".", b + "[")) for a, b in ((key, other), (other, key)))
