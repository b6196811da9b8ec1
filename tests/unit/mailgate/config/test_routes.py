"""Relays as URLs."""

from __future__ import annotations

import pytest

from mailgate.config.routes import at_odds, read_relay
from mailgate.route import HashBy, Relay, Route


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


def by_mx(policy: str = "", sources: str = "", hash_by: HashBy = "site") -> Route:
    """A route by MX."""
    return Route("", (), mx=True, policy=policy, sources=sources, hash_by=hash_by)


@pytest.mark.parametrize(
    ("routes", "keys"),
    [
        ([by_mx(), by_mx()], []),
        ([by_mx("round_robin"), by_mx("least_connections")], []),
        ([by_mx(), by_mx("round_robin")], ["routes.1.policy"]),
        ([by_mx("round_robin"), by_mx(sources="default"), by_mx(hash_by="tenant")], ["routes.0.policy", "routes.2.policy"]),
        ([by_mx(), by_mx("round_robin", "news")], []),
        ([by_mx(), Route("", (Relay("mx"),), policy="round_robin")], []),
    ],
)
def test_routes_that_count_a_limit_each_by_itself(routes: list[Route], keys: list[str]) -> None:
    """By MX from the same sources, one with homes and one without; the latter is told, with the former's name."""
    told = list(at_odds({str(number): route for number, route in enumerate(routes)}))
    assert [each.key for each in told] == keys
    assert all("mail of routes." in each.cure and "same policy" in each.cure for each in told)
