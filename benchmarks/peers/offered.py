"""When a gateway hands jobs to which node: its counters, asked for in a thread of its own every few milliseconds."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import grpc

from .door import Door

PAUSE = 0.003


@dataclass(frozen=True, slots=True)
class Look:
    """A node's state and count of jobs offered, as known at a moment: seconds of time.monotonic(), when the gateway had answered."""

    at: float
    node: str
    state: int
    offered: int


class Offered:
    """What changed. `last`, `first` look through it."""

    def __init__(self) -> None:
        self.looks: list[Look] = []

    def last(self, node: str, since: float, until: float) -> float:
        """When the node's count rose for the last time between two moments; `since` when it did not."""
        mine = [look for look in self.looks if look.node == node and look.at <= until]
        risen = [new.at for old, new in pairwise(mine) if rises(old, new) and new.at > since]
        return risen[-1] if risen else since

    def first(self, node: str, since: float) -> float | None:
        """When it rose for the first time after a moment."""
        mine = [look for look in self.looks if look.node == node]
        return next((new.at for old, new in pairwise(mine) if rises(old, new) and new.at > since), None)


def rises(old: Look, new: Look) -> bool:
    """A job went there between two looks; a node that has left and come back is counted from 0."""
    return new.offered > old.offered or 0 < new.offered < old.offered


@contextmanager
def watching(door: Door) -> Iterator[Offered]:
    """Look until the `with` is left. Garbage is not collected meanwhile: with what is gathered here it stood still for 0.2 s at a time."""
    gc.disable()
    offered, over = Offered(), threading.Event()
    latest: dict[str, tuple[int, int]] = {}

    def look() -> None:
        while not over.wait(PAUSE):
            try:
                nodes = door.nodes()
            except grpc.RpcError:
                continue
            at = time.monotonic()
            for node in nodes:
                if latest.get(node.node_id) != (now := (int(node.state), node.offered)):
                    latest[node.node_id] = now
                    offered.looks.append(Look(at, node.node_id, *now))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield offered
    finally:
        over.set()
        thread.join(5)
        gc.enable()
