"""Raw mail goes out as it came: a folder of messages as they are met in the wild is the measure."""

from __future__ import annotations

import re
from email import message_from_bytes
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailgate.errors import Invalid
from mailgate.mail import Raw
from sender.compose import encodings
from sender.compose.lines import first_long, fold
from sender.compose.message import compose

FOLDER = Path(__file__).parents[3] / "data" / "eml"
TOP = b"Message-ID: <1@example.com>\r\n", b"Date: Tue, 03 Nov 2026 00:00:00 +0000\r\n"


def with_crlf(data: bytes) -> bytes:
    """One octet after the other: slow and plain, as a second opinion."""
    out, last = bytearray(), 0
    for octet in data:
        if octet == 10:  # LF
            if last != 13:
                out += b"\r\n"
        elif octet == 13:
            out += b"\r\n"
        else:
            out.append(octet)
        last = octet
    if not out.endswith(b"\r\n"):
        out += b"\r\n"
    return bytes(out)


UNCHANGED = ["dots.eml", "latin1.eml", "multipart.eml", "nested.eml", "signed.eml"]
ENDS_ONLY = ["bare_lf.eml", "mixed_ends.eml", "no_end.eml"]


@pytest.mark.parametrize("name", UNCHANGED)
def test_a_proper_message_leaves_byte_for_byte(job, name):
    """Odd spacing, 8-bit headers, dots: none of it is ours to mend."""
    data = (FOLDER / name).read_bytes()
    assert compose(job(Raw(data))) == data


@pytest.mark.parametrize("name", ENDS_ONLY)
def test_only_line_ends_are_mended(job, name):
    """A bare CR or LF never leaves (smuggling, RFC 5321 2.3.8), and the last line has an end."""
    data = (FOLDER / name).read_bytes()
    wire = compose(job(Raw(data)))
    assert wire == with_crlf(data)
    assert wire != data


def test_long_lines_are_broken(job):
    """998 octets are the end of each (RFC 5321 4.5.3.1.6); shorter lines stay, and so does all that is not a space."""
    data = (FOLDER / "long_lines.eml").read_bytes()
    wire = compose(job(Raw(data)))
    lines = wire.split(b"\r\n")
    assert max(map(len, lines)) <= 998
    assert wire.split() != data.split()
    assert b"".join(wire.split()) == b"".join(data.split())
    short = [line for line in data.split(b"\r\n") if len(line) <= 998]
    assert [line for line in lines if line in short] == short
    assert message_from_bytes(wire)["X-Long"].replace("\r\n ", "") == message_from_bytes(data)["X-Long"]


_LONG = st.tuples(st.sampled_from(["a", "ä", "€", "𝄞", " ", "a b ", " \t"]), st.integers(0, 2100)).map(lambda each: each[0] * each[1])


@given(st.lists(st.tuples(_LONG, st.sampled_from(["\r\n", "\n", "\r", ""])), min_size=1, max_size=8), st.booleans())
def test_no_line_is_too_long_and_no_character_is_cut(job, lines, chunked):
    """Whatever comes in: all but the space is there, in its order, and UTF-8 stays UTF-8."""
    data = "Date: x\nMessage-ID: y\n\nz" + "".join(line + end for line, end in lines)
    with pytest.MonkeyPatch.context() as patch:
        if chunked:
            patch.setattr(encodings, "CHUNK", 300)
        wire = compose(job(Raw(data.encode())))
    assert max(map(len, wire.split(b"\r\n"))) <= 998
    assert "".join(wire.decode().split()) == "".join(data.split())
    assert wire.count(b"\r") == wire.count(b"\n") == wire.count(b"\r\n")
    normal = with_crlf(data.encode())
    if max(map(len, normal.split(b"\r\n"))) <= 998:
        assert wire == normal


