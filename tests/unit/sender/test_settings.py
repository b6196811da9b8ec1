"""The sender's settings: its door, the gateways it asks, and the passwords of relays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import pytest

from gateway.settings import SENDER_SECTIONS, GatewaySettings
from mailgate.config.secret import Secret
from mailgate.errors import SettingsInvalid
from mailgate.rpc.tls import TlsOptions
from sender.pool.source import SourceOptions
from sender.settings import GATEWAY_SECTIONS, from_tables


def cures(sender: Mapping[str, Any]) -> dict[str, str]:
    with pytest.raises(SettingsInvalid) as caught:
        from_tables({"sender": dict(sender)}, {})
    return {mistake.key: mistake.cure for mistake in caught.value.mistakes}


def test_defaults_register_with_a_gateway_of_this_machine() -> None:
    """And the gateway's sections of the same file are left alone."""
    made = from_tables({"gateway": {"x": 1}, "routes": {}, "tenants": 5}, {})
    assert made.sender.gateways == ("127.0.0.1:8625",)
    assert made.sender.listen == "127.0.0.1:0"
    assert made.sender.gateway_tls is None


def test_beyond_loopback_it_wants_to_know_its_gateways() -> None:
    """Else it is an open relay."""
    assert "whoever reaches it" in cures({"listen": "0.0.0.0:0"})["sender.listen"]
    assert from_tables({"sender": {"listen": "0.0.0.0:0", "fleet_token": "t"}}, {}).sender.fleet_token == Secret("t")
    tls = {"certificate": "c", "key": "k", "client_ca": "a"}
    assert from_tables({"sender": {"listen": "0.0.0.0:0", "tls": tls}}, {}).sender.tls == TlsOptions("c", "k", "a")


def test_name_servers_are_addresses() -> None:
    """With a port if need be; a name could be looked up by nobody."""
    assert from_tables({"sender": {"nameservers": ["9.9.9.9", "[::1]:5353"]}}, {}).sender.nameservers == ("9.9.9.9", "[::1]:5353")
    assert "address of a name server" in cures({"nameservers": ["9.9.9.9", "dns.example"]})["sender.nameservers[1]"]


def test_gateways_can_be_dialled() -> None:
    """At least one, each with host and port, and no port 0."""
    assert "at least one" in cures({"gateways": []})["sender.gateways"]
    found = cures({"gateways": ["a:1", "b", "c:0"], "advertise": "d:0"})
    assert list(found) == ["sender.gateways[1]", "sender.gateways[2]", "sender.advertise"]


def test_passwords_come_from_the_file_or_from_variables() -> None:
    """MAILGATE_SECRET_NAME wins; none of them shows."""
    made = from_tables({"secrets": {"a": "1", "b": "2"}}, {"MAILGATE_SECRET_B": "3", "MAILGATE_SECRET_C": "4"})
    assert {name: secret.reveal() for name, secret in made.secrets.items()} == {"a": "1", "b": "3", "c": "4"}
    assert "'1'" not in repr(made)


def test_how_gateways_are_dialled_by_tls() -> None:
    """The table's presence says so."""
    assert from_tables({"sender": {"gateway_tls": {"ca": "x"}}}, {}).sender.gateway_tls == TlsOptions(ca="x")


def test_every_section_of_a_gateway_is_left_alone() -> None:
    """Both read the same file: a section that one has and the other does not know would stop the other."""
    sections = {each.name for each in fields(GatewaySettings)} - {"telemetry"}
    assert sections <= set(GATEWAY_SECTIONS)


def test_tokens_and_certificates_are_whole() -> None:
    """Each mistake with its key and its cure."""
    tokens = {"both": {"file": "f", "command": ["c"]}, "none": {}, "twice": {"file": "f"}, "short": {"file": "f", "lifetime": "1s"}}
    certificates = {"empty": {}, "half": {"key": "k"}, "good": {"ca": "c"}}
    with pytest.raises(SettingsInvalid) as caught:
        from_tables({"secrets": {"twice": "x"}, "tokens": tokens, "certificates": certificates}, {})
    found = {mistake.key: mistake.cure for mistake in caught.value.mistakes}
    assert set(found) == {
        "tokens.both", "tokens.none", "tokens.twice", "tokens.short.lifetime", "certificates.empty", "certificates.half.certificate",
    }  # fmt: skip
    assert "command = [" in found["tokens.none"]
    assert "secrets.twice" in found["tokens.twice"]
    made = from_tables({"tokens": {"a": {"command": ["p", "x"], "lifetime": "5m"}}, "certificates": {"good": {"ca": "c"}}}, {})
    assert made.tokens["a"].command == ("p", "x")
    assert made.certificates["good"].ca == "c"


def test_the_name_in_ehlo_is_a_full_one() -> None:
    """Or an address literal; empty is the host's own."""
    assert "full name" in cures({"helo": "mailhost"})["sender.helo"]
    assert from_tables({"sender": {"helo": "[192.0.2.7]"}}, {}).sender.helo == "[192.0.2.7]"


def test_sources_are_whole() -> None:
    """What is missing or wrong, each with its key; what two share; and that the gateway leaves the section alone."""
    sources = {
        "none": {"helo": "a.example.com"},
        "nameless": {"address": "192.0.2.1"},
        "short": {"address": "192.0.2.2", "helo": "mx"},
        "light": {"address": "192.0.2.3", "helo": "a.example.com", "weight": 0},
        "first": {"address": "192.0.2.4", "helo": "a.example.com"},
        "second": {"address": "192.0.2.4", "helo": "a.example.com"},
    }
    with pytest.raises(SettingsInvalid) as caught:
        from_tables({"sources": sources}, {})
    found = {mistake.key: mistake.cure for mistake in caught.value.mistakes}
    assert set(found) == {"sources.none", "sources.nameless.helo", "sources.short.helo", "sources.light.weight", "sources.second.address"}
    made = from_tables({"sources": {"a": {"address": "192.0.2.7", "helo": "mx.example.com", "pool": "news", "weight": 5}}}, {})
    assert made.sources == {"a": SourceOptions("mx.example.com", "192.0.2.7", pool="news", weight=5)}
    assert "sources" in SENDER_SECTIONS
