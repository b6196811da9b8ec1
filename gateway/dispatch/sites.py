"""Which site each domain belongs to, as nodes have looked it up, and the keys that jobs are counted by. Pure.

A job by MX is of one domain. It begins as `ROUTE/DOMAIN`; when a node has told the domain's site, jobs that come, and jobs that come back,
are `ROUTE/SITE`: then all domains of a slow site wait together, and hold up no other. Nothing depends on this being known, or right: a key
that no node lists has the credit of `ROUTE/`.
"""

from __future__ import annotations

from dataclasses import replace

from mailgate.job import Job

MOST = 50_000
"""Domains that are remembered; the oldest goes first. Some 12 MB."""
LONGEST = 255
"""Characters of a site: a host's name at the most."""


class Sites:
    """See the module."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._sites: dict[str, str] = {}
        self.of = self._sites.get
        """The site of a domain, or None."""

    def __repr__(self) -> str:
        return f"<Sites {len(self._sites)}>"

    def __len__(self) -> int:
        return len(self._sites)

    def learn(self, domain: str, site: str) -> None:
        """A node says so. What can be no name of a site is passed over."""
        if not site or len(site) > LONGEST or len(domain) > LONGEST or "/" in site or not site.isprintable():
            return
        if self._sites.pop(domain, None) is None and len(self._sites) >= self._most:
            del self._sites[next(iter(self._sites))]
        self._sites[domain] = site

    def rekeyed(self, job: Job) -> Job:
        """The same under its site's key, where that is known by now. For a job that nobody has in hand."""
        if job.site_key == job.route:
            return job
        route, _, domain = job.site_key.partition("/")
        site = self._sites.get(domain)
        return job if site is None or site == domain else replace(job, site_key=f"{route}/{site}")
