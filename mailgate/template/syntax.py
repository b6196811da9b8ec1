"""The part of the template language that is taken. Pure.

The engine bounds instructions and text by its fuel, but two things it does not: how deep an expression of a template nests (its compiler
recurses, and a stack that overflows kills the process), and how large a container is when it is written out or compared (a list that holds
another one twice, and so on thirty times, has a billion members). So templates are read here before the engine sees them, with its own
rules for where a tag begins and ends:

- a tag has at most MAX_TAG characters, and there are at most MAX_ELIFS of `elif`: that bounds the nesting;
- lists, maps and tuples are written of constants only, and neither `*` nor a `+` that could join lists is taken: with no macros, recursive
  loops or namespaces either, no value can be larger than the variables and the template are, but text, which fuel bounds;
- what filters, tests, methods and functions there are is listed: those whose work fuel does not measure are left out, and so are
  arguments that make it unmeasured;
- nothing includes, imports or extends.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from mailgate.template.language import BARE, FILTERS, FUNCTIONS, METHODS, SELECTING, STATEMENTS, TESTS

MAX_TAG = 2000
"""Characters from a tag's start to its end. The compiler takes some 300 octets of stack for one: 16,000 levels fit 8 MiB, 2,000 fit 1."""

MAX_TAGS = 10_000
"""Of a template: reading one takes some 4 µs, so that all take 40 ms."""

MAX_ELIFS = 200
"""Of a template: each nests in the one before it, and takes more than 1 KiB of stack."""


_WORDS = frozenset({"in", "not", "and", "or", "if", "elif", "else", "is", "for", "set"})
"""After them an expression begins."""

_CONSTANTS = frozenset({"true", "false", "none", "True", "False", "None"})
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
_AROUND_SUM = frozenset({"(", ")", "[", "]", ",", "=", "==", "!=", "<", ">", "<=", ">=", "+", "-", "~", "%", "/", "//", ""})
"""What may stand beyond the number of a sum; the words may too."""


class Unfit(ValueError):
    """A template that is not taken. `line` from 1; the text says why, for its author."""

    def __init__(self, line: int, text: str) -> None:
        self.line = line
        super().__init__(text)


@dataclass(slots=True)
class _Token:
    kind: str
    """`text`, `number`, `name` or `mark`; empty before the first and after the last."""
    value: str
    at: int


@dataclass(slots=True)
class _Open:
    """A bracket that is open. `kind`: of a `call`, an `index`, a `group` (which a comma makes a tuple), or a `literal` list or map."""

    kind: str
    comma: bool = False
    constant: bool = True


@dataclass(slots=True)
class _Tag:
    tokens: list[_Token]
    opened: list[_Open] = field(default_factory=list)


_NOTHING = _Token("", "", 0)


def check(source: str) -> bool:
    """Whether there is a tag in it at all.

    Raises:
        Unfit: it says what is not taken. What is left to say about its syntax says the engine.
    """
    at = elifs = tags = 0
    while (start := _START.search(source, at)) is not None:
        tags += 1
        mark, at = start[0], start.start()
        if mark == "{#":
            at = _after_comment(source, at)
        elif mark == "{%" and (raw := _RAW.match(source, at)) is not None:
            end = _END_RAW.search(source, raw.end())
            if end is None:
                raise _unfit(source, at, "a `raw` block has no end")
            at = end.end()
        else:
            tokens, at = _read_tag(source, at, mark)
            if mark == "{%":
                elifs += _check_statement(source, start.start(), tokens)
            if elifs > MAX_ELIFS or tags > MAX_TAGS:
                raise _unfit(
                    source, start.start(), f"more than {MAX_TAGS:,} tags, or {MAX_ELIFS} of `elif`: have the caller prepare the text"
                )
            _check_expressions(source, tokens)
    return tags > 0


def _unfit(source: str, at: int, text: str) -> Unfit:
    return Unfit(source.count("\n", 0, at) + 1, text)


def _after_comment(source: str, at: int) -> int:
    begin = at + 2 + (source[at + 2 : at + 3] in ("-", "+"))
    end = source.find("#}", begin)
    if end < 0:
        raise _unfit(source, at, "a comment has no end")
    return end + 2


def _read_tag(source: str, start: int, mark: str) -> tuple[list[_Token], int]:
    """Its tokens, and where it ends. Brackets match, as the engine looks for the end only where none is open."""
    tokens: list[_Token] = []
    opened: list[str] = []
    ending, limit = _ENDS[mark], start + MAX_TAG
    at = start + 2 + (source[start + 2 : start + 3] in ("-", "+"))
    while at < len(source):
        if not opened and (end := ending.match(source, at)) is not None:
            return tokens, end.end()
        token = _TOKEN.match(source, at)
        if token is None or token.end() > limit or token[0] in ("'", '"'):
            raise _unfit(source, start, f"a tag has more than {MAX_TAG:,} characters, or it or a text in it has no end")
        if (value := token[0]) in _CLOSES:
            opened.append(_CLOSES[value])
        elif value in (")", "]", "}") and (not opened or opened.pop() != value):
            raise _unfit(source, at, f"a `{value}` closes nothing")
        if token.lastgroup:
            tokens.append(_Token(token.lastgroup, value, at))
        at = token.end()
    raise _unfit(source, start, "a tag has no end")


def _check_statement(source: str, at: int, tokens: list[_Token]) -> bool:
    """Whether it is an elif."""
    name = tokens[0].value if tokens else ""
    if name not in STATEMENTS:
        raise _unfit(source, at, f"the statement `{name}` is not taken: there are {', '.join(sorted(STATEMENTS))} and raw")
    if any(token.value == "recursive" and token.kind == "name" for token in tokens):
        raise _unfit(source, at, "recursive loops are not taken")
    return name == "elif"


