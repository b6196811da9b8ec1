"""The nodes that etcd holds, as far as it is believed. Pure.

One entry that goes is believed: a node left, or its time ran out. That more than half go in one revision, or are missing from a list, is
rather etcd's trouble than theirs (a cluster made anew, a gateway dead that had registered them all): they stay for a while, in which their
gateways put them again or they register with others. And a node whose own stream is healthy is used on whatever is said here
(dispatch/fleet.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from gateway.registry.etcd.record import Unreadable, decode
from gateway.registry.port import NodeRecord
from mailgate.etcd.followed import Change


class Roster:
    """`prefix`: of the keys, up to the node's id. `grace`: seconds that entries stay which went with too many others."""

    def __init__(self, prefix: bytes, grace: float) -> None:
        self._prefix, self._grace = prefix, grace
        self._records: dict[bytes, NodeRecord] = {}
        self._missing: dict[bytes, float] = {}
        self._unreadable: dict[bytes, str] = {}

    def __repr__(self) -> str:
        return f"<Roster {len(self._records)} nodes, {len(self._missing)} of them missing, {len(self._unreadable)} unreadable>"

    @property
    def records(self) -> tuple[NodeRecord, ...]:
        """By id."""
        return tuple(sorted(self._records.values(), key=lambda record: record.node_id))

    @property
    def missing(self) -> int:
        """Nodes that are kept though etcd has them no more."""
        return len(self._missing)

    @property
    def unreadable(self) -> int:
        """Entries that can't be read."""
        return len(self._unreadable)

    @property
    def due(self) -> float | None:
        """When `expire` has something to do; None: never."""
        return min(self._missing.values(), default=None)

    def hear(self, changes: Sequence[Change], listed: bool, now: float) -> list[tuple[str, str]]:
        """Changes of etcd's entries; the ids of those that can't be read, with why, each once."""
        told: list[tuple[str, str]] = []
        for _, at_once in groupby(changes, lambda change: None if listed else change.revision):
            gone = set()
            for change in at_once:
                if change.value is None:
                    self._unreadable.pop(change.key, None)
                    gone.add(change.key)
                elif why := self._read(change.key, change.value):
                    if self._unreadable.get(change.key) != why:
                        told.append((self._node_id(change.key), why))
                    self._unreadable[change.key] = why
                    gone.add(change.key)
            self._go(gone & self._records.keys(), listed, now)
        return told

    def expire(self, now: float) -> None:
        """Those that were missing for too long are gone."""
        for key in [key for key, until in self._missing.items() if until <= now]:
            del self._missing[key]
            self._records.pop(key, None)

    def _read(self, key: bytes, value: bytes) -> str:
        """Why it can't be read; empty: it is known now."""
        try:
            self._records[key] = decode(self._node_id(key), value)
        except Unreadable as error:
            return str(error)
        self._missing.pop(key, None)
        self._unreadable.pop(key, None)
        return ""

    def _go(self, keys: set[bytes], listed: bool, now: float) -> None:
        there = len(self._records) - len(self._missing)
        if 2 * len(keys) > there and (listed or len(keys) > 1):
            for key in keys:
                self._missing.setdefault(key, now + self._grace)
            return
        for key in keys:
            self._missing.pop(key, None)
            self._records.pop(key, None)

    def _node_id(self, key: bytes) -> str:
        return key[len(self._prefix) :].decode(errors="replace")
