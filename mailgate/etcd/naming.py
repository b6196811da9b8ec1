"""The format in which etcd's naming resolver for Go keeps addresses: a key below `<target>/` for each, its value a small JSON object. Pure.

Of `Metadata` nothing is written: gRPC's balancers in Go compare it, and panic at an object.
"""

from __future__ import annotations

import json

ADD = 0


def encode(address: str) -> bytes:
    """The value of an address, `host:port`."""
    return json.dumps({"Op": ADD, "Addr": address, "Metadata": None}, separators=(",", ":")).encode()


def decode(value: bytes) -> str:
    """The address of a value; empty: it has none."""
    try:
        told = json.loads(value)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(told, dict) or told.get("Op", ADD) != ADD:
        return ""
    address = told.get("Addr")
    return address if isinstance(address, str) else ""
