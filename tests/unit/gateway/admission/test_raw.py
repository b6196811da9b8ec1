"""`raw`: whoever wrote it can be told, or it is refused; nothing that is quoted or commented passes for an author."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admission.addresses import Unsound
from gateway.admission.limits import Limits
from gateway.admission.raw import authors, check_lines

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


HEAD = b"From: a@b.example\r\n\r\n"
BARE, LONG = Limits(raw_bare_ends="refuse"), Limits(raw_long_lines="refuse")


@pytest.mark.parametrize(
    ("limits", "data", "line"),
    [
        (BARE, b"From: a@b.example\n\nx", 1),
        (BARE, HEAD + b"x\r\ny\nz\r\n", 4),
        (BARE, HEAD + b"x\r\ny\rz\r\n", 4),
        (BARE, HEAD + b"x\r", 3),
        (LONG, HEAD + b"x\r\n" + b"y" * 999 + b"\r\nz\r\n", 4),
        (LONG, HEAD + b"x\n" + b"y" * 999, 4),
        (LONG, HEAD + b"x\r" + b"y" * 5000 + b"\r", 4),
        (LONG, b"From: a@b.example" + b" " * 990 + b"\n\n", 1),
    ],
)
def test_lines_that_the_settings_refuse(limits, data, line):
    """With the number of the line. Each is taken by default: the node mends it."""
    with pytest.raises(Unsound, match=f"^line {line} "):
        check_lines(data, limits)
    check_lines(data, Limits())


@given(st.lists(st.tuples(st.sampled_from([0, 1, 997, 998, 999, 1000, 2000]), st.sampled_from(["\r\n", "\n", "\r"]))), st.integers(0, 1001))
def test_the_first_long_line_is_found(lines, rest):
    """However lines end, and also where the last has no end; a line of 998 octets is none."""
    data = "".join("x" * size + end for size, end in lines) + "x" * rest
    long = [number for number, line in enumerate(data.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1) if len(line) > 998]
    if long:
        with pytest.raises(Unsound, match=f"^line {long[0]} "):
            check_lines(data.encode(), LONG)
    else:
        check_lines(data.encode(), LONG)
    odd = len(data.replace("\r\n", "").split("\r")) + len(data.replace("\r\n", "").split("\n")) > 2
    if odd:
        with pytest.raises(Unsound):
            check_lines(data.encode(), BARE)
    else:
        check_lines(data.encode(), BARE)


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
