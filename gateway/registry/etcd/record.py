"""NodeRecord ⇄ the JSON that etcd holds. Pure.

Read are records of this release, of older ones and of newer ones: a key that is not known is passed over, one that is missing has its
default. Octets are hexadecimal.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, Field, fields
from typing import Any

from gateway.registry.port import NodeRecord, is_node_id
from mailgate.errors import SettingsInvalid
from mailgate.rpc.address import split_address

MOST = 64 * 1024
"""Octets of a record that is looked at: those of ours have some 200."""
MOST_TEXT = 300
"""Characters of one of its texts: a host's name has 253 at the most. A text that no protobuf may have, such as half a surrogate pair, would
else fail every table of nodes, and a target of gRPC's other kinds (`unix:`, `dns:`) would be dialled."""
MOST_NUMBER = 2**63

_KINDS: dict[str, type] = {"str": str, "int": int, "bytes": str}
"""How JSON has the types that a field may have."""


class Unreadable(ValueError):
    """It is no record; the text says why."""


def encode(record: NodeRecord, gateway: str) -> bytes:
    """The same record, registered through the same gateway, always has the same octets: etcd compares them."""
    known: dict[str, Any] = {each.name: getattr(record, each.name) for each in fields(record)}
    written = {name: value.hex() if isinstance(value, bytes) else value for name, value in known.items()}
    return json.dumps({**written, "gateway": gateway}, sort_keys=True, separators=(",", ":")).encode()


def decode(node_id: str, data: bytes) -> NodeRecord:
    """The record of `node_id`.

    Raises:
        Unreadable: it is none, or another node's.
    """
    try:
        told = json.loads(data) if len(data) <= MOST else None
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise Unreadable("it is no JSON object")
    values: dict[str, Any] = {each.name: _value(each, told[each.name]) for each in fields(NodeRecord) if _there(each, told)}
    record = NodeRecord(**values)
    if record.node_id != node_id:
        raise Unreadable(f"its node_id is {record.node_id!r}")
    if not is_node_id(node_id):
        raise Unreadable("its node_id is too long, or not printable")
    try:
        split_address(record.address, "address")
    except SettingsInvalid:
        raise Unreadable("its address is not host:port") from None
    return record


def _there(field: Field[Any], told: dict[str, Any]) -> bool:
    if field.name in told:
        return True
    if field.default is MISSING and field.default_factory is MISSING:
        raise Unreadable(f"{field.name} is missing")
    return False


def _value(field: Field[Any], raw: object) -> object:
    kind = _KINDS[str(field.type)]
    if not isinstance(raw, kind) or isinstance(raw, bool):
        raise Unreadable(f"{field.name} is not of its type")
    if field.type == "str" and not (len(str(raw)) <= MOST_TEXT and str(raw).isprintable()):
        raise Unreadable(f"{field.name} is too long, or not printable")
    if isinstance(raw, int) and not 0 <= raw < MOST_NUMBER:
        raise Unreadable(f"{field.name} is out of its range")
    if field.type == "bytes":
        try:
            return bytes.fromhex(str(raw))
        except ValueError:
            raise Unreadable(f"{field.name} is not hexadecimal") from None
    return raw
