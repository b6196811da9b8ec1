"""Records as etcd holds them: back as they were, over releases, and never a crash."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.registry.etcd.record import Unreadable, decode, encode
from gateway.registry.port import NodeRecord

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
TOLD = TEXT.filter(str.isprintable)
ADDRESSES = st.sampled_from(["10.0.0.1:8626", "[2001:db8::1]:25", "node.example.com:1"])
RECORDS = st.builds(NodeRecord, TOLD.filter(len), st.binary(max_size=20), ADDRESSES, TOLD, st.integers(0, 2**63 - 1))


@given(RECORDS)
def test_a_record_comes_back(record: NodeRecord):
    """And has the same octets each time: etcd compares them."""
    assert decode(record.node_id, encode(record, "g")) == record
    assert encode(record, "g") == encode(decode(record.node_id, encode(record, "g")), "g")
    assert encode(record, "g") != encode(record, "h")


def test_other_releases_are_understood():
    """A key that is not known is passed over, one that is missing has its default."""
    told = {"node_id": "n", "boot_id": "00ff", "address": "h:1", "version": "9", "zone": {"new": [1]}}
    assert decode("n", json.dumps(told).encode()) == NodeRecord("n", b"\0\xff", "h:1", "9", 0)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (b"", "no JSON object"),
        (b"\xff\xfe", "no JSON object"),
        (b"[]", "no JSON object"),
        (b"[" * 60_000, "no JSON object"),
        (b" " * 70_000 + b"{}", "no JSON object"),
        (b"{}", "node_id is missing"),
        (b'{"node_id":"n","boot_id":"zz","address":"h:1","version":"1"}', "boot_id is not hexadecimal"),
        (b'{"node_id":"n","boot_id":"00","address":7,"version":"1"}', "address is not of its type"),
        (b'{"node_id":"n","boot_id":"00","address":"h:1","version":"1","registration":true}', "registration is not of its type"),
        (b'{"node_id":"m","boot_id":"00","address":"h:1","version":"1"}', "its node_id is 'm'"),
        (b'{"node_id":"n","boot_id":"00","address":"h:1","version":"\\ud800"}', "version is too long, or not printable"),
        (b'{"node_id":"n","boot_id":"00","address":"h:1","version":"\\n"}', "version is too long, or not printable"),
        (b'{"node_id":"n","boot_id":"00","address":"unix:/tmp/x","version":"1"}', "its address is not host:port"),
        (b'{"node_id":"n","boot_id":"00","address":"dns:///h:1","version":"1"}', "its address is not host:port"),
        (b'{"node_id":"n","boot_id":"00","address":"h:1","version":"1","registration":-1}', "registration is out of its range"),
        (b'{"node_id":"n","boot_id":"00","address":"h:1","version":"1","registration":9223372036854775808}', "registration is out of"),
    ],
)
def test_what_is_no_record_says_why(value: bytes, why: str):
    """One that anybody may have put there."""
    with pytest.raises(Unreadable, match=why):
        decode("n", value)


@pytest.mark.parametrize("node_id", ["", "a\nb", "x" * 129])
def test_what_is_no_nodes_name(node_id: str):
    """Such as nobody may register."""
    with pytest.raises(Unreadable, match="node_id is too long, or not printable"):
        decode(node_id, encode(NodeRecord(node_id, b"1" * 16, "h:1", "1"), "g"))


@given(st.binary(max_size=200) | st.recursive(st.none() | st.booleans() | st.integers() | TEXT, st.lists).map(json.dumps))
def test_anything_is_read_or_told(value: bytes | str):
    """Never another error."""
    with contextlib.suppress(Unreadable):
        decode("n", value if isinstance(value, bytes) else value.encode())
