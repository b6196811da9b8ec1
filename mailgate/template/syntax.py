"""The part of the template language that is taken. Pure.

The engine bounds instructions and text by its fuel, but two things it does not: how deep an expression of a template nests (its compiler
recurses, and a stack that overflows kills the process), and how large a container is when it is written out or compared (a list that holds
another one twice, and so on thirty times, has a billion members). So templates are read here before the engine sees them, with its own
rules for where a tag begins and ends:

- a tag has at most MAX_TAG characters, and there are at most MAX_ELIFS of `elif`: that bounds the nesting;
- lists, maps and tuples are written of constants only, and neither `*` nor a `+` that could join lists is taken: with no macros, recursive
  loops or namespaces either, no value can be larger than the variables and the template are, but text, which fuel bounds;
- what filters, tests, methods and functions there are is listed, and what is searched for and paths to attributes are texts that stand in
  the template: of work that fuel does not measure none is left that takes long at once. What repeats it meets the clock (watch.py);
- all tags together have at most MAX_TOKENS words, which bounds the time of reading and compiling;
- nothing includes, imports or extends.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mailgate.template.language import BARE, FILTERS, FUNCTIONS, METHODS, PATHS, SEARCHING, SELECTING, STATEMENTS, TESTS
from mailgate.template.tags import MAX_TAG, Tag, Token, tags_of, unfit

MAX_TOKENS = 8000
"""Of all tags: themselves, and the names, numbers, texts and marks in them. Reading and compiling one takes 2 to 3 µs."""

MAX_TAG_TOKENS = 400
"""Of one: the time of compiling it grows with their square."""

MAX_PATH = 100
"""Characters of a path to an attribute."""

MAX_ELIFS = 200
"""Of a template: each nests in the one before it, and takes more than 1 KiB of stack."""


_WORDS = frozenset({"in", "not", "and", "or", "if", "elif", "else", "is", "for", "set"})
"""After them an expression begins."""

_CONSTANTS = frozenset({"true", "false", "none", "True", "False", "None"})
_AROUND_SUM = frozenset({"(", ")", "[", "]", ",", "=", "==", "!=", "<", ">", "<=", ">=", "+", "-", "~", "%", "/", "//", ""})
"""What may stand beyond the number of a sum; the words may too."""


@dataclass(slots=True)
class _Open:
    """A bracket that is open. `kind`: of a `call`, an `index`, a `group` (which a comma makes a tuple), or a `literal` list or map."""

    kind: str
    comma: bool = False
    constant: bool = True


@dataclass(slots=True)
class _Reading:
    """A tag whose tokens are looked at one by one."""

    tokens: list[Token]
    opened: list[_Open] = field(default_factory=list)


_NOTHING = Token("", "", 0)


def check(source: str, most: int = MAX_TOKENS) -> list[Tag]:
    """Its tags. `most`: tokens that they may have together, each tag counted as one more.

    Raises:
        Unfit: it says what is not taken. What is left to say about its syntax says the engine.
    """
    elifs = 0
    tags: list[Tag] = []
    for tag in tags_of(source):
        tags.append(tag)
        if tag.mark == "{%" and tag.tokens:
            elifs += _check_statement(source, tag.at, tag.tokens)
        if len(tag.tokens) > MAX_TAG_TOKENS:
            raise unfit(source, tag.at, f"a tag has more than {MAX_TAG_TOKENS} words: have the caller prepare the text")
        _check_expressions(source, tag.tokens)
        most -= 1 + len(tag.tokens)
        if most < 0 or elifs > MAX_ELIFS:
            text = f"more than {MAX_TOKENS:,} words in the tags, or {MAX_ELIFS} of `elif`: have the caller prepare the text"
            raise unfit(source, tag.at, text)
    return tags


def _check_statement(source: str, at: int, tokens: list[Token]) -> bool:
    """Whether it is an elif."""
    name = tokens[0].value if tokens else ""
    if name not in STATEMENTS:
        raise unfit(source, at, f"the statement `{name}` is not taken: there are {', '.join(sorted(STATEMENTS))} and raw")
    if any(token.value == "recursive" and token.kind == "name" for token in tokens):
        raise unfit(source, at, "recursive loops are not taken")
    return name == "elif"


def _check_expressions(source: str, tokens: list[Token]) -> None:
    tag = _Reading(tokens)
    for index, token in enumerate(tokens):
        before = tokens[index - 1] if index else _NOTHING
        if token.kind == "mark":
            _check_mark(source, tag, index, before)
        elif token.kind == "name":
            if token.value not in _CONSTANTS and tag.opened:
                tag.opened[-1].constant = False
            if before.value == "|" and before.kind == "mark":
                _check_filter(source, tokens, index)
            elif token.value == "attribute" and index + 2 < len(tokens) and tokens[index + 1].value == "=":
                _check_text(source, tokens, index + 2, "`attribute`", MAX_PATH)
            elif before.kind == "name" and before.value in ("is", "not"):
                _check_test(source, tokens, index)


def _check_mark(source: str, tag: _Reading, index: int, before: Token) -> None:
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
            raise unfit(source, token.at, f"`{token.value}` is not taken, as it repeats lists: have the caller multiply")
        case "+" if not _adds_number(tag.tokens, index):
            raise unfit(source, token.at, "`+` is taken before or after a number alone: join text with `~`, have the caller add")


def _kind(bracket: str, before: Token) -> str:
    operand = before.value in (")", "]", "}") if before.kind == "mark" else before.kind != "" and not _is_word(before)
    if bracket == "(":
        return "call" if operand else "group"
    return "index" if bracket == "[" and operand else "literal"


def _is_word(token: Token) -> bool:
    return token.kind == "name" and token.value in _WORDS


def _close(source: str, token: Token, opened: list[_Open]) -> None:
    closed = opened.pop()
    if not closed.constant and (closed.kind == "literal" or (closed.kind == "group" and closed.comma)):
        raise unfit(source, token.at, "lists, maps and tuples may hold constants only: give others as variables")
    if opened and not (closed.constant and closed.kind in ("group", "literal")):
        opened[-1].constant = False


def _note_comma(source: str, tag: _Reading, index: int) -> None:
    if tag.opened:
        tag.opened[-1].comma = True
        return
    tokens = tag.tokens
    if tokens[0].value == "for" and not any(token.value == "in" for token in tokens[:index]):
        return
    raise unfit(source, tokens[index].at, "a comma makes a tuple here, which may hold constants only, in parentheses")


def _adds_number(tokens: list[Token], index: int) -> bool:
    """A number stands beside it that is an operand of its own."""

    def at(place: int) -> Token:
        return tokens[place] if 0 <= place < len(tokens) else _NOTHING

    def stands(number: Token, beyond: Token) -> bool:
        return number.kind == "number" and (_is_word(beyond) or (beyond.kind in ("", "mark") and beyond.value in _AROUND_SUM))

    return stands(at(index - 1), at(index - 2)) or stands(at(index + 1), at(index + 2))


def _check_call(source: str, tokens: list[Token], index: int) -> None:
    """What is before the parenthesis: a filter (checked where its name stands), a test, a method, or a function."""
    name, how = tokens[index - 1], tokens[index - 2].value if index > 1 else ""
    if name.kind == "name" and name.value in BARE and tokens[index + 1].value != ")":
        raise unfit(source, name.at, f"`{name.value}` is taken without arguments alone")
    if name.kind == "name" and name.value in SEARCHING and tokens[index + 1].value != ")":
        _check_text(source, tokens, index + 1, f"what `{name.value}` looks for")
    if name.kind == "name" and name.value in PATHS and how == "|" and tokens[index + 1].value != ")":
        _check_path(source, tokens, index + 1, name.value)
    if name.kind == "name" and how in ("|", "is", "not"):
        return
    known = METHODS if how == "." else FUNCTIONS
    if name.kind != "name" or name.value not in known:
        raise unfit(source, name.at, f"`{name.value}` cannot be called here: there are {', '.join(sorted(known))}")


def _check_filter(source: str, tokens: list[Token], index: int) -> None:
    name = tokens[index].value
    if name not in FILTERS:
        raise unfit(source, tokens[index].at, f"the filter `{name}` is not taken: there are {', '.join(sorted(FILTERS))}")
    if name in SELECTING:
        _check_selecting(source, tokens, index)
    if name == "map":
        call = [(token.kind, token.value) for token in tokens[index + 1 : index + 6]]
        if [*call[:3], *call[4:]] != [("mark", "("), ("name", "attribute"), ("mark", "="), ("mark", ")")] or call[3][0] != "text":
            raise unfit(source, tokens[index].at, '`map` is taken as map(attribute="…") alone')


def _check_path(source: str, tokens: list[Token], index: int, name: str) -> None:
    """The first argument of a filter that looks at an attribute, by place or by name."""
    named = tokens[index].value == "attribute" and index + 2 < len(tokens) and tokens[index + 1].value == "="
    if name == "sum" and tokens[index + 1 + 2 * named].value != ")":
        raise unfit(source, tokens[index].at, "`sum` takes an `attribute` alone")
    if not named:
        _check_text(source, tokens, index, f"what `{name}` looks at", MAX_PATH)


def _check_text(source: str, tokens: list[Token], index: int, what: str, most: int = MAX_TAG) -> None:
    """An argument is a text that stands there, and nothing is made of it."""
    token, after = tokens[index], tokens[index + 1].value if index + 1 < len(tokens) else ""
    if token.kind != "text" or after not in (",", ")") or len(token.value) > most:
        raise unfit(source, token.at, f"{what} stands there as a text of at most {most:,} characters")


def _check_test(source: str, tokens: list[Token], index: int) -> None:
    """Of `is`, or of `is not`; a name after another `not` is an operand."""
    before = tokens[index - 1]
    if before.value == "not" and not (index > 1 and tokens[index - 2].value == "is"):
        return
    name = tokens[index].value
    if name not in TESTS and not (before.value == "is" and name == "not"):
        raise unfit(source, tokens[index].at, f"the test `{name}` is not taken: there are {', '.join(sorted(TESTS))}")


def _check_selecting(source: str, tokens: list[Token], index: int) -> None:
    """The test's name, if there is one, stands there as a text."""
    place = index + 2 + 2 * SELECTING[tokens[index].value]
    call = tokens[index + 1 : place + 1]
    if len(call) < place - index or call[0].value != "(" or ")" in [token.value for token in call if token.kind == "mark"]:
        return
    texts = call[1::2]
    if not all(token.kind == "text" for token in texts) or texts[-1].value[1:-1] not in TESTS:
        known = ", ".join(sorted(TESTS))
        raise unfit(source, tokens[index].at, f"`{tokens[index].value}` names its test as a text, one of {known}")
