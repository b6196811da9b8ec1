"""The ring of consistent hashing: which node is at home for a key, and which come after it. Pure.

Karger et al., "Consistent Hashing and Random Trees", 1997: nodes and keys are points of one circle, and a key is at home with the next
node. A node that comes or leaves moves its own keys, and no other. Gateways of a fleet have the same ring for the same ids, so that a key's
connections stay warm on one node whichever gateway its mail came by.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import blake2b
from itertools import chain

POINTS = 160
"""Of a node. A node's part of the circle is then its even share give or take 1/√160, 8 % (as libketama has it)."""
_POINT, _DIGEST = 8, 64
"""Octets of a point, and of a digest, which is eight points at the price of one."""


class Ring:
    """See the module. `use` costs some 0.2 ms for 8 nodes, and is for changes; `walk` is for picks."""

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self.ids: frozenset[str] = frozenset()
        self._runs: dict[str, dict[int, str]] = {}
        """By id, its points in order: merging sorted runs is what a change costs, not hashing."""
        self._points: list[int] = []
        self._owners: list[str] = []
        self.use(ids)

    def __repr__(self) -> str:
        return f"<Ring {', '.join(sorted(self.ids))}>"

    def use(self, ids: Iterable[str]) -> None:
        """These are all nodes from now on. Nothing happens when they are those of before."""
        wanted = frozenset(ids)
        if wanted == self.ids:
            return
        self._runs = {node_id: self._runs.get(node_id) or _run(node_id) for node_id in sorted(wanted)}
        owners = {point: node_id for run in self._runs.values() for point, node_id in run.items()}
        self.ids = wanted
        self._points = sorted(chain.from_iterable(self._runs.values()))  # sorted runs: timsort only merges
        self._owners = [owners[point] for point in self._points]

    def walk(self, key: str) -> Iterator[str]:
        """Ids from the key's home on, each as often as it has points; after all of them the walk is over. Must be cheap."""
        owners = self._owners
        at = bisect_right(self._points, point_of(key)) - len(owners)  # a negative index goes round by itself
        for index in range(at, at + len(owners)):
            yield owners[index]

    def homes(self, key: str, count: int) -> tuple[str, ...]:
        """The first `count` nodes from the key on, or all where there are fewer."""
        return self.homes_among(key, self.ids, count)

    def homes_among(self, key: str, ids: Iterable[str], count: int) -> tuple[str, ...]:
        """The same, as if only these were on the ring."""
        among = self.ids.intersection(ids)
        found: list[str] = []
        count = min(count, len(among))
        for node_id in self.walk(key) if count else ():
            if node_id in among and node_id not in found:
                found.append(node_id)
                if len(found) == count:
                    break
        return tuple(found)


@lru_cache(maxsize=4096)
def point_of(key: str) -> int:
    """Where a key is on the circle. The same in every process, which `hash` is not."""
    return int.from_bytes(blake2b(key.encode(), digest_size=_POINT).digest())


def _run(node_id: str) -> dict[int, str]:
    points = []
    for number in range(POINTS * _POINT // _DIGEST):
        digest = blake2b(f"{node_id}#{number}".encode(), digest_size=_DIGEST).digest()
        points += [int.from_bytes(digest[at : at + _POINT]) for at in range(0, _DIGEST, _POINT)]
    return dict.fromkeys(sorted(points), node_id)
