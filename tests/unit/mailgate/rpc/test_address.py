"""`host:port` of the settings, and what this machine alone can reach."""

import pytest

from mailgate.errors import SettingsInvalid
from mailgate.rpc.address import is_loopback, join_address, split_address


@pytest.mark.parametrize(
    ("text", "host", "port"), [("127.0.0.1:8625", "127.0.0.1", 8625), ("[::1]:0", "::1", 0), ("mail.example:65535", "mail.example", 65535)]
)
def test_addresses_are_split_and_joined(text, host, port):
    """Brackets are only in the text."""
    assert split_address(text, "k") == (host, port)
    assert join_address(host, port) == text


@pytest.mark.parametrize(
    "text",
    ["", "8625", ":8625", "host", "host:", "host:x", "host:65536", "host:" + "9" * 5000, "::1:25", "[::1]", "a b:25", "host:²", "h\n:1"],
)
def test_a_bad_address_names_the_setting_and_the_form(text):
    """The cure shows how to write it."""
    with pytest.raises(SettingsInvalid, match=r"gateway\.listen = .*host:port"):
        split_address(text, "gateway.listen")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "LOCALHOST.", "::ffff:127.0.0.1"])
def test_loopback(host):
    """Only this machine reaches it."""
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.com", "localhost.example.com", "127.0.0.1.nip.example", ""])
def test_not_loopback(host):
    """Others may; a name is not trusted."""
    assert not is_loopback(host)
