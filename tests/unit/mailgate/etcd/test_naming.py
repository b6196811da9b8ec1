"""The format of etcd's naming resolver for Go."""

from __future__ import annotations

import pytest

from mailgate.etcd.naming import decode, encode


def test_an_address_comes_back():
    """As Go writes it, with what it adds."""
    assert encode("gateway-a:8625") == b'{"Op":0,"Addr":"gateway-a:8625","Metadata":null}'
    assert decode(encode("[::1]:1")) == "[::1]:1"
    assert decode(b'{"Op":0,"Addr":"a:1","Metadata":{"zone":"x"},"More":1}') == "a:1"
    assert decode(b'{"Addr":"a:1"}') == "a:1"


@pytest.mark.parametrize("value", [b"", b"\xff", b"[]", b"1", b'{"Op":1,"Addr":"a:1"}', b'{"Op":0,"Addr":7}', b'{"Op":0}', b"[" * 100_000])
def test_what_is_no_address(value: bytes):
    """Somebody else's entries below the same prefix are passed over."""
    assert decode(value) == ""
