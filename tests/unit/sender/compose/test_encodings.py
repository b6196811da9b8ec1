"""7bit, quoted-printable and base64 carry every text and every file, on lines that no relay breaks."""

from __future__ import annotations

import base64
import quopri

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sender.compose import encodings
from sender.compose.encodings import chunks, crlf, encode_text, fits_7bit


def decoded(encoded: encodings.Encoded) -> bytes:
    data = b"".join(encoded.pieces)
    match encoded.encoding:
        case "base64":
            return base64.b64decode(data)
        case "quoted-printable":
            return quopri.decodestring(data)
    return data


@settings(max_examples=400)
@given(st.text(st.one_of(st.characters(exclude_categories=("Cs",)), st.sampled_from("\r\n \t.=-_ab")), max_size=500))
def test_any_text_survives_with_its_line_ends_made_crlf(text):
    """The standard library decodes it to what was given; lines have at most 78 octets, encoded ones 76 (RFC 2045 6.7, 6.8)."""
    encoded = encode_text(text)
    assert decoded(encoded) == crlf(text.encode())
    data = b"".join(encoded.pieces)
    assert data.isascii()
    assert max(map(len, data.split(b"\r\n"))) <= (78 if encoded.encoding == "7bit" else 76)
    assert data.count(b"\r") == data.count(b"\n") == data.count(b"\r\n")
    if encoded.encoding == "quoted-printable":
        assert not any(line.endswith((b" ", b"\t")) for line in data.split(b"\r\n")), "relays cut white space at the end"
        assert b"=_" not in data, "boundaries begin so"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("", "7bit"),
        ("Hello\n" * 100, "7bit"),
        ("x" * 78, "7bit"),
        ("x" * 79, "quoted-printable"),
        ("Viele Grüße aus Köln\n", "quoted-printable"),
        ("a nul \0 in a line", "quoted-printable"),
        ("ご注文ありがとうございます。\n" * 20, "base64"),
    ],
)
def test_the_encoding_follows_the_text(text, encoding):
    """7bit for plain lines, quoted-printable where little is to be escaped, else base64."""
    assert encode_text(text).encoding == encoding


@pytest.mark.parametrize(
    "line", ["Zeile mit Ümlaut\n", "Zeile mit Ümlaut ohne Ende ", "日本語のテキスト", "plain\r\n", "ascii without an end "]
)
def test_large_texts_are_encoded_by_the_chunk_to_the_same_effect(line, monkeypatch):
    """Cuts fall after lines where there are any, and never inside CR LF."""
    monkeypatch.setattr(encodings, "CHUNK", 1000)
    text = line * 1000
    encoded = encode_text(text)
    assert len(encoded.pieces) > 1 or encoded.encoding == "base64"
    assert decoded(encoded) == crlf(text.encode())
    assert max(map(len, b"".join(encoded.pieces).split(b"\r\n"))) <= 78


@given(
    st.binary(max_size=100).map(lambda data: data.translate(bytes(b"\r\n"[n % 2] if n < 128 else n for n in range(256)))), st.integers(1, 9)
)
def test_chunks_never_cut_a_line_end_in_two(data, size):
    """So each can be normalised alone."""
    before = encodings.CHUNK
    encodings.CHUNK = size
    try:
        pieces = list(chunks(data))
    finally:
        encodings.CHUNK = before
    assert b"".join(pieces) == data
    assert b"".join(map(crlf, pieces)) == crlf(data)


@pytest.mark.parametrize("octets", [0, 1, 56, 57, 58, 114, 57 * 4096 - 1, 57 * 4096, 57 * 4096 + 1, 57 * 4096 * 3 + 5])
def test_base64_has_lines_of_76(octets):
    """As the standard library's encodebytes, with CR LF."""
    data = bytes(n % 251 for n in range(octets))
    assert b"".join(encodings.base64(data)) == base64.encodebytes(data).replace(b"\n", b"\r\n").removesuffix(b"\r\n")


@pytest.mark.parametrize(
    ("data", "fits"),
    [
        (b"a\r\nb", True),
        (b"", True),
        (b"x" * 998 + b"\r\n", True),
        (b"x" * 999, False),
        (b"a\nb", False),
        (b"a\rb", False),
        (b"\xe4", False),
        (b"\0", False),
    ],
)
def test_what_fits_7bit(data, fits):
    """RFC 2045 2.7."""
    assert fits_7bit(data) is fits


@pytest.mark.parametrize("line", [b"plain\r\n", b"plain\n", b"no end at all ", b"\xff"])
def test_no_stretch_is_longer_than_a_chunk(line):
    """Whatever the lines are: one call into C holds the interpreter, and others wait for its end."""
    data = line * (3 * encodings.CHUNK // len(line))
    assert max(map(len, chunks(data))) <= encodings.CHUNK + 1


@pytest.mark.parametrize(
    ("encode", "longest"),
    [
        (lambda: encodings.base64(b"\xff" * 2_000_000), 78 * 4096),
        (lambda: encode_text("ご注文ありがとうございます。\n" * 50_000).pieces, 78 * 4096),
        (lambda: encode_text("Zeile mit Ümlaut\n" * 100_000).pieces, 2 * encodings.CHUNK),
        (lambda: encode_text("a plain line\n" * 200_000).pieces, 2 * encodings.CHUNK),
    ],
    ids=["file", "base64", "quoted-printable", "7bit"],
)
def test_what_is_encoded_comes_by_the_stretch(encode, longest):
    """No piece is made of more than a chunk, however much there is, so that a thread that composes lets others go on between them."""
    pieces = encode()
    assert sum(map(len, pieces)) > 3 * longest
    assert max(map(len, pieces)) <= longest
