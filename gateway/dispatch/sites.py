"""Which site each domain belongs to, as nodes have looked it up, and the keys that jobs are counted by. Pure.

A job by MX is of one domain. It begins as `ROUTE/DOMAIN`; once a node has told the domain's site, jobs that come, wait, or come back are
`ROUTE/SITE`: all domains of a slow site wait together then, and hold up no other. Nothing depends on this being known, or right: a key that
no node lists has the credit of `ROUTE/`.

A route may come to go by MX, or by relays again, while its jobs wait, whose keys are those of before. They are counted as its new ones are;
but nobody here knows the domains of a job that came by relay: it is of `ROUTE/*`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mailgate.job import Job

MOST = 50_000
"""Domains that are remembered; the oldest goes first. Some 12 MB."""
ANY = "*"
"""In the place of a domain that is not known."""
LONGEST = 255
"""Characters of a site: a host's name at the most."""


class Sites:
    """See the module."""

    def __init__(self, most: int = MOST, by_mx: Callable[[str], bool | None] = lambda _: None) -> None:
        """`by_mx`: whether a route goes by MX now; None: there is none of that name."""
        self._most, self._by_mx = most, by_mx
        self._sites: dict[str, str] = {}
        self._routes: set[str] = set()
        """Names of routes that go by MX."""
        self.of = self._sites.get
        """The site of a domain, or None."""

    def __repr__(self) -> str:
        return f"<Sites {len(self._sites)}>"

    def __len__(self) -> int:
        return len(self._sites)

    def learn(self, domain: str, site: str) -> list[tuple[str, str]]:
        """A node says so: the keys that jobs had, each with the one that they have from now on. What can be no site is passed over."""
        if not site or len(site) > LONGEST or len(domain) > LONGEST or "/" in site or not site.isprintable():
            return []
        before = self._sites.pop(domain, None)
        if before is None and len(self._sites) >= self._most:
            del self._sites[next(iter(self._sites))]
        self._sites[domain] = site
        return [] if site in (before, domain) else [(f"{route}/{domain}", f"{route}/{site}") for route in self._routes]

    def key(self, site_key: str) -> str:
        """What jobs of this key are counted by now. Must be cheap: asked whenever a line of jobs is looked at."""
        route, slash, domain = site_key.partition("/")
        by_mx = self._by_mx(route)
        if not slash:
            return f"{route}/{ANY}" if by_mx else site_key
        if by_mx is False:
            return route
        return f"{route}/{site}" if (site := self._sites.get(domain)) is not None else site_key

    def rekeyed(self, job: Job) -> Job:
        """The same under that key. For a job that nobody has in hand; must be cheap: asked for every job."""
        if job.site_key == job.route and not self._by_mx(job.route):
            return job
        self._routes.add(job.route)
        key = self.key(job.site_key)
        return job if key == job.site_key else replace(job, site_key=key)
