"""Folding, encoded words and dates, by RFC 5322 and RFC 2047."""

from __future__ import annotations

import re
from email import message_from_string, policy
from email.header import decode_header, make_header

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailgate.errors import Invalid
from sender.compose import headers
from sender.compose.parameters import content_type
from sender.compose.words import encode_words

WORD = re.compile(r"=\?utf-8\?[qb]\?[!->@-~]*\?=")


def unfolded(field: str) -> str:
    return re.sub(r"\r\n(?=[ \t])", "", field).removesuffix("\r\n").partition(": ")[2]


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=400), st.integers(20, 75))
def test_encoded_words_say_the_text_in_words_of_75(text, room):
    """RFC 2047 2 and 5: at most 75 characters, whole characters in each word, no white space inside."""
    words = encode_words(text, room)
    assert all(WORD.fullmatch(word) for word in words)
    assert all(len(word) <= 75 for word in words)
    assert len(words[0]) <= max(room, 24)
    assert "".join(str(make_header(decode_header(word))) for word in words) == text, "each can be decoded alone"


@pytest.mark.parametrize(("text", "kind"), [("Viele Grüße aus Köln", "q"), ("注文の確認", "b"), ("Ü", "b")])
def test_q_is_taken_while_it_can_be_read(text, kind):
    """Latin scripts in Q, others in B."""
    assert encode_words(text, 75)[0].startswith(f"=?utf-8?{kind}?")


@given(st.lists(st.text("abc.,;:<>@/0123", min_size=1, max_size=90), min_size=1, max_size=20), st.sampled_from([" ", "  ", "\t", " \t "]))
def test_folding_takes_and_adds_nothing(words, gap):
    """RFC 5322 2.2.3: removing the line breaks gives the value again; no line of more than 78 that could be broken; none blank."""
    value = gap.join(words)
    field = headers.fold("X-Test", value)
    assert unfolded(field) == value
    lines = field.removesuffix("\r\n").split("\r\n")
    assert all(line.strip() for line in lines)
    assert all(len(line) <= 78 or len(line.split()) <= 2 for line in lines)


def test_a_word_longer_than_a_line_may_be_is_encoded():
    """998 octets are the end (RFC 5322 2.1.1)."""
    field = headers.user_field("X-Long", "x" * 2000)
    assert max(map(len, field.split("\r\n"))) <= 78
    assert message_from_string(field, policy=policy.default)["x-long"] == "x" * 2000
    assert headers.user_field("X-Long", "x" * 900) == f"X-Long:\r\n {'x' * 900}\r\n"


def test_a_subject_that_looks_encoded_is_shown_as_it_was_written():
    """Readers would decode it otherwise."""
    field = headers.subject("=?utf-8?q?sneaky?=")
    assert message_from_string(field, policy=policy.default)["subject"] == "=?utf-8?q?sneaky?="


def test_a_callers_encoded_words_are_kept():
    """A header of the caller's may be encoded already."""
    assert headers.user_field("X-A", "=?utf-8?q?=C3=BC?=") == "X-A: =?utf-8?q?=C3=BC?=\r\n"


@pytest.mark.parametrize("subject", ["", " ", "  leading", "trailing ", "in  side", "tab\tinside"])
def test_white_space_in_a_subject_survives(subject):
    """Blanks at the ends are encoded, since readers drop them."""
    assert message_from_string(headers.subject(subject), policy=policy.default)["subject"] == subject


@settings(max_examples=300)
@given(st.text(max_size=80), st.text(max_size=80))
def test_no_name_and_no_value_can_begin_another_field(name, value):
    """Whatever is given: it is refused, or it stays one field of 7-bit lines, each but the first beginning with white space."""
    try:
        field = headers.user_field(name, value)
    except Invalid:
        return
    assert field.isascii()
    lines = field.split("\r\n")
    assert lines.pop() == ""
    assert not any(re.search(r"[\r\n\0]", line) for line in lines)
    assert all(line[0] in " \t" for line in lines[1:])


@pytest.mark.parametrize(
    ("second", "field"),
    [
        (0, "Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n"),
        (1_709_210_096, "Date: Thu, 29 Feb 2024 12:34:56 +0000\r\n"),
        (4_102_444_799, "Date: Thu, 31 Dec 2099 23:59:59 +0000\r\n"),
    ],
)
def test_dates_are_in_utc(second, field):
    """RFC 5322 3.3."""
    assert headers.date(second) == field


def test_a_long_message_id_has_a_line_of_its_own():
    """It must not be broken."""
    long = f"<{'a' * 80}@example.com>"
    assert headers.message_id(long) == f"Message-ID:\r\n {long}\r\n"


@pytest.mark.parametrize("value", ["text/plain", "Text/Calendar; method=REQUEST", 'text/x; a="b; c\\"d"; e=f', "a/b ;c=d;"])
def test_content_types_with_parameters_are_taken(value):
    """As RFC 2045 5.1 writes them."""
    assert content_type(value)[0] == value.partition(";")[0].strip().lower()


@pytest.mark.parametrize("value", ["a/" + "b" * 994, "a/b; c=" + "d" * 994, "a/" + "b" * 70 + "; c=d"])
def test_long_content_types_have_lines_of_their_own(value):
    """No line of more than 998 octets, and what is read is what was given."""
    field = f"Content-Type: {content_type(value)[1]}\r\n"
    assert max(map(len, field.split("\r\n"))) <= 998
    assert unfolded(field).split() == value.split()


@pytest.mark.parametrize(
    "value", ["text", "text/", "/x", "text/pl ain", "text/plain; x", "text/plain; x=ü", 'a/b; c="d', "a/b\x7f", "a/b;c=" + "d" * 999]
)
def test_what_is_no_content_type_is_refused(value):
    """It would stand in a header."""
    with pytest.raises(Invalid, match=r"attachments\.content_type"):
        content_type(value)