def test_where_a_line_is_broken():
    """At the last space that fits, which then begins the next line; else a space is put in."""
    words = b"a" * 500 + b" " + b"b" * 497
    assert first_long(words + b"\r\n") == -1
    assert fold(words + b"\r\n") == words + b"\r\n"
    assert fold(words + b"bb\r\n") == b"a" * 500 + b"\r\n " + b"b" * 499 + b"\r\n"
    assert fold(b"x\r\n" + b"c" * 999 + b"\r\ny\r\n") == b"x\r\n" + b"c" * 998 + b"\r\n c\r\ny\r\n"
    assert fold(b" " * 1000 + b"\r\n").replace(b"\r\n", b"").strip() == b""


def test_blind_copies_are_cut_with_their_continuations(job):
    """Every Bcc field of the message itself; fields of other names and the body stay."""
    data = (FOLDER / "bcc.eml").read_bytes()
    wire = compose(job(Raw(data)))
    assert b"secret" not in wire
    lines = data.split(b"\r\n")
    assert wire == b"\r\n".join([lines[0], lines[2], *lines[7:]])


def test_a_missing_id_and_date_are_put_on_top(job):
    """And nothing else; fields that only look alike, and the body, do not count."""
    data = (FOLDER / "no_ids.eml").read_bytes()
    assert compose(job(Raw(data))) == b"".join(TOP) + data


def test_the_folder_is_covered():
    """Each file of the folder is in one of these tests."""
    assert {path.name for path in FOLDER.glob("*.eml")} == {*UNCHANGED, *ENDS_ONLY, "bcc.eml", "long_lines.eml", "no_ids.eml"}


@pytest.mark.parametrize(
    ("data", "wire"),
    [
        (b"Date: x\nBcc: a\n\n\nbody", TOP[0] + b"Date: x\r\n\r\n\r\nbody\r\n"),
        (b"Bcc: a\nMessage-ID: x\nResent-Bcc: b\nDate: x", b"Message-ID: x\r\nDate: x\r\n"),
        (b"message-id:x\nDATE :y\nbcc:\n\n", b"message-id:x\r\nDATE :y\r\n\r\n"),
        (b"\nDate: body", b"".join(TOP) + b"\r\nDate: body\r\n"),
        (b"Bcc:\r\n a\r\n\tb\r\nDate: x\r\nMessage-ID: y\r\n\r\nBcc: body\r\n", b"Date: x\r\nMessage-ID: y\r\n\r\nBcc: body\r\n"),
    ],
)
def test_odd_header_blocks(job, data, wire):
    """No body, an empty field, no header at all, a block that begins with Bcc."""
    assert compose(job(Raw(data))) == wire


@given(
    st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a", b"bcc:", b"Date:", b" ", b"\xe4", b".", b"\0"]), min_size=1, max_size=60).map(
        b"".join
    )
)
def test_nothing_but_crlf_ends_a_line_and_no_bcc_leaves(job, data):
    """Whatever comes in."""
    try:
        wire = compose(job(Raw(data)))
    except Invalid:
        assert not data.strip()
        return
    assert wire.endswith(b"\r\n")
    assert wire.count(b"\r") == wire.count(b"\n") == wire.count(b"\r\n")
    head = b"\r\n" + wire if wire.startswith(b"\r\n") else b"\r\n" + wire.partition(b"\r\n\r\n")[0]
    assert not re.search(rb"\r\nbcc:", head.partition(b"\r\n\r\n")[0])


def test_a_large_message_is_the_same_by_the_chunk(job, monkeypatch):
    """Chunks meet without a seam."""
    monkeypatch.setattr(encodings, "CHUNK", 100)
    data = b"Date: x\nMessage-ID: y\n\n" + b"line\r\nother\rthird\n" * 500
    assert compose(job(Raw(data))) == with_crlf(data)


def test_an_unchanged_large_message_is_not_copied(job):
    """50 MB pass through as they are."""
    data = b"Date: x\r\nMessage-ID: y\r\n\r\n" + b"0123456789\r\n" * 100_000
    assert compose(job(Raw(data))) is data
