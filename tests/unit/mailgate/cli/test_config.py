"""`mailgate config check`: what it says of settings that are sound, and of a policy that is none."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from mailgate.cli.config import config

ROUTES = """
[routes.default]
relays = ["smtp://relay.example.com:25"]

[routes.direct]
mx = true
domains = ["friends.example"]

[routes.keyed]
relays = ["smtp://relay.example.com:25"]
domains = ["keyed.example"]
policy = "consistent_hash"
hash_by = "hash_key"
"""


def check(tmp_path: Path, text: str, *flags: str) -> str:
    file = tmp_path / "mailgate.toml"
    file.write_text(text)
    result = CliRunner().invoke(config, ["check", "--config", str(file), *flags])
    return result.output or str(result.exception)


def test_it_says_how_each_routes_nodes_are_chosen(tmp_path: Path) -> None:
    """Also where the route leaves it to what is right for its kind."""
    told = check(tmp_path, ROUTES).splitlines()
    assert told[0].endswith("no mistakes")
    assert told[1:] == [
        "  routes.default: least_connections",
        "  routes.direct: consistent_hash by site",
        "  routes.keyed: consistent_hash by hash_key",
    ]
    assert json.loads(check(tmp_path, ROUTES, "--json"))["policies"]["direct"] == "consistent_hash by site"


def test_a_policy_that_is_none_and_a_key_for_nothing(tmp_path: Path) -> None:
    """All that there are are named; a key that the policy does not ask for is a slip."""
    told = check(tmp_path, ROUTES.replace('"consistent_hash"', '"fastest"'))
    assert "routes.keyed.policy" in told
    assert "write one of consistent_hash, least_connections or round_robin" in told
    told = check(tmp_path, ROUTES.replace('"consistent_hash"', '"round_robin"'))
    assert "routes.keyed.hash_by" in told
    assert "round_robin does not hash" in told
    assert "routes.keyed.hash_by" in check(tmp_path, ROUTES.replace('"hash_key"', '"weather"'))


def test_files_of_certificates_are_told_beside_all_else(tmp_path: Path) -> None:
    """Each by its own key, though both processes have several tables of them: else a gateway, or a node, is what finds out."""
    tables = {"tls": "certificate key", "gateway.node_tls": "ca", "etcd": "ca", "sender.tls": "certificate key", "sender.gateway_tls": "ca"}
    wrong = [f"{table}.{name}" for table, names in tables.items() for name in names.split()]
    text = "".join(
        f"[{table}]\n"
        + "".join(f'{name} = "/nowhere/{name}"\n' for name in names.split())
        + ('endpoints = ["a:0"]\n' if table == "etcd" else "")
        for table, names in tables.items()
    )
    told = check(tmp_path, ROUTES + text)
    assert [key for key in (*wrong, "etcd.endpoints[0]") if f"{key} = " not in told] == []
    assert told.count("this file cannot be read") == len(wrong)
