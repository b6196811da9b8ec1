"""A mail's variables: one JSON object, read strictly, and given to the engine as values of its own. Pure.

Scalars travel as Python's; whatever holds others is written out as a literal of the engine's. A list or dict of Python's would have its
methods called by templates, and be looked through at no cost of fuel.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

MAX_DEPTH = 32
"""Objects and arrays inside each other; the engine's compiler takes 150."""

MAX_MEMBERS = 5000
"""Values in all objects and arrays together: writing and compiling them takes some 2 ms a part, comparing two of them a tenth of one."""

WIDEST = 127
"""Bits of an integer, beside its sign: what the engine keeps exactly."""

_LONG_NUMBER = re.compile(rb"[0-9]{38}")
_RESERVED = frozenset(
    [
        *("true", "false", "none", "True", "False", "None", "loop", "self", "super"),
        *("in", "not", "and", "or", "if", "elif", "else", "is", "for", "set"),
    ]
)
"""What the engine's language has for itself."""
_NAME = re.compile(r"[^\W\d]\w*")


class Unreadable(ValueError):
    """Why something is no mail's variables; the text is for the caller."""


def read(data: bytes) -> dict[str, Any]:
    """The object's members; empty for no data. A member named twice is the last one, as everywhere in Python.

    Raises:
        Unreadable: it is not UTF-8, not JSON, no object, too deep, or holds a number or a character that no mail can show.
    """
    if not data:
        return {}
    try:
        text = data.decode()
        found = json.loads(text, parse_constant=_no_number, parse_float=_finite, parse_int=_exact if _LONG_NUMBER.search(data) else None)
    except UnicodeDecodeError as error:
        raise Unreadable(f"they are not UTF-8 (octet {error.start})") from None
    except json.JSONDecodeError as error:
        raise Unreadable(f"they are not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from None
    except RecursionError:
        raise Unreadable(_too_deep()) from None
    if type(found) is not dict:
        raise Unreadable('they are not one JSON object, such as {"name": "Ann"}')
    if b"\\u" in data or b"[" in data or data.count(b"{") > 1:
        _look_through(found)
    return found


def literal(value: object) -> str:
    """A value as the engine's language writes it: as JSON, but for null. JSON is written ten times as fast."""
    written = json.dumps(value, ensure_ascii=False)
    return _with_none(value) if "null" in written else written


def _with_none(value: object) -> str:
    match value:
        case None:
            return "none"
        case list():
            return f"[{', '.join([_with_none(each) for each in value])}]"
        case dict():
            return f"{{{', '.join([f'{json.dumps(key, ensure_ascii=False)}: {_with_none(each)}' for key, each in value.items()])}}}"
    return json.dumps(value, ensure_ascii=False)


def prefix(variables: Mapping[str, Any], absent: Iterable[str]) -> str:
    """What stands before a template: it sets the variables, and makes undefined what is absent. It writes nothing and adds no line."""
    made = [f"{{% set {name} = {literal(value)} %}}" for name, value in variables.items() if nameable(name)]
    return "".join([*made, *[f"{{% set {name} = {{}}.x %}}" for name in absent]])


def nameable(name: str) -> bool:
    """A template can name it."""
    return name not in _RESERVED and _NAME.fullmatch(name) is not None


def _look_through(found: dict[str, Any]) -> None:
    """Level by level: what is deep must not be deep here too."""
    level: list[Any] = [found]
    depth = count = 0
    while level:
        depth += 1
        count += sum(map(len, level))
        if count > MAX_MEMBERS:
            raise Unreadable(f"more than {MAX_MEMBERS:,} values in objects and arrays: give a mail what it shows")
        if depth > MAX_DEPTH:
            raise Unreadable(_too_deep())
        inner: list[Any] = []
        for each in level:
            if type(each) is dict:
                _check_texts(each)
            members = each.values() if type(each) is dict else each
            inner += [member for member in members if type(member) in (dict, list)]
            _check_texts([member for member in members if type(member) is str])
        level = inner


def _check_texts(texts: Iterable[str]) -> None:
    for text in texts:
        if "\0" in text:
            raise Unreadable("a text holds a NUL character, which no message may (RFC 5322 4): remove it")
        try:
            text.isascii() or text.encode()
        except UnicodeEncodeError:
            raise Unreadable("a text holds half of a surrogate pair: give whole characters") from None


def _too_deep() -> str:
    return f"more than {MAX_DEPTH} objects and arrays inside each other"


def _no_number(name: str) -> NoReturn:
    raise Unreadable(f"{name} is no JSON number: give a text or null")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise Unreadable(f"{text[:40]} is beyond the largest number: give it as a text")
    return value


def _exact(text: str) -> int:
    value = int(text) if len(text) <= WIDEST else 1 << WIDEST
    if value.bit_length() > WIDEST:
        raise Unreadable(f"{text[:40]} has more than {WIDEST} bits, and would not be shown exactly: give it as a text")
    return value
