"""Which paths this node has open, and the site key that each counts for. Pure; the pool does what it says.

The site key is what gateways count jobs and credit by. A relay route's is its name; by MX it is `ROUTE/SITE` of each site that a path leads
to, and `ROUTE/` for each other. A path by MX is opened with its first mail. Connections are counted for each source by
itself, as what a server allows to one is no word on another; credit is the sum over those that can be dialled from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Protocol

from mailgate.route import Route
from mailgate.verdict import NotTried
from sender.delivery.allowance import site_key_of
from sender.delivery.credit import OUT
from sender.delivery.directions import Directions
from sender.delivery.judge import unknown, without_source
from sender.delivery.routes import MAX_CONNECTIONS
from sender.delivery.sites import Destination
from sender.delivery.sources import Sources, choose, key_of
from sender.pool.handoff import Handoff
from sender.pool.path import Path
from sender.pool.relays import Trouble
from sender.pool.source import Source

FEW, WALK = 20, 100e-6
"""Beyond so many paths, seconds for each in which they are not counted anew: a tenth of the time at the most."""


class Ways(Protocol):
    """What of the pool is needed here."""

    def open(self, path: Path) -> None:
        """Take mail for it."""
        ...

    def shut(self, key: str) -> None:
        """Take no more."""
        ...

    def capacity(self, key: str) -> int:
        """Connections usable, being dialled, or dialled on demand."""
        ...

    def warm(self, key: str) -> int:
        """Connections open and usable."""
        ...

    def asleep(self, key: str) -> bool:
        """No connection is open, being dialled or wanted."""
        ...

    def closed(self, key: str) -> str:
        """Why its site takes nothing for so long that mail had better go another way; empty: it does."""
        ...

    def trouble(self, key: str) -> Trouble | None:
        """Why a path has no connection."""
        ...


def path_key(key: str, source: Source) -> str:
    """The key of a way out by itself, as it is from one source: connections, lines and limits are each source's own."""
    return f"{key}@{source.name}" if source.name else key


