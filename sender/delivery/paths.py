"""Which paths this node has open, and the site key that each counts for. Pure; the pool does what it says.

The site key is what gateways count jobs and credit by. A relay route's is its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from mailgate.route import Route
from sender.pool.path import Path


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


class Paths:
    """See the module."""

    def __init__(self, pool: Ways) -> None:
        self._pool = pool
        self._open: dict[str, Path] = {}
        self._keys: dict[str, set[str]] = {}
        """Path keys by site key."""

    def __repr__(self) -> str:
        return f"<Paths open={len(self._open)} sites={len(self._keys)}>"

    def configure(self, routes: Mapping[str, Route]) -> None:
        """Take these routes for all there are."""
        for path in [path for path in self._open.values() if path.route.name not in routes]:
            self._shut(path)
        for route in routes.values():
            self._add(Path(route.name, route), route.name)

    def place(self, route: Route) -> Path:
        """The path that a mail of this route takes."""
        return self._open[route.name]

    @property
    def opened(self) -> Mapping[str, Path]:
        """Those that are open, by their keys."""
        return self._open

    def get(self, key: str) -> Path | None:
        """The path of that key, if it is open."""
        return self._open.get(key)

    def capacities(self) -> dict[str, int]:
        """By site key, over its paths."""
        return {site: sum([self._pool.capacity(key) for key in keys]) for site, keys in self._keys.items()}

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