def _check_expressions(source: str, tokens: list[_Token]) -> None:
    tag = _Tag(tokens)
    for index, token in enumerate(tokens):
        before = tokens[index - 1] if index else _NOTHING
        if token.kind == "mark":
            _check_mark(source, tag, index, before)
        elif token.kind == "name":
            if token.value not in _CONSTANTS and tag.opened:
                tag.opened[-1].constant = False
            if before.value == "|" and before.kind == "mark":
                _check_filter(source, tokens, index)
            elif before.kind == "name" and before.value in ("is", "not"):
                _check_test(source, tokens, index)


def _check_mark(source: str, tag: _Tag, index: int, before: _Token) -> None:
    token, opened = tag.tokens[index], tag.opened
    match token.value:
        case "(" | "[" | "{":
            opened.append(_Open(_kind(token.value, before)))
            if opened[-1].kind == "call":
                _check_call(source, tag.tokens, index)
        case ")" | "]" | "}":
            _close(source, token, opened)
        case ",":
            _note_comma(source, tag, index)
        case "*" | "**":
            raise _unfit(source, token.at, f"`{token.value}` is not taken, as it repeats lists: have the caller multiply")
        case "+" if not _adds_number(tag.tokens, index):
            raise _unfit(source, token.at, "`+` is taken before or after a number alone: join text with `~`, have the caller add")


def _kind(bracket: str, before: _Token) -> str:
    operand = before.value in (")", "]", "}") if before.kind == "mark" else before.kind != "" and not _is_word(before)
    if bracket == "(":
        return "call" if operand else "group"
    return "index" if bracket == "[" and operand else "literal"


def _is_word(token: _Token) -> bool:
    return token.kind == "name" and token.value in _WORDS


def _close(source: str, token: _Token, opened: list[_Open]) -> None:
    closed = opened.pop()
    if not closed.constant and (closed.kind == "literal" or (closed.kind == "group" and closed.comma)):
        raise _unfit(source, token.at, "lists, maps and tuples may hold constants only: give others as variables")
    if opened and not (closed.constant and closed.kind in ("group", "literal")):
        opened[-1].constant = False


def _note_comma(source: str, tag: _Tag, index: int) -> None:
    if tag.opened:
        tag.opened[-1].comma = True
        return
    tokens = tag.tokens
    if tokens[0].value == "for" and not any(token.value == "in" for token in tokens[:index]):
        return
    raise _unfit(source, tokens[index].at, "a comma makes a tuple here, which may hold constants only, in parentheses")


def _adds_number(tokens: list[_Token], index: int) -> bool:
    """A number stands beside it that is an operand of its own."""

    def at(place: int) -> _Token:
        return tokens[place] if 0 <= place < len(tokens) else _NOTHING

    def stands(number: _Token, beyond: _Token) -> bool:
        return number.kind == "number" and (_is_word(beyond) or (beyond.kind in ("", "mark") and beyond.value in _AROUND_SUM))

    return stands(at(index - 1), at(index - 2)) or stands(at(index + 1), at(index + 2))


def _check_call(source: str, tokens: list[_Token], index: int) -> None:
    """What is before the parenthesis: a filter (checked where its name stands), a test, a method, or a function."""
    name, how = tokens[index - 1], tokens[index - 2].value if index > 1 else ""
    if name.kind == "name" and name.value in BARE and tokens[index + 1].value != ")":
        raise _unfit(source, name.at, f"`{name.value}` is taken without arguments alone")
    if name.kind == "name" and how in ("|", "is", "not"):
        return
    known = METHODS if how == "." else FUNCTIONS
    if name.kind != "name" or name.value not in known:
        raise _unfit(source, name.at, f"`{name.value}` cannot be called here: there are {', '.join(sorted(known))}")


def _check_filter(source: str, tokens: list[_Token], index: int) -> None:
    name = tokens[index].value
    if name not in FILTERS:
        raise _unfit(source, tokens[index].at, f"the filter `{name}` is not taken: there are {', '.join(sorted(FILTERS))}")
    if name in SELECTING:
        _check_selecting(source, tokens, index)
    if name == "map":
        call = [(token.kind, token.value) for token in tokens[index + 1 : index + 6]]
        if [*call[:3], *call[4:]] != [("mark", "("), ("name", "attribute"), ("mark", "="), ("mark", ")")] or call[3][0] != "text":
            raise _unfit(source, tokens[index].at, '`map` is taken as map(attribute="…") alone')


def _check_test(source: str, tokens: list[_Token], index: int) -> None:
    """Of `is`, or of `is not`; a name after another `not` is an operand."""
    before = tokens[index - 1]
    if before.value == "not" and not (index > 1 and tokens[index - 2].value == "is"):
        return
    name = tokens[index].value
    if name not in TESTS and not (before.value == "is" and name == "not"):
        raise _unfit(source, tokens[index].at, f"the test `{name}` is not taken: there are {', '.join(sorted(TESTS))}")


def _check_selecting(source: str, tokens: list[_Token], index: int) -> None:
    """The test's name, if there is one, stands there as a text."""
    place = index + 2 + 2 * SELECTING[tokens[index].value]
    call = tokens[index + 1 : place + 1]
    if len(call) < place - index or call[0].value != "(" or ")" in [token.value for token in call if token.kind == "mark"]:
        return
    texts = call[1::2]
    if not all(token.kind == "text" for token in texts) or texts[-1].value[1:-1] not in TESTS:
        known = ", ".join(sorted(TESTS))
        raise _unfit(source, tokens[index].at, f"`{tokens[index].value}` names its test as a text, one of {known}")
