"""A mail's subject, text and html as compiled templates, and their rendering with a mail's variables. Pure."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from minijinja import Environment, TemplateError

from mailgate.mail import Parts
from mailgate.template.language import FUNCTIONS
from mailgate.template.syntax import Unfit, check
from mailgate.template.variables import prefix

FUEL = 25_000
"""Instructions of a part, to which 64 octets written or looked through count as one. So a part is at most some 1.6 MB longer than its
template, and an endless loop ends after a millisecond; without fuel it would hold the interpreter for ever."""

FUEL_OCTETS = 64
"""Octets of a part's own text for which it has one instruction more."""

MAX_TEMPLATE = 1024 * 1024
"""Octets of subject, text and html together, when they are templates: compiling takes some 130 ms and 60 MB at worst."""

SLOW = 0.1
"""Seconds of a part's rendering, where 25,000 instructions take some 5 ms. Comparing lists costs fuel for one instruction, however many
members they have: 300 mails that do it all the time would keep a node from everybody for a minute."""

_METHODS = frozenset(["clear", "copy", "fromkeys", "get", "items", "keys", "pop", "popitem", "setdefault", "update", "values"])
"""The engine looks names up in a dict of Python's, and takes its methods for members that are not there."""

_WORD = re.compile(r"[0-9A-Za-z_\x80-\U0010ffff]+")
_SET = re.compile(r"\{%[-+]?\s*set\s+(\w+)\s*(?:=(?P<value>.*?)[-+]?%\}|[^=]*?%\}(?P<block>.*?)\{%[-+]?\s*endset)", re.DOTALL)

_FIELDS = ("subject", "text", "html")
_WORDS_OF = {
    "OutOfFuel": "it does or writes too much: make loops shorter, or have the caller prepare the text",
    "UndefinedError": "a value is needed here that is not given",
}


class Unrenderable(ValueError):
    """A template that is wrong, or that cannot be rendered with some variables.

    `field` is subject, text or html; `line` is from 1, 0 when it is not known; `missing` names what the template needs and is not given, as
    far as that is known.
    """

    def __init__(self, field: str, line: int, text: str, missing: tuple[str, ...] = ()) -> None:
        self.field, self.line, self.text, self.missing = field, line, text, missing
        super().__init__(f"{field}, line {line}: {text}" if line else f"{field}: {text}")


class _Part:
    """One of the three."""

    def __init__(self, field: str, source: str) -> None:
        self.field, self._source = field, source
        self._name = f"{field}.{'html' if field == 'html' else 'txt'}"
        self._engine: Environment | None = None
        self.needs: frozenset[str] = frozenset()
        self._suspected = self._slow = False
        self._methods: tuple[str, ...] = ()
        try:
            if check(source):
                self._compile()
        except Unfit as reason:
            raise Unrenderable(field, reason.line, str(reason)) from None
        except TemplateError as error:
            raise Unrenderable(field, error.line or 0, error.detail or error.message) from None
        except BaseException as error:
            raise _defect(field, error) from None

    def _compile(self) -> None:
        fuel = FUEL + len(self._source.encode()) // FUEL_OCTETS
        engine = Environment(undefined_behavior="strict", fuel=fuel, keep_trailing_newline=True, debug=False)
        for name in engine.globals:
            if name not in FUNCTIONS:
                engine.remove_global(name)
        engine.add_template(self._name, self._source)
        self._engine = engine
        named = engine.undeclared_variables_in_str(self._source, nested=True)
        self.needs = frozenset([*named, *_set_from_themselves(self._source)]) - FUNCTIONS
        self._methods = tuple([name for name in sorted(_METHODS) if name in self._source])

    @property
    def constant(self) -> bool:
        """It needs no rendering."""
        return self._engine is None

    def render(self, variables: Mapping[str, Any]) -> str:
        engine = self._engine
        if engine is None:
            return self._source
        if self._slow:
            raise Unrenderable(self.field, 0, _WORDS_OF["OutOfFuel"])
        began, used = time.perf_counter(), time.thread_time() if self._suspected else 0.0
        try:
            return self._render(engine, variables)
        finally:
            if time.perf_counter() - began > SLOW or self._suspected:
                self._note_slow(used)

    def _note_slow(self, used: float) -> None:
        """It took long, or was suspected to. Who waits for the processor is not slow, so the next time that is left out."""
        self._slow = self._suspected and time.thread_time() - used > SLOW
        self._suspected = not self._suspected

    def _render(self, engine: Environment, variables: Mapping[str, Any]) -> str:
        absent = [name for name in self._methods if name not in variables]
        holders = {name: value for name, value in variables.items() if type(value) in (dict, list)}
        try:
            if not absent and not holders:
                return engine.render_template(self._name, **variables)
            used = {name: value for name, value in holders.items() if name in self._source}
            scalars = {name: value for name, value in variables.items() if name not in holders}
            return engine.render_str(prefix(used, absent) + self._source, self._name, **scalars)
        except TemplateError as error:
            raise self._explain(error, variables) from None
        except BaseException as error:
            raise _defect(self.field, error) from None

    def _explain(self, error: TemplateError, variables: Mapping[str, Any]) -> Unrenderable:
        missing = tuple(missing_of(self.needs, variables)) if error.kind == "UndefinedError" else ()
        text = _WORDS_OF.get(error.kind) or error.detail or error.message
        return Unrenderable(self.field, error.line or 0, text, missing)


