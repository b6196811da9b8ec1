"""The routes and the shaping in force, and the version of the settings that they are of. Pure.

One object for all who need a route as it is now: links, feeder, reasons. `use` replaces all of it between two turns of the loop, so that
nobody sees half of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gateway.balancing.policies import HASHED
from mailgate.route import HashBy, Route
from mailgate.shaping.shaping import NO_SHAPING, Shaping

DEFAULT_POLICY, DEFAULT_BY_MX = "least_connections", "consistent_hash"
"""For relays, and for what is left of a route that is gone; for routes by MX."""


def policy_of(route: Route) -> str:
    """The policy that it names, or that is right for its kind."""
    return route.policy or (DEFAULT_BY_MX if route.mx else DEFAULT_POLICY)


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
        return DEFAULT_POLICY if route is None else policy_of(route)

    def hash_by(self, name: str) -> HashBy | None:
        """What its jobs are hashed by. None: its policy does not hash."""
        return self.routes[name].hash_by if self.policy(name) == HASHED else None

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
