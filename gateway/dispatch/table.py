"""The routes and the shaping in force, and the version of the settings that they are of. Pure.

One object for all who need a route as it is now: links, feeder, reasons. `use` replaces all of it between two turns of the loop, so that
nobody sees half of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from mailgate.route import EVEN, HASHED, HashBy, Route
from mailgate.shaping.shaping import NO_SHAPING, Shaping


class RouteTable:
    """See the module."""

    def __init__(self, routes: Mapping[str, Route], version: str = "", shaping: Shaping = NO_SHAPING) -> None:
        self.routes: Mapping[str, Route] = MappingProxyType(dict(routes))
        """By name."""
        self.version = version
        self.shaping = shaping

    def __repr__(self) -> str:
        return f"<RouteTable {self.version or '(no version)'} {', '.join(self.routes)}>"

    def __contains__(self, name: str) -> bool:
        return name in self.routes

    def policy(self, name: str) -> str:
        """How nodes are chosen for its jobs."""
        route = self.routes.get(name)
        return EVEN if route is None else route.balancing

    def hash_by(self, name: str) -> HashBy | None:
        """What its jobs are hashed by. None: its policy does not hash."""
        return self.routes[name].hash_by if self.policy(name) == HASHED else None

    def homes(self, name: str, site_key: str) -> int:
        """How many nodes the mail of this site goes by. 0: any number, since it has no limits, or since the policy is another."""
        route = self.routes.get(name)
        if route is None or not route.homed:
            return 0
        if route.mx:
            shape = self.shaping.providers.get(site_key.partition("/")[2], self.shaping.default)
        else:
            shape = self.shaping.of_relays([relay.host for relay in route.relays]).shape
        return shape.nodes(route.connections)

    def by_mx(self, name: str) -> bool | None:
        """Its mail goes by MX. None: there is no such route."""
        route = self.routes.get(name)
        return None if route is None else route.mx

    def sources(self, name: str) -> str:
        """The pool of sources that it names, or ""."""
        return self.routes[name].sources if name in self.routes else ""

    def use(self, routes: Mapping[str, Route], version: str, shaping: Shaping = NO_SHAPING) -> frozenset[str]:
        """From now on these are all there are. Names of those that are new, changed or gone."""
        names = self.routes.keys() | routes.keys()
        changed = frozenset(name for name in names if self.routes.get(name) != routes.get(name))
        self.routes, self.version, self.shaping = MappingProxyType(dict(routes)), version, shaping
        return changed
