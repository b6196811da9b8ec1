"""The body on the wire: one way in, the same out at the receiver, and exactly one end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sender.smtp import body

_message = st.lists(st.sampled_from([b"a", b".", b"\r\n", b"\r", b"\n", b"..", b"\r\n.", b"\r\n.\r\n", b"long " * 5]), max_size=40).map(
    b"".join
)


def received(wire: bytes) -> tuple[bytes, bytes]:
    """What a receiver makes of it (RFC 5321 4.5.2): the message, and what it takes for the next command."""
    if wire.startswith(b".\r\n"):
        return b"", wire[3:]
    text, end, rest = wire.partition(b"\r\n.\r\n")
    assert end, "the body has no end"
    lines = (text + b"\r\n").split(b"\r\n")
    return b"\r\n".join(line[1:] if line.startswith(b".") else line for line in lines), rest


def normal(message: bytes) -> bytes:
    text = message.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    return text if not text or text.endswith(b"\r\n") else text + b"\r\n"


@given(_message)
def test_the_receiver_gets_the_message_and_nothing_after_it(message: bytes) -> None:
    """Dots survive, and only the last line ends the body: nothing can be smuggled behind it."""
    wire = body.wire(message)
    assert received(wire) == (normal(message), b"")


@given(_message)
def test_bare_cr_and_lf_never_leave(message: bytes) -> None:
    """CR comes with LF, LF with CR."""
    wire = body.wire(message)
    assert wire.count(b"\r") == wire.count(b"\n") == wire.count(b"\r\n")


@given(_message)
def test_pieces_are_the_same_octets(message: bytes) -> None:
    """A long body in pieces is the body; the end is in the last piece alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(body, "PIECE_OCTETS", 7)
        pieces = list(body.pieces(message))
    assert b"".join(pieces) == body.wire(message)
    assert all(pieces)


def test_pieces_of_a_large_message() -> None:
    """Each is about PIECE_OCTETS, whatever the lines are."""
    for message in (b"x" * 76 + b"\r\n", b".\r\n", b"x" * 1_000_000 + b"\r\n"):
        large = message * (3_000_000 // len(message))
        pieces = list(body.pieces(large))
        assert b"".join(pieces) == body.wire(large)
        assert len(pieces) > 5
        assert max(map(len, pieces)) <= 2 * body.PIECE_OCTETS


@given(_message)
def test_clean_is_what_leaves_as_it_is(message: bytes) -> None:
    """Exactly then is the body the message and the final dot, and exactly then need nobody look again."""
    as_it_is = message != b"" and body.wire(message) == message + b".\r\n"
    assert body.is_clean(message) is as_it_is
    if as_it_is:
        assert body.wire(message, clean=True) == body.wire(message)


@given(st.lists(_message, max_size=5))
def test_clean_pieces_make_a_clean_whole(pieces: list[bytes]) -> None:
    """Who has looked at the pieces need not look at the whole."""
    clean = [piece for piece in pieces if body.is_clean(piece)]
    assert body.is_clean(b"".join(clean)) or not clean


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"x",
        b"x\n",
        b"x\r",
        b"x\r\n\n",
        b"x\r\r\n",
        b"\nx\r\n",
        b"x\n.\r\n",
        b".\r\n",
        b"x\r\n.y\r\n",
        b"x\r\n\r\n.\r\n",
        b"a\n\rb\r\n",
    ],
)
def test_what_is_not_clean(message: bytes) -> None:
    """No end, a bare CR or LF anywhere, a dot at the beginning of any line."""
    assert not body.is_clean(message)


def test_a_clean_message_is_copied_once() -> None:
    """No dots and CRLF everywhere: the message and the dot."""
    assert body.wire(b"Subject: x\r\n\r\ntext\r\n") == b"Subject: x\r\n\r\ntext\r\n.\r\n"
    assert body.wire(b"") == b".\r\n"
    assert body.wire(b".") == b"..\r\n.\r\n"
