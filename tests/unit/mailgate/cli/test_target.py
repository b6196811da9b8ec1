"""Where the command line looks for the gateway and the inbox."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mailgate.cli import inbox
from mailgate.cli.exits import Usage
from mailgate.cli.target import find
from mailgate.errors import SettingsInvalid


@pytest.mark.parametrize("address", ["hello", "host:", ":8625", "host:port", "::1:8625"])
def test_an_address_that_is_none_is_refused_before_anything_is_dialled(address: str) -> None:
    """Port 443 would be dialled where none is given."""
    with pytest.raises(SettingsInvalid, match=r'--address.*write "host:port"'):
        find(address=address)


def test_authorities_that_are_none_are_told_by_their_flag(tmp_path: Path) -> None:
    """No settings file has them."""
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("rubbish")
    for path, told in (("/nope", "cannot be read"), (str(rubbish), "not a PEM file")):
        with pytest.raises(Usage, match=f"^--ca {path}: .*{told}"):
            find(address="host:8625", ca=path)


@pytest.mark.parametrize("address", ["https://host:8625", "ETCD://host:2379/mailgate/gateways", "http://host"])
def test_what_other_programs_take_for_an_address_is_refused(address: str) -> None:
    """Its whole text would be looked up as a name, and the gateway be told to be away."""
    with pytest.raises(SettingsInvalid, match=r'^--address = .*write "host:port"'):
        find(address=address)


@pytest.mark.parametrize(
    ("address", "environ", "told"),
    [
        ("etcd://a:99999/x", {}, "--address = 'a:99999': .*a port from 1 to 65535"),
        ("etcd://a/x", {}, "--address = 'a': "),
        ("etcd://a:1", {}, "--address = 'etcd://a:1': "),
        ("etcd://ann:pass@a:1/x", {}, "--address = 'etcd://…@a:1/x': .*MAILGATE_ETCD_USERNAME"),
        ("etcd:///x", {"MAILGATE_ETCD": "nonsense"}, "MAILGATE_ETCD = 'nonsense': "),
        (
            "etcd:///x",
            {"MAILGATE_ETCD": "https://a:1", "MAILGATE_ETCD_CA": "/nope"},
            "MAILGATE_ETCD_CA = '/nope': this file cannot be read",
        ),
        ("etcd:///x", {"MAILGATE_ETCD_USERNAME": "ann"}, "MAILGATE_ETCD_PASSWORD = "),
    ],
)
def test_what_can_not_be_etcd_is_told_where_it_was_written(
    address: str, environ: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flag or a variable: there is no settings file with `[etcd] endpoints` here. A password is not repeated."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsInvalid, match=f"^{told}") as refused:
        find(address=address)
    assert "pass@" not in str(refused.value)


@pytest.mark.parametrize("address", ["host:8625", "[::1]:8625", "dns:///host:8625", "unix:/run/mailgate.sock"])
def test_targets_of_grpc_are_addresses_too(address: str) -> None:
    """They are left to gRPC."""
    assert find(address=address).address == address


def test_the_inbox_of_another_is_never_shown_for_ones_own(tmp_path: Path) -> None:
    """An `up` with a relay has no inbox, and what listens on the usual port belongs to somebody else."""
    (tmp_path / "client.json").write_text(json.dumps({"address": "127.0.0.1:1", "key": "k", "inbox": ""}))
    with pytest.raises(Usage, match="--inbox HOST:PORT"):
        inbox.listing(data=str(tmp_path))
