"""Which paths this node has open, and the site key that each counts for. Pure; the pool does what it says.

The site key is what gateways count jobs and credit by. A relay route's is its name. Its connections are counted for each source by itself,
as what a server allows to one is no word on another; credit is the sum over those that can be dialled from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from mailgate.route import Route
from mailgate.verdict import NotTried
from sender.delivery.judge import unknown, without_source
from sender.delivery.sources import Sources, choose, key_of
from sender.pool.handoff import Handoff
from sender.pool.path import Path
from sender.pool.relays import Trouble
from sender.pool.source import Source


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

    def __init__(self, pool: Ways, sources: Sources | None = None) -> None:
        self._pool, self._sources = pool, sources or Sources()
        self._open: dict[str, Path] = {}
        self._by_route: dict[str, tuple[Path, ...]] = {}
        """One for each source that the route may leave from."""
        self._keys: dict[str, set[str]] = {}
        """Path keys by site key."""

    def __repr__(self) -> str:
        return f"<Paths open={len(self._open)} sites={len(self._keys)}>"

    def configure(self, routes: Mapping[str, Route]) -> None:
        """Take these routes for all there are. A route whose pool of sources this node has not has no path."""
        self._by_route = {
            route.name: tuple([Path(path_key(route.name, source), route, source=source) for source in self._sources.of(route)])
            for route in routes.values()
        }
        wanted = {path.key: path for paths in self._by_route.values() for path in paths}
        for path in [path for key, path in self._open.items() if key not in wanted]:
            self._shut(path)
        for path in wanted.values():
            self._add(path, path.route.name)

    def place(self, handoff: Handoff, last: str, now: float) -> Handoff | NotTried:
        """Give it the path that it takes: from the source `last`, or from the one that its sender and recipient lead to.

        Only from one that can be dialled from, for all that is known; or why there is none.
        """
        paths = self._by_route.get(handoff.route)
        if paths is None:
            return unknown(handoff.route)
        if len(paths) == 1 and not paths[0].source.name:
            handoff.path = paths[0].key
            return handoff
        up = {path.source.name: path for path in paths if not self._out(path, now)}
        if not up:
            return self._nowhere(handoff.route, paths)
        chosen = choose([path.source for path in up.values()], key_of(handoff.return_path, handoff.recipients[0].email), last)
        handoff.path, handoff.source = up[chosen.name].key, chosen.name
        return handoff

    @property
    def opened(self) -> Mapping[str, Path]:
        """Those that are open, by their keys."""
        return self._open

    def get(self, key: str) -> Path | None:
        """The path of that key, if it is open."""
        return self._open.get(key)

    def capacities(self, now: float) -> dict[str, int]:
        """By site key, over its paths; a site whose sources are all out has none, so that its jobs go to other nodes."""
        capacities = {}
        for site, keys in self._keys.items():
            up = [key for key in keys if not self._out(self._open[key], now)]
            if up:
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
        """It failed of late for its source's sake, or the site takes nothing of it. Once that is over, the next mail finds out."""
        if not path.source.name:
            return False
        if self._pool.closed(path.key):
            return True
        trouble = self._pool.trouble(path.key)
        return trouble is not None and trouble.of_source and now < trouble.rests_until

    def _nowhere(self, route: str, paths: Iterable[Path]) -> NotTried:
        why = [closed for path in paths if (closed := self._pool.closed(path.key))]
        why += [trouble.reply.text for path in paths if (trouble := self._pool.trouble(path.key)) is not None]
        return NotTried(why[0]) if why else without_source(route)

    @property
    def warm(self) -> int:
        """Connections, over all paths."""
        return sum(self._pool.warm(key) for key in self._open)

    def _add(self, path: Path, site_key: str) -> None:
        self._open[path.key] = path
        self._keys.setdefault(site_key, set()).add(path.key)
        self._pool.open(path)

    def _shut(self, path: Path) -> None:
        del self._open[path.key]
        for site_key in [site_key for site_key, keys in self._keys.items() if path.key in keys]:
            self._keys[site_key].discard(path.key)
            if not self._keys[site_key]:
                del self._keys[site_key]
        self._pool.shut(path.key)
