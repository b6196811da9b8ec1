"""Which regular expressions may be tried on what servers say."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailgate.config.patterns import LONGEST, fault


@pytest.mark.parametrize(
    "pattern",
    [
        "mailbox full",
        r"\bspam\b",
        "blocked.*list",
        "too (many|much).{0,40}(mail|message|connection)s?",
        r"^\[TSS\d{2}\]",
        "(?:ab){2,5}",
        "(?i:quota)",
        "colou?r",
        "[45]xx+",
        "(a|b)*",
        "x" * LONGEST,
    ],
)
def test_what_may_be_used(pattern: str) -> None:
    """Words, choices, and one open end."""
    assert fault(pattern) == ""
    re.compile(pattern)


@pytest.mark.parametrize(
    ("pattern", "cure"),
    [
        ("(a+)+", "a repeat within a repeat"),
        ("(aa|a)*b", "a repeat within a repeat, or a choice within one"),
        ("(?:.*)*", "a repeat within a repeat"),
        ("a.*b.*c", "too many ways"),
        ("(a|aa)" * 11, "too many ways"),
        ("(?=.*a)(?=.*b)c", "too many ways"),
        (r"(a)\1", "back references"),
        ("(a)?(?(1)b|c)", "back references and conditions"),
        ("(", "no regular expression"),
        ("[[:alpha:]]", "no regular expression"),
        ("a(?i)b", "no regular expression"),
        ("a{99999999999}", "no regular expression"),
        ("x" * (LONGEST + 1), "the most"),
    ],
)
def test_what_may_not_and_what_is_said(pattern: str, cure: str) -> None:
    """Each with the way out."""
    assert cure in fault(pattern)


@given(st.text(alphabet="ab.*+?{}()|[]\\1,^$=:<!0 ", max_size=40))
def test_any_text_is_judged(pattern: str) -> None:
    """Nothing is raised, and what may be used compiles and can be tried."""
    if fault(pattern) == "":
        re.compile(pattern, re.I).search("ab" * 256)
