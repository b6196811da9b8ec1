"""All throttles of a node, by source and site: made when they are first asked for, forgotten when they are as new ones would be. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import NamedTuple

from mailgate.shaping.shape import Shape
from sender.delivery.throttle import Change, Kind, Throttle

MOST = 20_000
"""Throttles that are remembered. About 300 octets each that has no traffic."""
SPARE = 10
"""Where there are too many, a tenth goes at once, the oldest first: a full table is not looked at for each new site."""
OTHER = "other"
"""The provider of a site that is none's, in metrics: sites are too many for labels."""


class ProviderCounts(NamedTuple):
    """Of a provider's sites, over all sources. The first three are as it is now, the others since the start."""

    known: int = 0
    suspended: int = 0
    slowed: int = 0
    suspensions: int = 0
    slowdowns: int = 0
    curbs: int = 0


class Throttles:
    """See the module. A key is (source, site); the site is a provider's name, a host, or a route of relays."""

    def __init__(self, most: int = MOST, held: Container[Throttle] = ()) -> None:
        """`held`: those that open paths have; they are not forgotten for being as new, since others are to share them."""
        self._most, self._held = most, held
        self._known: dict[tuple[str, str], Throttle] = {}
        self._counts: dict[tuple[str, Kind], int] = {}

    def __repr__(self) -> str:
        return f"<Throttles {len(self._known)}>"

    def __len__(self) -> int:
        return len(self._known)

    def __iter__(self) -> Iterator[tuple[tuple[str, str], Throttle]]:
        return iter(self._known.items())

    def get(self, source: str, site: str, shape: Shape, now: float) -> Throttle:
        """The throttle; it has the shape that is given."""
        throttle = self._known.get((source, site))
        if throttle is None:
            if len(self._known) >= self._most:
                self._make_room(now)
            throttle = self._known[source, site] = Throttle(site, shape)
        elif throttle.shape is not shape:
            throttle.reshape(shape, now)
        return throttle

    def changed(self, throttle: Throttle, change: Change) -> None:
        """Count it."""
        key = (throttle.shape.name or OTHER, change.kind)
        self._counts[key] = self._counts.get(key, 0) + 1

    def prune(self, now: float) -> None:
        """Forget those that are as new ones would be, and that nobody holds."""
        for key in [key for key, throttle in self._known.items() if throttle not in self._held and throttle.is_default(now)]:
            del self._known[key]

    def stats(self, now: float) -> dict[str, ProviderCounts]:
        """By provider; those of no provider together."""
        found: dict[str, ProviderCounts] = {}
        for throttle in self._known.values():
            name = throttle.shape.name or OTHER
            counts = found.get(name, ProviderCounts())
            found[name] = counts._replace(
                known=counts.known + 1,
                suspended=counts.suspended + (throttle.suspended_until > now),
                slowed=counts.slowed + throttle.slowed,
            )
        fields: dict[Kind, str] = {"suspended": "suspensions", "slowed": "slowdowns", "fewer_connections": "curbs"}
        for (name, kind), count in self._counts.items():
            if (field := fields.get(kind)) is not None:
                found[name] = found.get(name, ProviderCounts())._replace(**{field: count})
        return found

    def _make_room(self, now: float) -> None:
        """Last of all forget what complaints taught, and providers, whose paths are many."""
        self.prune(now)
        over = len(self._known) - self._most + max(1, self._most // SPARE)
        in_order = sorted(self._known.items(), key=lambda known: known[1].curbed or bool(known[1].shape.name))
        for key, _ in in_order[: max(0, over)]:
            del self._known[key]
