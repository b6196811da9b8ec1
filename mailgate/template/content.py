"""A mail's subject, text and html as compiled templates, and their rendering with a mail's variables. Pure."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from minijinja import Environment, TemplateError

from mailgate.mail import Parts
from mailgate.template.language import FUNCTIONS
from mailgate.template.syntax import MAX_TOKENS, check
from mailgate.template.tags import Unfit
from mailgate.template.variables import prefix
from mailgate.template.watch import TEST, watched

FUEL = 25_000
"""Instructions of a part, to which 64 octets written or looked through count as one. So a part is at most some 1.6 MB longer than its
template, and an endless loop ends after some milliseconds; without fuel it would hold the interpreter for ever."""

FUEL_WATCHED = 60_000
"""The same where a template looks at the clock, which takes three instructions each time: 1,000 lines, compared and sorted, take 50,000."""

FUEL_OCTETS = 64
"""Octets of a part's own text for which it has one instruction more."""

MAX_TEMPLATE = 1024 * 1024
"""Octets of subject, text and html together, when they are templates."""

SLOW = 0.03
"""Seconds of a processor after which a mail's rendering ends, at the next look at the clock: 25,000 instructions take some 5 ms. What fuel
does not measure takes 30 ms between two looks at worst."""

TIMES = 2
"""Templates that were SLOW so often are not rendered any more while they are compiled: 300 mails of them would hold a node for 10 s."""

_METHODS = frozenset(["clear", "copy", "fromkeys", "get", "items", "keys", "pop", "popitem", "setdefault", "update", "values"])
"""The engine looks names up in a dict of Python's, and takes its methods for members that are not there."""

_WORD = re.compile(r"[0-9A-Za-z_\x80-\U0010ffff]+")
_SET = re.compile(r"\{%[-+]?\s*set\s+(\w+)\s*(?:=(?P<value>.*?)[-+]?%\}|[^=]*?%\}(?P<block>.*?)\{%[-+]?\s*endset)", re.DOTALL)

_FIELDS = ("subject", "text", "html")
_WORDS_OF = {
    "OutOfFuel": "it does or writes too much: make loops shorter, or have the caller prepare the text",
    "UndefinedError": "a value is needed here that is not given",
}
_TOO_SLOW = "it takes too long: compare, sort and search less in loops, or have the caller prepare the text"


class _Slow(Exception):
    """The same inside the engine."""


class _Clock(threading.local):
    """Of the rendering that this thread is in. Who waits for the processor is not slow: only its own time counts."""

    until = used = 0.0

    def start(self) -> None:
        self.until, self.used = time.perf_counter() + SLOW, time.thread_time()

    def timely(self, _: object) -> bool:
        """The test that templates have. Must be cheap: 0.3 µs."""
        if time.perf_counter() > self.until and time.thread_time() - self.used > SLOW:
            raise _Slow
        return True


_CLOCK = _Clock()


class Unrenderable(ValueError):
    """A template that is wrong, or that cannot be rendered with some variables.

    `field` is subject, text or html; `line` is from 1, 0 when it is not known; `missing` names what the template needs and is not given, as
    far as that is known.
    """

    def __init__(self, field: str, line: int, text: str, missing: tuple[str, ...] = ()) -> None:
        self.field, self.line, self.text, self.missing = field, line, text, missing
        super().__init__(f"{field}, line {line}: {text}" if line else f"{field}: {text}")


class TooSlow(Unrenderable):
    """Its time was up."""


