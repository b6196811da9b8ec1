"""Relays as URLs."""

from __future__ import annotations

import pytest

from mailgate.config.routes import read_relay
from mailgate.route import Relay


@pytest.mark.parametrize(
    ("text", "relay", "implicit"),
    [
        ("smtp://mail.example.com", Relay("mail.example.com", 25), False),
        ("smtp://mail.example.com:587/", Relay("mail.example.com", 587), False),
        ("smtps://mail.example.com", Relay("mail.example.com", 465), True),
        ("smtp://[::1]:1025", Relay("::1", 1025), False),
        ("smtp://h?weight=3", Relay("h", weight=3), False),
    ],
)
def test_a_url_names_host_port_and_kind(text: str, relay: Relay, implicit: bool) -> None:
    """The port is the scheme's unless it is written."""
    assert read_relay(text) == (relay, implicit)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mail.example.com",
        "mail.example.com:25",
        "http://x",
        "smtp://",
        "smtp://:25",
        "smtp://mail example.com:25",
        "smtp://x:0",
        "smtp://x:99999",
        "smtp://x:y",
        "smtp://[::1",
    ],
)
def test_what_is_no_relay_is_refused_with_the_cure(text: str) -> None:
    """A host without its scheme, another scheme, a port that can't be dialled."""
    with pytest.raises(ValueError, match='write "smtp://host:25"'):
        read_relay(text)


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("smtp://u:pw@x", "secrets"),
        ("smtp://x/path", "after|follow"),
        ("smtp://x:99999", "a port is from 1 to 65535"),
        ("smtp://[::1]:0", "a port is from 1 to 65535"),
        ("smtp://x?a=b", r"\?weight=3$"),
        ("smtp://x:25?wieght=3", "did you mean weight\\?"),
        ("smtp://x?weight=1001", "weight"),
        ("smtp://x#a", "follow"),
    ],
)
def test_nothing_else_is_in_the_url(text: str, cure: str) -> None:
    """A password in particular has another place."""
    with pytest.raises(ValueError, match=cure):
        read_relay(text)
