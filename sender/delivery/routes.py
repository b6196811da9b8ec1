"""Which routes this node serves, and how far: those of the gateways that have a stream, each within bounds. Pure: time is given.

Gateways say what a route is; a node trusts none of them with its sockets. A number beyond mailgate.route.BOUNDS is brought back to the
bound, and all routes together get no more connections than the node's own settings say. A route is dropped when no gateway has it any
more; those of a gateway that has gone are kept for a while, since it is mostly back within seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from mailgate.route import BOUNDS, Route

MAX_CONNECTIONS = 10_000
"""Over all routes. Ten times the most of one route; what is beyond is a gateway's slip, and costs files and memory here."""
KEPT = 60.0
"""Seconds that the routes of a gateway without a stream are kept: a restart takes a few, and connections stay warm over it."""


class Curbed(NamedTuple):
    """What was asked for and is not done, in words for the log."""

    route: str
    what: str


@dataclass(slots=True)
class _Gateway:
    """`gone`: when its stream ended, monotonic seconds; None: it has one. `told`: on that stream, so that what comes next adds to it."""

    names: set[str] = field(default_factory=set)
    told: bool = False
    gone: float | None = None


class Routes:
    """See the module."""

    def __init__(self, max_connections: int = MAX_CONNECTIONS, ways: Callable[[Route], int] = lambda _: 1) -> None:
        """`ways`: how many sources a route leaves from; each has so many connections as the route says."""
        self.most, self._ways = max_connections, ways
        self._gateways: dict[str, _Gateway] = {}
        self._asked: dict[str, Route] = {}
        self.served: Mapping[str, Route] = {}
        """By name."""

    def join(self, gateway_id: str) -> None:
        """Its stream begins; until it tells its routes they are those of before."""
        known = self._gateways.setdefault(gateway_id, _Gateway())
        known.told, known.gone = False, None

    def leave(self, gateway_id: str, now: float) -> None:
        """Its stream is over."""
        if known := self._gateways.get(gateway_id):
            known.gone = now

    def tell(self, gateway_id: str, routes: Iterable[Route], removed: Iterable[str] = ()) -> list[Curbed]:
        """A frame of the gateway; the first of a stream has all routes, later ones what is new or changed, and names of those it `removed`.

        What of it is not done.
        """
        known = self._gateways.setdefault(gateway_id, _Gateway())
        if not known.told:
            known.names, known.told = set(), True
        known.names.difference_update(removed)
        curbed = []
        for route in routes:
            if len(known.names) >= self.most and route.name not in known.names:
                curbed.append(Curbed(route.name, f"the gateway has {self.most} routes already, as many as there may be connections"))
                break
            bounded, what = within_bounds(route)
            self._asked[route.name] = bounded
            known.names.add(route.name)
            curbed += [Curbed(route.name, each) for each in what]
        return curbed + [each for each in self._renew() if each.route in known.names]

    def prune(self, now: float, *, renewed: bool = False) -> bool:
        """Forget gateways that are gone for long. `renewed`: `ways` are others. True: `served` has changed, or they have."""
        over = [name for name, known in self._gateways.items() if known.gone is not None and now - known.gone >= KEPT]
        if not over and not renewed:
            return False
        for name in over:
            del self._gateways[name]
        before = self.served
        self._renew()
        return renewed or self.served != before

    def _renew(self) -> list[Curbed]:
        wanted = set().union(*(known.names for known in self._gateways.values()))
        self._asked = {name: route for name, route in self._asked.items() if name in wanted}
        curbed, served, left = [], {}, self.most
        for name, route in self._asked.items():
            if not (ways := self._ways(route)):
                served[name] = route
                curbed.append(Curbed(name, f"sources {route.sources!r}: this node has none of that pool, and gets none of its mail"))
                continue
            given = min(route.connections, left // ways)
            left -= given * ways
            if given:
                served[name] = replace(route, connections=given)
            if given < route.connections:
                curbed.append(Curbed(name, f"connections {route.connections}: {given} are left of sender.max_connections, {self.most}"))
        self.served = served
        return curbed


def within_bounds(route: Route) -> tuple[Route, list[str]]:
    """The route with each number within BOUNDS, and what was out of them."""
    changed: dict[str, Any] = {}
    what = []
    for name, (low, high) in BOUNDS.items():
        asked = getattr(route, name)
        if asked != (given := min(max(asked, low), high)):
            changed[name] = given
            what.append(f"{name} {asked}: it is {given} here")
    return (replace(route, **changed) if changed else route), what
