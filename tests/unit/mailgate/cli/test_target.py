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


@pytest.mark.parametrize("address", ["host:8625", "[::1]:8625", "dns:///host:8625", "unix:/run/mailgate.sock"])
def test_targets_of_grpc_are_addresses_too(address: str) -> None:
    """They are left to gRPC."""
    assert find(address=address).address == address


def test_the_inbox_of_another_is_never_shown_for_ones_own(tmp_path: Path) -> None:
    """An `up` with a relay has no inbox, and what listens on the usual port belongs to somebody else."""
    (tmp_path / "client.json").write_text(json.dumps({"address": "127.0.0.1:1", "key": "k", "inbox": ""}))
    with pytest.raises(Usage, match="--inbox HOST:PORT"):
        inbox.listing(data=str(tmp_path))
