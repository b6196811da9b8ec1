"""Where a template looks at the clock: before work that fuel does not measure, so that what repeats such work is stopped. Pure.

Comparing two lists, searching one or sorting it costs fuel for its members, but not for theirs, nor for the length of texts. One such step
takes a millisecond or some; a loop of thousands took seconds. So a test that never fails is written before each tag that has such a step,
and before each condition that the engine evaluates again and again; it raises when time is up. No line is added, and nothing is written.
"""

from __future__ import annotations

from mailgate.template.language import MEASURED, MEASURED_TESTS
from mailgate.template.tags import Tag, Token, unfit

TEST = "timely"
"""The name of the test, which no template can say."""

MAX_STEPS = 50
"""Unmeasured steps of a tag."""

_NOTHING = Token("", "", 0)
_COMPARING = frozenset({"==", "!=", "<", ">", "<=", ">="})


def watched(source: str, tags: list[Tag]) -> str:
    """The template with the test; the same object when there is nothing to watch.

    Raises:
        Unfit: a tag has more than MAX_STEPS.
    """
    pieces: list[str] = []
    done = 0
    for tag in tags:
        first = tag.tokens[0].value if tag.tokens and tag.mark == "{%" else ""
        steps = _steps(tag.tokens)
        if not steps and first != "for":
            continue
        if steps > MAX_STEPS:
            text = f"more than {MAX_STEPS} comparisons, searches and the like in a tag: have the caller prepare the text"
            raise unfit(source, tag.at, text)
        if first not in ("if", "elif"):
            pieces += [source[done : tag.at], f"{{%{'-' if source[tag.at + 2] == '-' else ''} if 0 is {TEST} %}}{{% endif %}}"]
            done = tag.at
        for index, token in enumerate(tag.tokens):
            if token.kind == "name" and token.value in ("if", "elif") and (index == 0 or tag.tokens[index - 1].value != "."):
                after = token.at + len(token.value)
                pieces += [source[done:after], f" 0 is {TEST} and "]
                done = after
    return "".join([*pieces, source[done:]]) if pieces else source


def _steps(tokens: list[Token]) -> int:
    """Unmeasured ones. `format` may write out each of its arguments."""
    commas = sum([token.value == "," for token in tokens]) if any([token.value == "format" for token in tokens]) else 0
    return commas + sum([_is_step(tokens, index) for index in range(len(tokens))])


def _is_step(tokens: list[Token], index: int) -> bool:
    """Whatever is not known to be measured is one. Comparing with a number or a text that stands on the right takes no time."""
    token, before = tokens[index], tokens[index - 1] if index else _NOTHING
    if token.kind == "mark" and token.value in _COMPARING:
        return index + 1 == len(tokens) or tokens[index + 1].kind not in ("number", "text")
    if token.kind == "mark":
        return token.value == "[" or (token.value == "(" and index > 1 and tokens[index - 2].value == ".")
    if token.kind != "name":
        return False
    if before.value == "|" and before.kind == "mark":
        return token.value not in MEASURED
    if before.kind == "name" and (before.value == "is" or (before.value == "not" and index > 1 and tokens[index - 2].value == "is")):
        return token.value not in MEASURED_TESTS and token.value != "not"
    return token.value == "in"
