"""Mail as a JSON file."""

from __future__ import annotations

import json

import pytest

from mailgate.client.mailfile import read_request
from mailgate.errors import Invalid
from mailgate.mail import Address, Lane, OnDoubt, Parts, Raw

MAIL = {
    "from_address": {"email": "a@example.com", "display_name": "A"},
    "to": [{"email": "b@example.com"}],
    "parts": {"subject": "s", "text": "t"},
    "lane": "LANE_BULK",
    "onDoubt": "ON_DOUBT_HOLD",
    "ttl": "3600s",
    "metadata": {"k": "v"},
}


def test_a_mail_or_a_whole_request() -> None:
    """Names in either form; how long to wait comes with the request."""
    mail, wait, only_check = read_request(json.dumps(MAIL).encode(), "x")
    assert (mail.from_address, mail.to) == (Address("a@example.com", "A"), (Address("b@example.com"),))
    assert mail.content == Parts("s", "t")
    assert (mail.lane, mail.on_doubt, mail.ttl_ms, mail.metadata) == (Lane.BULK, OnDoubt.HOLD, 3_600_000, {"k": "v"})
    assert (wait, only_check) == (None, False)
    request = {"mail": {**MAIL, "parts": None, "raw": "RnJvbTog"}, "wait": "1.5s", "validate_only": True}
    mail, wait, only_check = read_request(json.dumps(request).encode(), "x")
    assert mail.content == Raw(b"From: ")
    assert (wait, only_check) == (1.5, True)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[]", "no JSON object"),
        (b'{"sender": 1}', "sender"),
        (b'{"mail": {"lane": "LANE_FAST"}}', "lane"),
        (b'{"raw": "no base64!"}', "raw"),
        (b'{"mail": [1]}', "mail"),
    ],
)
def test_what_is_no_mail_says_where(data: bytes, words: str) -> None:
    """On one line, with the file's name."""
    with pytest.raises(Invalid) as caught:
        read_request(data, "--file x")
    assert str(caught.value).startswith("--file x: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
