"""What operators ask of sites: a list of them, and a dialogue to watch. Put together from what nodes told and from what waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from gateway.dispatch.dialogues import Dialogues, Watcher
from gateway.dispatch.member import Member
from gateway.dispatch.seen import Newest, SiteState, SiteSum, reports_of, sum_of
from gateway.dispatch.sums import Waits, by_site
from gateway.ledger.port import QueueCount, Wait
from gateway.rpc.admin_port import SiteOrder, SiteView
from gateway.rpc.nearby import others
from mailgate.errors import Invalid, NotFound
from mailgate.mail import RecipientState

MOST_TOLD = 5000
"""Sites of a page, and of each node in it: an answer has 3 MiB at the most, and a site some hundreds of octets."""
COUNT_DIGITS = 10
"""Of a page token's count: more jobs than these tell no disk holds."""

Place = tuple[int, str]
"""Of a site in a list: the jobs that wait, negative, and its key; 0 for the former where the order is by name."""


class SiteOperators:
    """See admin_port.SiteOperations.

    `waiting`: what waits; `key`: by what jobs are counted now; `routes`: those that have relays; `why`: what holds a recipient up.
    """

    def __init__(
        self,
        waiting: Callable[[], Awaitable[Sequence[QueueCount]]],
        key: Callable[[str], str],
        members: Mapping[str, Member],
        dialogues: Dialogues,
        routes: Callable[[], Iterable[str]],
        now_ms: Callable[[], int],
        why: Callable[[RecipientState, Wait], str],
    ) -> None:
        self._waiting, self._key, self._members, self._dialogues, self._routes = waiting, key, members, dialogues, routes
        self.now_ms, self._why = now_ms, why

    async def sites(self, prefix: str, order: SiteOrder, after: str, limit: int, *, by_node: bool) -> tuple[Sequence[SiteView], str]:
        """See the port."""
        start = place_after(after, order) if after else None
        waits = by_site(await self._waiting(), self._key)
        now = asyncio.get_running_loop().time()
        reports = reports_of((member.sites for member in self._members.values()), (*self._routes(), *waits), prefix)
        places = [place_of(key, told, waits.get(key), order) for key, told in reports.items()]
        wanted = sorted(place for place in places if start is None or place > start)
        if by_node:
            limit = max(1, min(limit, MOST_TOLD // (1 + len(self._members))))
        page, more = wanted[:limit], len(wanted) > limit
        views = [
            SiteView(self._explained(sum_of(key, reports[key], waits.get(key), now)), self._of_nodes(key, now) if by_node else ())
            for _, key in page
        ]
        return views, name_of(page[-1], order) if more else ""

    def trace(self, site_key: str, node_id: str) -> Watcher:
        """See the port."""
        known = {*self._routes(), *(newest.report.site_key for member in self._members.values() for newest in member.sites)}
        if site_key not in known:
            raise NotFound(f"there is no site {site_key!r}: {others(site_key, known, 'sites')}")
        if node_id and node_id not in self._members:
            raise NotFound(f"there is no node {node_id!r}: {others(node_id, self._members, 'nodes')}")
        return self._dialogues.watch(site_key, node_id)

    def _explained(self, site: SiteSum) -> SiteSum:
        """With what GetMail says of its mail, where no node is about to send it and none has said why."""
        if site.ready and not site.warm and site.state in (SiteState.OK, SiteState.UNKNOWN):
            wait = Wait(site.site_key.partition("/")[0], site_key=site.site_key)
            site.reason = self._why(RecipientState.QUEUED, wait) or site.reason
        return site

    def _of_nodes(self, site_key: str, now: float) -> list[tuple[str, SiteSum]]:
        found = [(node_id, member.sites.get(site_key)) for node_id, member in sorted(self._members.items())]
        return [(node_id, sum_of(site_key, [newest], None, now)) for node_id, newest in found if newest is not None]


def place_of(site_key: str, told: Iterable[Newest], waits: Waits | None, order: SiteOrder) -> Place:
    """Where it stands in a list of this order."""
    if order is SiteOrder.NAME:
        return 0, site_key
    waiting = sum(newest.report.waiting for newest in told)
    return -(waiting + (waits.ready + waits.later if waits is not None else 0)), site_key


def name_of(place: Place, order: SiteOrder) -> str:
    """As a page token."""
    return place[1] if order is SiteOrder.NAME else f"{-place[0]} {place[1]}"


def place_after(token: str, order: SiteOrder) -> Place:
    """The place that a page token names.

    Raises:
        Invalid: it is none of a list in this order.
    """
    if order is SiteOrder.NAME:
        return 0, token
    number, _, key = token.partition(" ")
    if not number.isascii() or not number.isdigit() or len(number) > COUNT_DIGITS or not key:
        raise Invalid.field("page_token", "it is not a next_page_token of this list: leave it empty for the first page")
    return -int(number), key
