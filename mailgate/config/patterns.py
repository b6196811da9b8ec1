"""Whether a regular expression of the settings may be tried on every refusal: it must never be slow, whatever a server says. Pure.

The engine of Python backtracks, so what counts is in how many ways a pattern can be tried from one place of a text: the product of what its
parts leave open. A repeat within a repeat, or a choice within one, has too many ways to count, and is refused.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from re import _constants as names  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

LONGEST = 200
"""Characters of a pattern."""
TEXT = 512
"""Characters of a text that are looked at: a reply has no more octets."""
WAYS = 3100
"""In which a pattern may be tried from one place, a choice counted twice, as it is dearer. `.*` is 513, `.{0,24}` is 25, `(a|b|c)` is 6;
`a.*b.*c` would be 263,169. The worst that was found took 22 ms over a text that was made for it."""

_ONE_WAY = frozenset({names.LITERAL, names.NOT_LITERAL, names.ANY, names.IN, names.AT, names.CATEGORY, names.RANGE})
_REPEATS = frozenset({names.MAX_REPEAT, names.MIN_REPEAT, names.POSSESSIVE_REPEAT})
_AROUND = frozenset({names.ASSERT, names.ASSERT_NOT})


def fault(pattern: str) -> str:
    """What is wrong with it, as a cure; empty when it may be used."""
    if len(pattern) > LONGEST:
        return f"it has {len(pattern)} characters, and {LONGEST} are the most: keep the words that matter"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(pattern)
            ways = _ways(parser.parse(pattern))
    except _TooOpen as error:
        return str(error)
    except (re.error, OverflowError, RecursionError, Warning) as error:
        return f"it is no regular expression ({error}): put a \\ before signs that mean themselves"
    if ways > WAYS:
        return "a text could be matched in too many ways: write .{0,40} for .*, and fewer alternatives"
    return ""


class _TooOpen(Exception):
    """It cannot be counted."""


def _ways(items: Iterable[tuple[Any, Any]]) -> int:
    """The ways of parts that follow each other."""
    ways = 1
    for kind, content in items:
        ways = min(ways * _ways_of(kind, content), WAYS + 1)
    return ways


def _ways_of(kind: object, content: Any) -> int:  # noqa: ANN401 - the parser's own
    if kind in _ONE_WAY:
        return 1
    if kind in _REPEATS:
        return _repeated(*content)
    if kind is names.SUBPATTERN:
        return _ways(content[3])
    if kind is names.BRANCH:
        return 2 * sum(map(_ways, content[1]))
    if kind in _AROUND:
        return _ways(content[1])
    if kind is names.ATOMIC_GROUP:
        return _ways(content)
    raise _TooOpen("leave out back references and conditions: they can be slow")


def _repeated(least: int, most: int, inner: Iterable[tuple[Any, Any]]) -> int:
    ways = _ways(inner)
    if most <= 1:
        return ways + 1 - least
    if ways > 1:
        raise _TooOpen("a repeat within a repeat, or a choice within one, can be slow: write (a|b)* as [ab]*, and (a+)* as a*")
    return max(1, min(most, TEXT) - least + 1)
