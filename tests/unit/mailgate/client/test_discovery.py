"""Where gateways are told: what an address and the variables say."""

from __future__ import annotations

import pytest

from mailgate.client import EtcdOptions, MailClient, Secret
from mailgate.client.discovery import is_place, place_of
from mailgate.client.gateways import is_address
from mailgate.errors import SettingsInvalid


def test_an_address_says_where():
    """Hosts of its own, those of the variables, or this machine; a slash more, as Go's resolver needs it, changes nothing."""
    place = place_of("etcd://a:1,b:2/mailgate/gateways", environ={"MAILGATE_ETCD": "c:3"})
    assert (place.etcd.addresses, place.prefix) == (("a:1", "b:2"), b"/mailgate/gateways/")
    assert str(place) == "etcd://a:1,b:2/mailgate/gateways"
    assert place_of("etcd:///x", environ={"MAILGATE_ETCD": "c:3, d:4"}).etcd.addresses == ("c:3", "d:4")
    assert place_of("etcd:////x/", environ={}).prefix == b"/x/"
    assert place_of("etcd:///x", environ={}).etcd.addresses == ("127.0.0.1:2379",)
    assert not is_place("gateway:8625")


def test_variables_and_options_say_how():
    """What is given wins over the variables."""
    environ = {"MAILGATE_ETCD_SERVER_NAME": "etcd.example", "MAILGATE_ETCD_USERNAME": "u", "MAILGATE_ETCD_PASSWORD": "p"}
    options = place_of("etcd://a:1/x", environ=environ).etcd
    assert (options.server_name, options.username, options.password) == ("etcd.example", "u", Secret("p"))
    given = place_of("etcd://a:1/x", EtcdOptions(username="v", password=Secret("q")), environ).etcd
    assert (given.server_name, given.username, given.addresses) == ("", "v", ("a:1",))


@pytest.mark.parametrize(
    "address", ["ETCD://a:1/x", "https://a:1", "etcd://", "etcd://a:1", "etcd://a:1/", "etcd://a/x", "etcd://a:0/x", "etcd://a:1,/x"]
)
def test_what_says_nothing(address: str):
    """Is told when the client is made."""
    with pytest.raises(SettingsInvalid):
        MailClient(address, "key")


def test_etcd_stands_alone():
    """It tells all gateways."""
    with pytest.raises(SettingsInvalid, match="alone"):
        MailClient(["etcd:///x", "gateway:8625"], "key")


@pytest.mark.parametrize(
    ("text", "sound"),
    [
        ("a:1", True),
        ("[::1]:1", True),
        ("a", False),
        ("a:0", False),
        ("", False),
        ("unix:/x", False),
        ("\ud800:25", False),
        ("a:" + "9" * 5000, False),
    ],
)
def test_only_addresses_are_dialled(text: str, sound: bool):
    """Anybody may have written what is told."""
    assert is_address(text) is sound
