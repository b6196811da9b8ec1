"""The tags of a template, and the words in them, by the engine's own rules of where a tag begins and ends. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_TAG = 2000
"""Characters from a tag's start to its end. The compiler takes some 300 octets of stack for one: 16,000 levels fit 8 MiB, 2,000 fit 1."""

_START = re.compile(r"\{[{%#]")
_SPACE = r"[ \t\n\r\f]*"
_RAW = re.compile(rf"\{{%[-+]?{_SPACE}raw{_SPACE}[-+]?%\}}")
_END_RAW = re.compile(rf"\{{%[-+]?{_SPACE}endraw{_SPACE}[-+]?%\}}")
_ENDS = {"{{": re.compile(r"[-+]?\}\}"), "{%": re.compile(r"[-+]?%\}")}
_TOKEN = re.compile(
    r"""\s+|(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<number>\d+(?:\.\d+)?)|(?P<name>[^\W\d]\w*)|(?P<mark>//|\*\*|[=!<>]=|.)""",
    re.DOTALL,
)
_CLOSES = {"(": ")", "[": "]", "{": "}"}


class Unfit(ValueError):
    """A template that is not taken. `line` from 1; the text says why, for its author."""

    def __init__(self, line: int, text: str) -> None:
        self.line = line
        super().__init__(text)


@dataclass(slots=True)
class Token:
    """A word of a tag."""

    kind: str
    """`text`, `number`, `name` or `mark`; empty before the first and after the last."""
    value: str
    at: int


@dataclass(slots=True)
class Tag:
    """From `{{`, `{%` or `{#` at `at`, without the tokens of what is raw or a comment."""

    at: int
    mark: str
    tokens: list[Token] = field(default_factory=list)


def tags_of(source: str) -> Iterator[Tag]:
    """In order, read when it is asked for.

    Raises:
        Unfit: one has no end.
    """
    at = 0
    while (start := _START.search(source, at)) is not None:
        at = start.start()
        tag = Tag(at, start[0])
        if tag.mark == "{#":
            at = _after_comment(source, at)
        elif tag.mark == "{%" and (raw := _RAW.match(source, at)) is not None:
            end = _END_RAW.search(source, raw.end())
            if end is None:
                raise unfit(source, at, "a `raw` block has no end")
            at = end.end()
        else:
            tag.tokens, at = _read_tag(source, at, tag.mark)
        yield tag


def unfit(source: str, at: int, text: str) -> Unfit:
    """What is wrong at this character."""
    return Unfit(source.count("\n", 0, at) + 1, text)


def _after_comment(source: str, at: int) -> int:
    begin = at + 2 + (source[at + 2 : at + 3] in ("-", "+"))
    end = source.find("#}", begin)
    if end < 0:
        raise unfit(source, at, "a comment has no end")
    return end + 2


def _read_tag(source: str, start: int, mark: str) -> tuple[list[Token], int]:
    """Its tokens, and where it ends. Brackets match, as the engine looks for the end only where none is open."""
    tokens: list[Token] = []
    opened: list[str] = []
    ending, limit = _ENDS[mark], start + MAX_TAG
    at = start + 2 + (source[start + 2 : start + 3] in ("-", "+"))
    while at < len(source):
        if not opened and (end := ending.match(source, at)) is not None:
            return tokens, end.end()
        token = _TOKEN.match(source, at)
        if token is None or token.end() > limit or token[0] in ("'", '"'):
            raise unfit(source, start, f"a tag has more than {MAX_TAG:,} characters, or it or a text in it has no end")
        if (value := token[0]) in _CLOSES:
            opened.append(_CLOSES[value])
        elif value in (")", "]", "}") and (not opened or opened.pop() != value):
            raise unfit(source, at, f"a `{value}` closes nothing")
        if token.lastgroup:
            tokens.append(Token(token.lastgroup, value, at))
        at = token.end()
    raise unfit(source, start, "a tag has no end")
