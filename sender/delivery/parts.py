"""How much of what sites allow is this node's, as its gateways say. Pure.

A fleet does no more than one node may: nodes with the same source share its limits, evenly, or a site's home has all of them
(gateway/dispatch/shares.py). Without a word of a gateway all of it is this node's.
"""

from __future__ import annotations

from typing import NamedTuple
from zlib import crc32

from mailgate.shaping.shape import Shape
from sender.delivery.allowance import site_key_of, source_of
from sender.pool.path import Path

MOST = 20_000
"""Sites that are remembered; the oldest goes first, and has the source's part then."""

FORGOTTEN = 60.0
"""Seconds for which a lost site is barred here; then its source's part would do, and nothing keeps its paths open."""


class Part(NamedTuple):
    """The place among so many, from 0 on; of 0: no part any more. `spent`: others had it until now."""

    place: int
    parts: int
    spent: bool = False


WHOLE = Part(0, 1)


class Parts:
    """See the module."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._sources: dict[str, Part] = {}
        self._sites: dict[str, Part] = {}
        """By site key."""
        self._lost: dict[str, float] = {}
        """When each of those was told that has no part here any more, monotonic seconds."""
        self._spent: set[str] = set()
        self._shapes: dict[tuple[int, int, int], tuple[Shape, Shape]] = {}
        """By a shape's id, an index and a number of parts: that shape, and the part of it. The same shape has the same part."""

    def __repr__(self) -> str:
        return f"<Parts sources={self._sources} sites={len(self._sites)}>"

    def of_source(self, source: str, part: Part) -> bool:
        """A gateway says so. False: it is as before."""
        before, self._sources[source] = self._sources.get(source, WHOLE), part
        return part != before

    def of_site(self, site_key: str, part: Part, now: float) -> bool:
        """A gateway says so. False: it is as before."""
        self._lost.pop(site_key, None)
        if not part.parts:
            self._lost[site_key] = now
        before = self._sites.pop(site_key, None)
        if before is None and len(self._sites) >= self._most:
            self._lost.pop(oldest := next(iter(self._sites)), None)
            del self._sites[oldest]
        self._sites[site_key] = part
        if part.spent:
            self._spent.add(site_key)
        return before is None or before[:2] != part[:2]

    def is_elsewhere(self, site_key: str) -> bool:
        """Some other node may be the site's home: this one has no part of it, and is not the only one with its sources."""
        part = self._sites.get(site_key)
        return (part is None or not part.parts) and any([each.parts > 1 for each in self._sources.values()])

    def take_spent(self, site_key: str) -> bool:
        """Others had the site until now; asked once, when its first path is opened here."""
        if site_key not in self._spent:
            return False
        self._spent.discard(site_key)
        return True

    def shape(self, path: Path, site: str, shape: Shape) -> Shape:
        """This node's part of what holds for the site of a path. The same object for the same, since throttles compare it."""
        part = self._sites.get(site_key_of(path)) or self._sources.get(source_of(path), WHOLE)
        if part.parts == 1:
            return shape
        # Connections that cannot be divided are other nodes' at each site.
        index = (part.place + crc32(site.encode())) % part.parts if part.parts else 0
        kept = self._shapes.get((id(shape), index, part.parts))
        if kept is None:
            kept = self._shapes[id(shape), index, part.parts] = shape, shape.part(index, part.parts)
        return kept[1]

    def forget_shapes(self) -> None:
        """There are others."""
        self._shapes.clear()

    def prune(self, now: float) -> list[str]:
        """Forget sites of which there is no part here any more, once their jobs and connections are gone; their keys."""
        over = [site_key for site_key, at in self._lost.items() if now - at >= FORGOTTEN]
        for site_key in over:
            del self._lost[site_key]
            self._sites.pop(site_key, None)
        return over
