"""The EHLO reply, understood."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sender.smtp.capabilities import Capabilities, parse_capabilities


def test_all_that_matters() -> None:
    """Each extension is found by its keyword, in whatever letters."""
    text = "mx.example\nPIPELINING\nsize 10240000\n8BITMIME\nSmtpUtf8\nSTARTTLS\nAUTH PLAIN LOGIN\nDSN\nChunking"
    assert parse_capabilities(text) == Capabilities(True, True, True, 10240000, True, True, True)


def test_the_first_line_is_the_greeting() -> None:
    """A server named PIPELINING does not offer it."""
    assert parse_capabilities("PIPELINING") == Capabilities()


@pytest.mark.parametrize(
    ("line", "limit"), [("SIZE", 0), ("SIZE 0", 0), ("SIZE 1000", 1000), ("SIZE lots", 0), ("SIZE ٣", 0), ("SIZE " + "9" * 21, 0)]
)
def test_size_with_and_without_a_limit(line: str, limit: int) -> None:
    """RFC 1870: no number or 0 is no limit; what is no number is none either."""
    found = parse_capabilities("x\n" + line)
    assert found.size
    assert found.size_limit == limit


@given(st.text())
def test_no_text_breaks_it(text: str) -> None:
    """Whatever a server says, there are capabilities."""
    assert parse_capabilities(text).size_limit >= 0
