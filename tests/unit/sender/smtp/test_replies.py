"""Replies out of bytes: bounded, and the same however the bytes are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sender.smtp.replies import MAX_LINE_OCTETS, MAX_LINES, ReplyParser, Rubbish, ServerReply

_text = st.binary(max_size=20).map(lambda text: text.replace(b"\n", b"").replace(b"\r", b""))
_line = st.builds(
    lambda code, mark, text, end: b"%d%b%b%b" % (code, mark, text, end),
    st.sampled_from([220, 250, 354, 421, 550]),
    st.sampled_from([b" ", b"-", b""]),
    _text,
    st.sampled_from([b"\r\n", b"\r\n", b"\n"]),
)
_stream = st.lists(st.one_of(_line, _line, _line, st.binary(max_size=6), st.just(b"250 " + b"x" * MAX_LINE_OCTETS)), max_size=12).map(
    b"".join
)


@given(_stream, st.lists(st.integers(min_value=0, max_value=4000), max_size=10))
def test_any_cut_of_the_bytes_gives_the_same_replies(stream: bytes, places: list[int]) -> None:
    """How TCP cuts the server's words changes nothing of their meaning."""
    whole = ReplyParser().feed(stream)
    parser, cut = ReplyParser(), []
    at = 0
    for place in sorted(min(place, len(stream)) for place in places):
        cut += parser.feed(stream[at:place])
        at = place
    cut += parser.feed(stream[at:])
    assert cut == whole


@given(_stream)
def test_octet_by_octet_gives_the_same_replies(stream: bytes) -> None:
    """The same, at the finest cut."""
    parser = ReplyParser()
    assert [reply for octet in stream for reply in parser.feed(bytes([octet]))] == ReplyParser().feed(stream)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (b"250 2.1.0 Ok\r\n", ServerReply(250, b"2.1.0 Ok")),
        (b"250 Ok\n", ServerReply(250, b"Ok")),
        (b"250\r\n", ServerReply(250, b"")),
        (b"250 \r\n", ServerReply(250, b"")),
        (b"250-one\r\n250-two\r\n250 three\r\n", ServerReply(250, b"one\ntwo\nthree")),
        (b"250-one\r\n250\r\n", ServerReply(250, b"one\n")),
        (b"550 \xff\xfe\r\n", ServerReply(550, b"\xff\xfe")),
    ],
)
def test_what_is_a_reply(said: bytes, meant: ServerReply) -> None:
    """RFC 5321 4.2: one line or several, with a text or without."""
    parser = ReplyParser()
    assert parser.feed(said) == [meant]
    assert not parser.amid


@pytest.mark.parametrize(
    "said",
    [
        b"hello\r\n",
        b"\r\n",
        b"25 Ok\r\n",
        b"199 Ok\r\n",
        b"600 Ok\r\n",
        b"2500 Ok\r\n",
        b"250_Ok\r\n",
        b"250-one\r\n251 two\r\n",
        b"250-one\r\nHTTP/1.1 400 Bad Request\r\n",
        b"\x16\x03\x01\x00\n",
        b"250 " + b"x" * MAX_LINE_OCTETS,
        b"250 " + b"x" * MAX_LINE_OCTETS + b"\r\n",
        b"250-x\r\n" * MAX_LINES,
        b"-1 Ok\r\n",
        "２５０ Ok\r\n".encode(),
    ],
)
def test_what_is_no_reply(said: bytes) -> None:
    """Rubbish is told once, with words, and nothing after it is believed."""
    parser = ReplyParser()
    (rubbish,) = parser.feed(said)
    assert isinstance(rubbish, Rubbish)
    assert rubbish.why
    assert len(rubbish.why) < 400
    assert parser.feed(b"250 Ok\r\n") == []


def test_replies_before_the_rubbish_are_heard() -> None:
    """What was understood is not taken back."""
    replies = ReplyParser().feed(b"250 Ok\r\nnonsense\r\n250 Ok\r\n")
    assert replies[0] == ServerReply(250, b"Ok")
    assert isinstance(replies[1], Rubbish)
    assert len(replies) == 2


def test_the_longest_reply_that_is_allowed() -> None:
    """MAX_LINES lines are a reply, one more is not."""
    said = b"250-x\r\n" * (MAX_LINES - 1) + b"250 x\r\n"
    assert ReplyParser().feed(said) == [ServerReply(250, b"\n".join([b"x"] * MAX_LINES))]


def test_a_server_that_never_ends_its_line_costs_no_memory() -> None:
    """The parser gives up as soon as the limit is passed, not when the line ends."""
    parser = ReplyParser()
    heard = [reply for _ in range(100) for reply in parser.feed(b"x" * 1000)]
    assert len(heard) == 1
    assert not parser.amid


def test_amid_says_that_a_reply_has_begun() -> None:
    """Half a line, or the first of several, is a reply to come."""
    parser = ReplyParser()
    assert not parser.amid
    parser.feed(b"42")
    assert parser.amid
    parser.feed(b"1-x\r\n")
    assert parser.amid
    parser.feed(b"421 y\r\n")
    assert not parser.amid


_GROUP = b"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 go\r\n"


@given(
    st.lists(
        st.sampled_from(
            [
                *(_GROUP, b"250 2.0.0 queued\r\n", b"250-a\r\n", b"250 b\r\n", b"25", b"0 c\r\n", _GROUP[5:], b"x\r\n", b"250\r\n"),
                *(b"250 2.0.0 queued\r\n" + _GROUP, b"250-a\r\n" + _GROUP, b"250 a\r\n250 b\r\n" + _GROUP, b"250 a\r\r\n" + _GROUP),
                *(
                    b"250 a\n",
                    b"250 \n",
                    b"\n",
                    b"250 " + b"x" * (MAX_LINE_OCTETS - 4) + b"\n",
                    b"250 " + b"x" * (MAX_LINE_OCTETS - 3) + b"\n",
                ),
            ]
        ),
        max_size=12,
    )
)
def test_what_is_remembered_means_the_same(chunks: list[bytes]) -> None:
    """Words heard before are not understood otherwise, whatever stands before them."""
    parser, fresh = ReplyParser(), ReplyParser()
    heard = [reply for chunk in [_GROUP, *chunks] for reply in parser.feed(chunk)]
    assert heard == [reply for octet in _GROUP + b"".join(chunks) for reply in fresh.feed(bytes([octet]))]
