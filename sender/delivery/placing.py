"""Which way a job goes: at once for a route of relays; by MX when its domain is known, and where that leads. Pure but for who looks up."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from mailgate.job import Fence
from mailgate.verdict import NotTried, Tried
from sender.delivery.direct import Direct, domain_of, nowhere
from sender.delivery.mx import Nowhere
from sender.delivery.paths import Paths
from sender.delivery.routes import Routes
from sender.delivery.sites import Destination, InUse
from sender.delivery.work import Work
from sender.pool.handoff import Handoff

TIDY = 1.0
"""Seconds between two looks for ways that nobody uses."""


MOST_GIVEN_BACK = 10_000
"""Attempts that are remembered; some 2 MB."""


class Elsewhere(NamedTuple):
    """Of a job that came before its gateway knew the site, whose home is another node: back at once, to go there."""


class Placing:
    """See the module. `clock`: monotonic seconds."""

    def __init__(
        self,
        routes: Routes,
        paths: Paths,
        direct: Direct,
        clock: Callable[[], float],
        is_elsewhere: Callable[[str, str], bool] = lambda _site, _key: False,
    ) -> None:
        """`is_elsewhere`: whether a site, with its key, may have another home."""
        self._routes, self._paths, self._direct, self._clock, self._is_elsewhere = routes, paths, direct, clock, is_elsewhere
        self._given_back: dict[Fence, None] = {}
        self._in_use = InUse()
        self._tidied_at = 0.0

    def place(self, work: Work, handoff: Handoff) -> Handoff | NotTried | Tried | Elsewhere | None:
        """It has a path now, or its end. None: its domain is being looked up, and who waits is resumed. Must be cheap."""
        work.handoff = handoff
        now, route = self._clock(), self._routes.served.get(handoff.route)
        if route is None or not route.mx:
            return self._paths.place(handoff, work.offer.source, now)
        found = self._direct.find(work, handoff, now)
        if not isinstance(found, Destination):
            return nowhere(handoff, found) if isinstance(found, Nowhere) else found
        if work.offer.site_key != f"{route.name}/{found.site}":
            work.stream.site(domain_of(handoff.recipients[0].email), found.site)
            if route.homed and self._is_elsewhere(found.site, f"{route.name}/{found.site}") and self._first_time(work.offer.fence):
                return Elsewhere()
        placed = self._paths.place(handoff, work.offer.source, now, found)
        if isinstance(placed, Handoff):
            self._in_use.used(placed.path, now)
        return placed

    def _first_time(self, fence: Fence) -> bool:
        """What comes back under the same key is sent: its gateway does not want to know."""
        if fence in self._given_back:
            return False
        if len(self._given_back) >= MOST_GIVEN_BACK:
            del self._given_back[next(iter(self._given_back))]
        self._given_back[fence] = None
        return True

    def late(self, now: float, waiting: Callable[[str], int]) -> list[tuple[Work, NotTried]]:
        """Take out jobs that have waited for their domain too long, each with its verdict; and shut ways by MX that nobody uses.

        `waiting`: how many jobs wait for a way. A walk: for a sweep.
        """
        if now >= self._tidied_at + TIDY:
            self._tidied_at = now
            for key in self._in_use.idle(lambda key: waiting(key) > 0 or self._paths.is_of_use(key), now):
                self._in_use.shut(key)
                self._paths.shut(key)
        return self._direct.late(now)

    async def close(self) -> None:
        """Gives up what is being looked up."""
        await self._direct.close()
