"""Which route a recipient takes, and how a mail's recipients become jobs. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from gateway.admission.addresses import Mailbox
from mailgate.route import Route

MAX_REMEMBERED = 16_384
"""Domains whose route is remembered; then it begins anew."""


SiteOf = Callable[[str], str | None]
"""From a domain to its site, where a node has told it."""


def no_site(_domain: str) -> None:
    """The SiteOf of whoever knows none."""


class Routed(NamedTuple):
    """A recipient and the route that it takes. Its place in the mail's list is its index."""

    mailbox: Mailbox
    route: Route


class Share(NamedTuple):
    """The recipients, by index, of one job."""

    route: Route
    site_key: str
    indexes: tuple[int, ...]


class Routes:
    """The routes of the settings: by name, or by a recipient's domain (exact, then the nearest wildcard, then the one without domains)."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._named = {route.name: route for route in routes}
        self._domains: dict[str, Route] = {}
        self._rest: Route | None = None
        for route in self._named.values():
            for domain in route.domains:
                self._domains.setdefault(domain.lower(), route)
            if not route.domains and self._rest is None:
                self._rest = route
        self._remembered: dict[str, Route | None] = {}

    @property
    def names(self) -> str:
        """All names, for people."""
        return ", ".join(sorted(self._named)) or "none"

    def named(self, name: str) -> Route | None:
        """The route of that name."""
        return self._named.get(name)

    def for_domain(self, domain: str) -> Route | None:
        """The route that takes mail for it (lower case, A-labels); None: no route does. Must be cheap: asked for every recipient."""
        try:
            return self._remembered[domain]
        except KeyError:
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            return self._remembered.setdefault(domain, self._find(domain))

    def _find(self, domain: str) -> Route | None:
        if (exact := self._domains.get(domain)) is not None:
            return exact
        parent = domain
        while parent:
            parent = parent.partition(".")[2]
            if (wild := self._domains.get(f"*.{parent}")) is not None:
                return wild
        return self._rest


def share(recipients: Sequence[Routed], max_per_job: int, site_of: SiteOf = no_site) -> Iterable[Share]:
    """Recipients that share a route and a site, in parts of at most `max_per_job`, in the order of their first.

    By MX those of one domain, though others may be of the same site now: a domain may move while its mail waits.
    """
    if len(recipients) == 1:
        mailbox, route = recipients[0]
        return (Share(route, site_key(route, mailbox.domain, site_of) if route.mx else route.name, (0,)),)
    return _share(recipients, max_per_job, site_of)


def site_key(route: Route, domain: str, site_of: SiteOf) -> str:
    """What jobs of a route by MX to this domain are counted by."""
    return f"{route.name}/{site_of(domain) or domain}"


def _share(recipients: Sequence[Routed], max_per_job: int, site_of: SiteOf) -> Iterator[Share]:
    groups: dict[tuple[str, str], tuple[Route, list[int]]] = {}
    for index, (mailbox, route) in enumerate(recipients):
        groups.setdefault((route.name, mailbox.domain if route.mx else ""), (route, []))[1].append(index)
    for (name, domain), (route, indexes) in groups.items():
        key = site_key(route, domain, site_of) if route.mx else name
        for start in range(0, len(indexes), max_per_job):
            yield Share(route, key, tuple(indexes[start : start + max_per_job]))