class Paths:
    """See the module. Times are monotonic seconds."""

    def __init__(self, pool: Ways, sources: Sources | None = None, most: int = MAX_CONNECTIONS) -> None:
        self._pool, self._sources = pool, sources or Sources()
        self._open: dict[str, Path] = {}
        self._by_route: dict[str, tuple[Path, ...]] = {}
        """One for each source that the route may leave from."""
        self._keys: dict[str, set[str]] = {}
        """Path keys by site key."""
        self._directions = Directions()
        self._most = most
        self._given: dict[str, int] = {}
        """Connections that paths by MX may have; `_left` of all are neither theirs nor those of relays."""
        self._left = most
        self._up: set[str] = set()
        """Paths to relays that have had a connection when their credit was counted last, or since."""
        self._capacities: dict[str, int] = {}
        self._counted_at = float("-inf")

    def __repr__(self) -> str:
        return f"<Paths open={len(self._open)} sites={len(self._keys)}>"

    def configure(self, routes: Mapping[str, Route]) -> None:
        """Take these routes for all there are. A route whose pool of sources this node has not has no path."""
        before, self._by_route = self._by_route, {route.name: self._paths_of(route) for route in routes.values()}
        for name, paths in before.items():
            if self._by_route.get(name) == paths:
                self._by_route[name] = paths  # the very same: what was made of it holds
        wanted = {path.key: path for paths in self._by_route.values() for path in paths if not path.route.mx}
        for key, path in self._open.items():
            if path.site and (renewed := self._directions.renewed(path, self._by_route.get(path.route.name, ()))) is not None:
                wanted[key] = renewed
        for key in [key for key in self._open if key not in wanted]:
            self.shut(key)
        by_relays = sum([path.route.connections for path in wanted.values() if not path.site])
        self._left = self._most - by_relays - sum(self._given.values())
        for path in wanted.values():
            self._add(path)

    def place(self, handoff: Handoff, last: str, now: float, destination: Destination | None = None) -> Handoff | NotTried:
        """Give it the path that it takes: from the source `last`, or from the one that its sender and recipient lead to.

        Only from one that can be dialled from, for all that is known; or why there is none. `destination`: of a route by MX.
        """
        paths = self._by_route.get(handoff.route)
        if paths is None:
            return unknown(handoff.route)
        if destination is not None and paths:
            paths = self._directions.towards(paths, destination)
        if len(paths) == 1 and not paths[0].source.name:
            return self._give(handoff, paths[0])
        up = {path.source.name: path for path in paths if not self._out(path, now)}
        if not up:
            return self._nowhere(handoff.route, paths)
        chosen = choose([path.source for path in up.values()], key_of(handoff.return_path, handoff.recipients[0].email), last)
        return self._give(handoff, up[chosen.name])

    def shut(self, key: str) -> None:
        """Take no more mail for it. Nothing happens where it is not open."""
        if (path := self._open.pop(key, None)) is None:
            return
        self._forget(path)
        self._left += self._given.pop(key, 0)
        self._directions.forget(key, self._open)
        self._pool.shut(key)

    def is_of_use(self, key: str) -> bool:
        """It has a connection, or is known to be closed by a limit, which whoever lists credit has to say."""
        return self._pool.warm(key) > 0 or bool(self._pool.closed(key))

    def comes_up(self, key: str) -> bool:
        """A connection of it is idle: whether it is the first, so that gateways had better hear of it now. Must be cheap: once a mail.

        Not of a path by MX: there are thousands, and each is known before its credit matters.
        """
        if key in self._up or (path := self._open.get(key)) is None or path.site:
            return False
        self._up.add(key)
        return True

    @property
    def opened(self) -> Mapping[str, Path]:
        """Those that are open, by their keys."""
        return self._open

    def get(self, key: str) -> Path | None:
        """The path of that key, if it is open."""
        return self._open.get(key)

    def capacities(self, now: float) -> dict[str, int]:
        """By site key, over its paths; a site whose sources are all out has none, so that its jobs go to other nodes.

        A site by MX that nobody uses is not listed: it has what each other has, and more once there is a connection.

        It is asked for with every frame, and for hundreds of sites it is a walk: then it may be some milliseconds old.
        """
        if now - self._counted_at >= max(0, len(self._open) - FEW) * WALK:
            self._counted_at, self._capacities = now, self._count(now)
        return self._capacities

    @property
    def warm(self) -> int:
        """Connections, over all paths."""
        return sum(self._pool.warm(key) for key in self._open)

    def _count(self, now: float) -> dict[str, int]:
        self._up = {key for key in self._up if self._pool.warm(key)}
        capacities = {f"{name}/": 0 for name, paths in self._by_route.items() if paths and paths[0].route.mx}
        for site, keys in self._keys.items():
            up = [key for key in keys if not self._out(self._open[key], now)]
            if not up:
                if "/" in site:
                    capacities[site] = OUT
            elif "/" not in site or not all([self._pool.asleep(key) for key in up]):
                capacities[site] = sum([self._pool.capacity(key) for key in up])
        return capacities

    def troubles(self) -> dict[str, str]:
        """Why sources can't be dialled from, by name: those that no connection shows to be well."""
        troubles: dict[str, str] = {}
        well = set()
        for path in self._open.values():
            if not path.source.name:
                continue
            trouble = self._pool.trouble(path.key)
            if trouble is not None and trouble.of_source:
                troubles.setdefault(path.source.name, trouble.reply.text)
            elif self._pool.warm(path.key):
                well.add(path.source.name)
        return {name: words for name, words in troubles.items() if name not in well}

    def _out(self, path: Path, now: float) -> bool:
        """It failed of late for its source's or this node's sake, or the site takes nothing of it. After that the next mail finds out."""
        if not path.source.name and not path.route.username and not path.route.certificates:
            return False  # nothing of ours can fail: the walk over thousands by MX is spared a question each
        if path.source.name and self._pool.closed(path.key):
            return True
        trouble = self._pool.trouble(path.key)
        return trouble is not None and (trouble.of_source or trouble.of_node) and now < trouble.rests_until

    def _nowhere(self, route: str, paths: Iterable[Path]) -> NotTried:
        if why := next((closed for path in paths if (closed := self._pool.closed(path.key))), ""):
            return NotTried(why)
        why = next((trouble.reply.text for path in paths if (trouble := self._pool.trouble(path.key)) is not None), "")
        return NotTried(why) if why else without_source(route)  # not `of_node`: other routes have what they need

    def _paths_of(self, route: Route) -> tuple[Path, ...]:
        """One for each source. Those of a route by MX are for others to be made after, and never opened."""
        return tuple([Path(path_key(route.name, source), route, source=source) for source in self._sources.of(route)])

    def _give(self, handoff: Handoff, path: Path) -> Handoff:
        if path.site and self._open.get(path.key) is not path:
            self._add(path)
        handoff.path, handoff.source = path.key, path.source.name
        return handoff

    def _add(self, path: Path) -> None:
        before = self._open.get(path.key)
        if before is not None and before.site != path.site:
            self._forget(before)
        self._open[path.key] = path
        if before is None or before.site != path.site:
            self._keys.setdefault(site_key_of(path), set()).add(path.key)
            if not path.site:  # a site has what an unlisted one has, until it is counted
                self._counted_at = float("-inf")
        self._pool.open(self._curbed(path) if path.site else path)

    def _curbed(self, path: Path) -> Path:
        """By MX there are more ways than one can know before: each gets of all connections what is left, and one at least."""
        before = self._given.get(path.key, 0)
        given = self._given[path.key] = min(path.route.connections, max(1, self._left + before))
        self._left += before - given
        return path if given == path.route.connections else replace(path, route=replace(path.route, connections=given))

    def _forget(self, path: Path) -> None:
        """It counts for its site no more."""
        keys = self._keys[site_key := site_key_of(path)]
        keys.discard(path.key)
        if not keys:
            del self._keys[site_key]
        if not path.site:
            self._counted_at = float("-inf")
