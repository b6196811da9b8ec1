"""Sources: names that servers take, addresses that can be meant, and what two of them must not share."""

from __future__ import annotations

import pytest

from sender.pool.source import ANY, Source, SourceOptions, is_helo, mistakes_between, pool_of, read_sources


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("mx7.example.com", True),
        ("MX.xn--mnchen-3ya.de", True),
        ("a.b", True),
        ("7.example.com", True),
        ("[192.0.2.7]", True),
        ("[IPv6:2001:db8::7]", True),
        ("[ipv6:::1]", True),
        ("localhost", False),
        ("192.0.2.7", False),
        ("[2001:db8::7]", False),
        ("[IPv6:192.0.2.7]", False),
        ("[IPv6:fe80::1%eth0]", False),
        ("[192.0.2.7", False),
        ("[]", False),
        ("[", False),
        ("", False),
        ("mx.example.com.", False),
        ("mx_7.example.com", False),
        ("-a.example.com", False),
        ("münchen.example", False),
        ("a b.example.com", False),
        ("mx.example.com\r\nMAIL", False),
        (f"{'a' * 64}.example.com", False),
        (".".join(["abcdefghi"] * 26), False),
    ],
)
def test_the_name_in_ehlo(name: str, good: bool):
    """RFC 5321 4.1.2 and 4.1.3; and two labels at least, since receivers want a full name."""
    assert is_helo(name) is good


def cures(**options: object) -> dict[str, str]:
    return {mistake.key: mistake.cure for mistake in SourceOptions(**{"helo": "mx.example.com", **options}).mistakes("sources.a")}


def test_each_mistake_has_its_cure():
    """What is no address, what is of the other family, what no machine has alone."""
    assert cures(address="192.0.2.7", address6="2001:db8::7") == {}
    assert 'address = "192.0.2.7"' in cures()["sources.a"]
    assert "without a port" in cures(address="192.0.2.7:25")["sources.a.address"]
    assert "belongs into address6" in cures(address="2001:db8::7")["sources.a.address"]
    assert "belongs into address:" not in cures(address6="192.0.2.7")["sources.a.address6"]
    assert cures(address6="192.0.2.7")["sources.a.address6"].endswith("belongs into address")
    for address in ("0.0.0.0", "224.0.0.1"):
        assert "the system may choose" in cures(address=address)["sources.a.address"]
    for address in ("::", "ff02::1", "::ffff:192.0.2.7", "fe80::1%eth0"):
        assert "the system may choose" in cures(address6=address)["sources.a.address6"]
    assert "full name" in cures(address="192.0.2.7", helo="mx")["sources.a.helo"]
    assert "leave it out" in cures(address="192.0.2.7", pool="")["sources.a.pool"]


def test_two_sources_are_two_to_receivers():
    """One address, however it is written, is one source; names fit into keys and labels."""
    made = {
        "b": SourceOptions("b.example.com", "192.0.2.7", "2001:db8::7"),
        "a": SourceOptions("a.example.com", "192.0.2.8", "2001:0db8:0::7"),
        "c@d": SourceOptions("c.example.com", "192.0.2.9"),
        "": SourceOptions("d.example.com", "192.0.2.10"),
    }
    found = {mistake.key: mistake.cure for mistake in mistakes_between(made)}
    assert set(found) == {"sources.b.address6", "sources.c@d", "sources."}
    assert "sources.a has this address already" in found["sources.b.address6"]


def test_what_a_route_leaves_from():
    """The pool that it names, or none; without a name `default` where there is one, else whatever the system chooses."""
    sources = read_sources(
        {
            "b": SourceOptions("b.example.com", address6="2001:0DB8::7", pool="marketing", weight=3),
            "a": SourceOptions("a.example.com", "192.0.2.7"),
        }
    )
    a, b = sources
    assert b == Source("b", "b.example.com", "", "2001:db8::7", "marketing", 3)
    assert (a.addresses, b.addresses) == (("192.0.2.7",), ("2001:db8::7",))
    assert pool_of(sources, "marketing") == (b,)
    assert pool_of(sources, "") == (a,)
    assert pool_of(sources, "other") == ()
    assert pool_of((b,), "") == (ANY,)
    assert (str(ANY), str(a), ANY.addresses) == ("(any)", "a", ())