def _defect(field: str, error: BaseException) -> BaseException:
    """The engine's panic, which is no Exception, costs this mail and not the process; anything else goes on as it is."""
    return Unrenderable(field, 0, "the template engine failed") if type(error).__name__ == "PanicException" else error


def _set_from_themselves(source: str) -> Iterator[str]:
    """Names that a `set` makes of what they were before: the engine takes them for declared."""
    for found in _SET.finditer(source):
        if found[1] in _WORD.findall(found["value"] or found["block"] or ""):
            yield found[1]


class Templates:
    """The three of a content, compiled. `needs`: what they name of the variables, dotted, as far as that can be seen without rendering."""

    def __init__(self, parts: Parts) -> None:
        """Raises Unrenderable for what is wrong with one of them."""
        sources = (parts.subject, parts.text, parts.html)
        if (size := sum([len(source.encode(errors="replace")) for source in sources])) > MAX_TEMPLATE:
            raise Unrenderable("text" if len(parts.text) > len(parts.html) else "html", 0, _too_large(size))
        self._parts = [_Part(field, source) for field, source in zip(_FIELDS, sources, strict=True)]
        self.needs = frozenset().union(*[part.needs for part in self._parts])
        self.subject_words = frozenset(_WORD.findall(parts.subject))
        """Among them all that the subject names."""
        self.words = self.subject_words.union(_WORD.findall(parts.text), _WORD.findall(parts.html))
        """The same of all three."""

    def missing(self, variables: Mapping[str, Any]) -> list[str]:
        """What is named and not given, in order: it may still be that rendering does without it."""
        return missing_of(self.needs, variables)

    def render(self, variables: Mapping[str, Any]) -> Parts:
        """The parts for one mail. Takes microseconds, or some 10 ms when a template is made to; one that is SLOW twice is refused then.

        Raises:
            Unrenderable: a variable is missing, a value is not of the kind that is asked of it, or it does too much.
        """
        subject, text, html = [part.render(variables) for part in self._parts]
        return Parts(subject, text, html)


def _too_large(size: int) -> str:
    return f"templates of {size:,} octets, at most {MAX_TEMPLATE:,} are allowed: attach what is large"


@lru_cache(maxsize=64)
def compiled(parts: Parts) -> Templates:
    """The templates of parts, compiled once while they are among the last 64.

    Raises:
        Unrenderable: what is wrong with one of them.
    """
    return Templates(parts)


def missing_of(needs: frozenset[str], variables: Mapping[str, Any]) -> list[str]:
    """The dotted names of `needs` that lead to nothing."""
    if needs <= variables.keys():
        return []
    return sorted({lacking for need in needs if (lacking := _lacking(need, variables))})


def _lacking(need: str, variables: Mapping[str, Any]) -> str:
    """As much of the name as leads nowhere; empty: it is there, or asks something of a value that is no object."""
    value: Any = variables
    way = need.split(".")
    for depth, name in enumerate(way):
        if type(value) is not dict and depth:
            return ""
        if name not in value:
            return ".".join(way[: depth + 1])
        value = value[name]
    return ""
