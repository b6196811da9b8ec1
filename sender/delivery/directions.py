"""Paths by MX: one for each source of a route to each destination that its mail goes to, made when there is mail for it. Pure."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace
from typing import NamedTuple

from mailgate.route import Relay, Route
from sender.delivery.sites import Destination
from sender.pool.path import Path


class _Direction(NamedTuple):
    templates: tuple[Path, ...]
    destination: Destination
    paths: tuple[Path, ...]


class Directions:
    """Those that are known: a path is the same object as long as neither the route nor the destination's hosts and addresses change."""

    def __init__(self) -> None:
        self._known: dict[str, _Direction] = {}
        """By route and destination, without the source."""

    def __len__(self) -> int:
        return len(self._known)

    def towards(self, templates: tuple[Path, ...], destination: Destination) -> tuple[Path, ...]:
        """For each of the route's paths the one that leads there, by what was learnt last of its hosts, for this domain or another.

        Must be cheap: asked for every job.
        """
        key = f"{templates[0].route.name}/{destination.name}"
        known = self._known.get(key)
        if known is not None and known.destination.site == destination.site and destination.learnt < known.destination.learnt:
            destination = known.destination
        if known is None or known.destination is not destination or known.templates is not templates:
            paths = tuple([directed(template, key, destination) for template in templates])
            known = self._known[key] = _Direction(templates, destination, paths)
        return known.paths

    def renewed(self, path: Path, templates: tuple[Path, ...]) -> Path | None:
        """The path as its route is now; None: it has no such source any more, or is not known."""
        known = self._known.get(path.key.partition("@")[0])
        if known is None or not templates:
            return None
        return next((each for each in self.towards(templates, known.destination) if each.key == path.key), None)

    def forget(self, key: str, is_open: Container[str]) -> None:
        """The path of this key is shut: what no open path needs any more goes."""
        known = self._known.get(base := key.partition("@")[0])
        if known is not None and not any(path.key in is_open for path in known.paths):
            del self._known[base]


def directed(template: Path, key: str, destination: Destination) -> Path:
    """The path of this source to these hosts, at the route's port; nothing is kept warm without need."""
    route = replace(template.route, relays=relays_of(template.route, destination), min_idle=0)
    source = f"@{template.source.name}" if template.source.name else ""
    return replace(template, key=f"{key}{source}", route=route, site=destination.site)


def relays_of(route: Route, destination: Destination) -> tuple[Relay, ...]:
    """Hosts as a route has them: only with the addresses that were judged."""
    return tuple([Relay(host.name, route.mx_port, host.preference, addresses=host.addresses) for host in destination.hosts])
