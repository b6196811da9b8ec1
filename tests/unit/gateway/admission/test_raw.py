"""`raw`: whoever wrote it can be told, or it is refused; nothing that is quoted or commented passes for an author."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admission.addresses import Unsound
from gateway.admission.limits import Limits
from gateway.admission.raw import authors

LIMIT = 2000


@pytest.mark.parametrize(
    ("data", "emails"),
    [
        (b"From: a@b.example\r\n\r\nhi", ["a@b.example"]),
        (b"from:a@b.example\n\nhi", ["a@b.example"]),
        (b"From : <a@b.example>\n\n", ["a@b.example"]),
        (b"From: a@b.example", ["a@b.example"]),
        (b'From: "x@evil.example, z" <a@b.example>\n\n', ["a@b.example"]),
        (b"From: x@evil.example <a@b.example>\n\n", ["a@b.example"]),
        (b'From: a@b.example (c <x@evil.example>), "q" <c@d.example>\n\n', ["a@b.example", "c@d.example"]),
        (b"From: =?utf-8?q?x?=\r\n <a@b.example>\r\n\r\n", ["a@b.example"]),
        (b"From: J\xc3\xb6rg <a@b.example>\r\n\r\n", ["a@b.example"]),
        (b"From: J\xf6rg <a@b.example>\r\n\r\n", ["a@b.example"]),
        (b"Subject: a\xff\nFrom: a@b.example\n\n\xff", ["a@b.example"]),
        (b'From: "a b"@b.example\n\n', ['"a b"@b.example']),
    ],
)
def test_authors(data, emails):
    """Folded, encoded, quoted, commented, several, in any line ends."""
    assert [mailbox.email for mailbox in authors(data, LIMIT)] == emails


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"Subject: x\n\nFrom: a@b.example", "0 From fields"),
        (b"From: a@b.example\nfrom : c@d.example\n\n", "2 From fields"),
        (b"From x@y Mon Jan 1\nFrom: a@b.example\n\n", "mailbox file"),
        (b"junk\nFrom: a@b.example\n\n", "no header field"),
        (b"\nFrom: a@b.example\n\n", "no header field"),
        (b"From: a@b.example\n\n\0", "NUL"),
        (b"From: <a@b.example> <c@d.example>\n\n", "brackets do not match"),
        (b"From: <a@b.example\n\n", "brackets do not match"),
        (b"From: a@b.example)x@evil.example\n\n", "brackets of a comment"),
        (b'From: "x <a@b.example>\n\n', "quotation mark"),
        (b"From: a@\xff.example\n\n", "international"),
        (b"From: \n\n", "no address"),
        (b"From: group: a@b.example;\n\n", "no address that can be understood"),
        (b"From: a@b.example\n" + b"X: " + b"x" * LIMIT + b"\n\n", "does not end within"),
    ],
)
def test_what_is_refused_says_why(data, reason):
    """When nobody could say who wrote it, the tenant's domains cannot be held to."""
    with pytest.raises(Unsound, match=reason):
        authors(data, LIMIT)


@given(st.binary(max_size=120), st.binary(max_size=120))
def test_whatever_comes_is_understood_or_refused(before, after):
    """Rubbish is no traceback."""
    for data in (before, b"From: " + before + b"\n\n" + after, before + b"\r\nFrom: a@b.example" + after):
        with suppress(Unsound):
            assert authors(data, LIMIT)


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[3] / "data" / "eml").glob("*.eml")), ids=lambda path: path.name)
def test_real_messages_have_authors(path):
    """What mail programs write is understood."""
    assert authors(path.read_bytes(), Limits().max_header_bytes)
