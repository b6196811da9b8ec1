"""Which source a mail leaves from: mostly the one that the same sender and recipient had before. Pure.

A greylisting server remembers (address, sender, recipient), and lets in whoever comes back from the same address (RFC 6647 2.1): a retry
from another begins anew. So the choice follows from sender and recipient, by weighted rendezvous hashing: a source that goes or comes moves
its own share alone, on every node in the same way, and nothing is remembered for it here. Where a job went from another source last, since
its own was out, or since the pool was another then, the gateway's offer says so, and that one is kept to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from math import log

from mailgate.route import Route
from sender.pool.source import Source, pool_of


@dataclass(frozen=True, slots=True)
class Standing:
    """A source, why it can't be dialled from now, and what receivers may hold against it; all of it in words."""

    source: Source
    trouble: str = ""
    warnings: tuple[str, ...] = ()


class Sources:
    """What this node sends from, and how each does. `standings` is another tuple when something has changed, and only then."""

    def __init__(self, sources: Sequence[Source] = (), default: Source | None = None) -> None:
        """`default`: what receivers see where the system chooses the address, for what is to be said of it. No route names it."""
        self._default = (default,) if default else ()
        self.standings: tuple[Standing, ...] = ()
        self.use(sources)
        self._renewed = False

    def use(self, sources: Sequence[Source]) -> None:
        """These and no others from now on; delivery hears of it with its next sweep."""
        self._sources, self._renewed = tuple(sources), True
        known = {standing.source: standing for standing in self.standings}
        self._renew([known.get(source, Standing(source)) for source in (*sources, *self._default)])

    def renewed(self) -> bool:
        """They are others than when this was last asked."""
        renewed, self._renewed = self._renewed, False
        return renewed

    def of(self, route: Route) -> tuple[Source, ...]:
        """What the route's mail may leave from, whether it is up or not; empty: the node has no such pool."""
        return pool_of(self._sources, route.sources)

    def warn(self, name: str, warnings: tuple[str, ...]) -> None:
        """What is to be said of a source from now on."""
        self._renew([replace(each, warnings=warnings) if each.source.name == name else each for each in self.standings])

    def trouble(self, troubles: dict[str, str]) -> None:
        """Why sources can't be dialled from, by name; all others can."""
        self._renew([replace(each, trouble=troubles.get(each.source.name, "")) for each in self.standings])

    def _renew(self, standings: list[Standing]) -> None:
        if self.standings != (made := tuple(standings)):
            self.standings = made


def choose(sources: Sequence[Source], key: bytes, last: str = "") -> Source:
    """One of `sources`, which are up and not empty: the one named `last`, else the one that `key` leads to. Some 2 µs for each source."""
    if len(sources) == 1:
        return sources[0]
    for source in sources:
        if source.name == last:
            return source
    return max(sources, key=lambda source: score(source, key))


def score(source: Source, key: bytes) -> float:
    """Highest for the source that has the key: weight / -ln(u), u uniform in (0, 1) by key and source (Schindelhauer, Schomaker 2005)."""
    drawn = int.from_bytes(blake2b(key, digest_size=6, key=source.name.encode()[:64]).digest())
    return source.weight / -log((drawn + 1) / (2**48 + 1))


def key_of(return_path: str, recipient: str) -> bytes:
    """What a greylisting server knows a mail by, beside the address. Domains are the same in upper and lower case."""
    return f"{return_path}\0{recipient}".lower().encode()
