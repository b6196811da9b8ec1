"""How etcd is reached: what is said when it does not fit together."""

from __future__ import annotations

import pytest

from mailgate.config.secret import Secret
from mailgate.etcd.options import EtcdOptions


def keys(options: EtcdOptions) -> list[str]:
    return [mistake.key for mistake in options.mistakes("etcd")]


def test_endpoints_are_as_etcd_has_them():
    """Addresses and URLs; TLS by https, or by a file that needs it; each member once."""
    options = EtcdOptions(("a:1", "http://b:2/", "a:1"))
    assert (options.addresses, options.tls, keys(options)) == (("a:1", "b:2"), None, [])
    for by_tls in (EtcdOptions(("https://a:1",)), EtcdOptions(("a:1",), ca="ca.pem"), EtcdOptions(("a:1",), certificate="c", key="k")):
        assert by_tls.tls is not None
        assert not keys(by_tls)


@pytest.mark.parametrize(
    ("options", "key"),
    [
        (EtcdOptions(("a",)), "etcd.endpoints[0]"),
        (EtcdOptions(("a:1", "b:0")), "etcd.endpoints[1]"),
        (EtcdOptions(("ftp://a:1",)), "etcd.endpoints[0]"),
        (EtcdOptions(("https://a:1", "http://b:1")), "etcd.endpoints"),
        (EtcdOptions(("http://a:1",), ca="ca.pem"), "etcd.endpoints"),
        (EtcdOptions(("a:1",), certificate="c"), "etcd.key"),
        (EtcdOptions(("a:1",), key="k"), "etcd.certificate"),
        (EtcdOptions(("a:1",), password=Secret("p")), "etcd.username"),
        (EtcdOptions(("a:1",), username="u"), "etcd.password"),
    ],
)
def test_what_does_not_fit_is_named(options: EtcdOptions, key: str):
    """By its key."""
    assert keys(options) == [key]