class _Part:
    """One of the three."""

    def __init__(self, field: str, source: str, words: int) -> None:
        """`words`: that its tags may have."""
        self.field, self._source = field, source
        self._name = f"{field}.{'html' if field == 'html' else 'txt'}"
        self._engine: Environment | None = None
        self.needs: frozenset[str] = frozenset()
        self._methods: tuple[str, ...] = ()
        try:
            tags = check(source, words)
            self.words = sum([1 + len(tag.tokens) for tag in tags])
            if tags:
                self._watched = watched(source, tags)
                self._compile()
        except Unfit as reason:
            raise Unrenderable(field, reason.line, str(reason)) from None
        except TemplateError as error:
            raise Unrenderable(field, error.line or 0, error.detail or error.message) from None
        except BaseException as error:
            raise _defect(field, error) from None

    def _compile(self) -> None:
        most = FUEL if self._watched is self._source else FUEL_WATCHED
        fuel = most + len(self._source.encode()) // FUEL_OCTETS
        engine = Environment(undefined_behavior="strict", fuel=fuel, keep_trailing_newline=True, debug=False)
        for name in engine.globals:
            if name not in FUNCTIONS:
                engine.remove_global(name)
        engine.add_test(TEST, _CLOCK.timely)
        engine.add_template(self._name, self._watched)
        self._engine = engine
        named = engine.undeclared_variables_in_str(self._source, nested=True)
        self.needs = frozenset([*named, *_set_from_themselves(self._source)]) - FUNCTIONS
        self._methods = tuple([name for name in sorted(_METHODS) if name in self._source])

    @property
    def looks(self) -> bool:
        """At the clock."""
        return self._engine is not None and self._watched is not self._source

    def render(self, variables: Mapping[str, Any], timed: bool) -> str:
        """`timed`: the clock was started."""
        engine = self._engine
        if engine is None:
            return self._source
        try:
            if timed:
                _CLOCK.timely(self)
            return self._render(engine, variables)
        except _Slow:
            raise TooSlow(self.field, 0, _TOO_SLOW) from None
        except TemplateError as error:
            raise self._explain(error, variables) from None
        except BaseException as error:
            raise _defect(self.field, error) from None

    def _render(self, engine: Environment, variables: Mapping[str, Any]) -> str:
        absent = [name for name in self._methods if name not in variables]
        holders = {name: value for name, value in variables.items() if type(value) in (dict, list)}
        if not absent and not holders:
            return engine.render_template(self._name, **variables)
        used = {name: value for name, value in holders.items() if name in self._source}
        scalars = {name: value for name, value in variables.items() if name not in holders}
        before = prefix(used, absent)
        try:
            return engine.render_str(f"{before}{{% include '{self._name}' %}}", self._name, **scalars)
        except TemplateError as error:
            if error.kind != "BadInclude":
                raise
        return engine.render_str(before + self._watched, self._name, **scalars)  # as one, for what is wrong in it and where

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
        self._parts: list[_Part] = []
        words = MAX_TOKENS
        for field, source in zip(_FIELDS, sources, strict=True):
            self._parts.append(_Part(field, source, words))
            words -= self._parts[-1].words
        self._timed = any([part.looks for part in self._parts])
        self._slow = 0
        self.needs = frozenset().union(*[part.needs for part in self._parts])
        self.subject_words = frozenset(_WORD.findall(parts.subject))
        """Among them all that the subject names."""
        self.words = self.subject_words.union(_WORD.findall(parts.text), _WORD.findall(parts.html))
        """The same of all three."""

    def missing(self, variables: Mapping[str, Any]) -> list[str]:
        """What is named and not given, in order: it may still be that rendering does without it."""
        return missing_of(self.needs, variables)

    def render(self, variables: Mapping[str, Any]) -> Parts:
        """The parts for one mail. Takes microseconds, or 60 ms at worst when a template is made to.

        Raises:
            Unrenderable: a variable is missing, a value is not of the kind that is asked of it, or it does too much.
            TooSlow: it was SLOW, or has been before, TIMES times.
        """
        if self._slow >= TIMES:
            raise TooSlow(self._parts[-1].field, 0, _TOO_SLOW)
        if self._timed:
            _CLOCK.start()
        try:
            subject, text, html = [part.render(variables, self._timed) for part in self._parts]
        except TooSlow:
            self._slow += 1
            raise
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
