"""What each node has of the limits of sites, so that the fleet keeps to what is meant for one sender. Pure: time is given.

Limits are a source's at a site (a throttle's, on the nodes). Nodes that have the same source, or none with a name, are one sender to
receivers, and each has an even part of every limit. A limited site of a route that hashes by site has a *home* instead, or as many as it
takes to use its limits up: the home has all of them, the site's mail goes nowhere else, and its connections stay warm there. Where no
source is on two nodes there is nothing to share, and no home.

When nodes come or go each is told its new parts at once, a slice of its sites at a time where they are thousands. A site that moves waits
for what its former home has in hand, SETTLE seconds at the most, and the new home counts as if it had just sent.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence

from gateway.balancing.ring import Ring
from gateway.dispatch.link import Share
from gateway.dispatch.member import Member
from mailgate.mail import Lane
from mailgate.route import DEFAULT_POOL

SETTLE = 2.0
"""Seconds: what a node may have in hand for a site goes within this (sender/delivery/allowance.py), or waits for its server."""
MOST = 20_000
"""Sites that are known at once; some 5 MB."""
SLICE = 200
"""Sites of which nodes are told again in one go: a millisecond."""


class Shares:
    """See the module. `homes_of`: by route and site key, how many homes there are, 0 for none; `pool_of`: the route's pool of sources."""

    def __init__(self, ring: Ring, homes_of: Callable[[str, str], int], pool_of: Callable[[str], str]) -> None:
        self._ring, self._homes_of, self._pool_of = ring, homes_of, pool_of
        self._live: list[Member] = []
        self._as_of: Sequence[tuple[Member, object, object]] = []
        self._sharing: dict[str, frozenset[str]] = {}
        """By route: its nodes, if two have a source in common; else none."""
        self._homes: dict[str, tuple[str, ...]] = {}
        self._before: dict[str, tuple[str, ...]] = {}
        self._moving: dict[str, tuple[tuple[str, ...], float]] = {}
        self._doubtful: deque[tuple[Member, str]] = deque()
        """Sites of which a node was told before the last change, and may have to hear otherwise."""

    def __repr__(self) -> str:
        return f"<Shares {len(self._live)} nodes, {len(self._homes)} sites, {len(self._moving)} moving>"

    def reset(self) -> None:
        """Routes or limits are others."""
        self._keep_before()
        self._sharing.clear()
        self._doubt()

    def live(self, members: Sequence[Member]) -> None:
        """These share from now on. Must be cheap where they are those of before: asked each time that jobs are handed out."""
        as_of = [(member, member.link, member.sources) for member in members]
        if as_of == self._as_of:
            self._tell_again()
            return
        self._as_of, self._live = as_of, list(members)
        self._keep_before()
        self._sharing.clear()
        names = {member.node_id: all_names_of(member) for member in members}
        for name in sorted(set[str]().union(*names.values())):
            holders = [member for member in members if name in names[member.node_id]]
            for place, member in enumerate(holders):
                self._tell(member, Share(name, "", place, len(holders)))
        self._doubt()
        self._tell_again()

    def among(self, route: str, site_key: str, candidates: list[Member], known: Mapping[str, Member], now: float) -> list[Member]:
        """Those of the candidates that jobs of the site may go to; they were told their parts. Must be cheap: asked for each key's turn.

        `known`: all nodes by id. Nobody, while the site waits for a former home.
        """
        homes = self._homes.get(site_key)
        if homes is None:
            homes = self._find(route, site_key, now)
        if not homes:
            return candidates
        if site_key in self._moving and self._waits(site_key, known, now):
            return []
        at_home = [member for member in candidates if member.node_id in homes]
        if not at_home and "/" in site_key and not any([_serves(known, node_id, route) for node_id in homes]):
            return candidates
        for member in at_home:
            part = homes.index(member.node_id), len(homes)
            if member.shares.get(site_key) != part:
                self._tell(member, Share("", site_key, *part, spent=bool(self._before.get(site_key))))
        return at_home

    # ------------------------------------------------------------------ inside

    def _keep_before(self) -> None:
        self._before |= self._homes
        self._homes = {}
        while len(self._before) > MOST:
            del self._before[next(iter(self._before))]

    def _find(self, route: str, site_key: str, now: float) -> tuple[str, ...]:
        """Empty: the site has no home."""
        homes = self._now(route, site_key)
        if len(self._homes) >= MOST:
            del self._homes[next(iter(self._homes))]
        self._homes[site_key] = homes
        before = self._before.get(site_key, ())
        still, _ = self._moving.pop(site_key, ((), now))  # it moved before that
        if homes and (former := tuple([node_id for node_id in (*still, *before) if node_id not in homes])):
            if len(self._moving) >= MOST:
                del self._moving[next(iter(self._moving))]
            self._moving[site_key] = former, now + SETTLE
        elif before == homes:
            self._before.pop(site_key, None)
        return homes

    def _now(self, route: str, site_key: str) -> tuple[str, ...]:
        count = self._homes_of(route, site_key)
        return self._ring.homes_among(site_key.partition("/")[2] or site_key, self._sharers(route), count) if count else ()

    def _sharers(self, route: str) -> frozenset[str]:
        found = self._sharing.get(route)
        if found is None:
            pool = self._pool_of(route)
            names = {member.node_id: names_of(member, pool) for member in self._live}
            shared = Counter(name for each in names.values() for name in each)
            found = frozenset([node_id for node_id, each in names.items() if each and max(shared.values()) > 1])
            self._sharing[route] = found
        return found

    def _waits(self, site_key: str, known: Mapping[str, Member], now: float) -> bool:
        former, until = self._moving[site_key]
        if now < until and any([(member := known.get(node_id)) is not None and member.hand.of_site(site_key) for node_id in former]):
            return True
        del self._moving[site_key]
        return False

    def _doubt(self) -> None:
        self._doubtful = deque([(member, key) for member in self._live for key in member.shares if not key.startswith("@")])

    def _tell_again(self) -> None:
        """What nodes were told of sites, as it is now. Until they hear it the new home's picks are right all the same."""
        for _ in range(min(SLICE, len(self._doubtful))):
            member, site_key = self._doubtful.popleft()
            part = member.shares.get(site_key)
            homes = self._homes.get(site_key)
            if homes is None:
                homes = self._now(site_key.partition("/")[0], site_key)
            now = (homes.index(member.node_id), len(homes)) if member.node_id in homes else (0, 0)
            if part is not None and now != part:
                self._tell(member, Share("", site_key, *now))

    def _tell(self, member: Member, share: Share) -> None:
        key = share.site_key or f"@{share.source}"
        if member.link is None or member.shares.get(key) == (share.part, share.parts):
            return
        before = member.shares.pop(key, None)
        if share.parts:
            if before is None and len(member.shares) >= MOST:  # the node forgets the same one
                del member.shares[next(iter(member.shares))]
            member.shares[key] = share.part, share.parts
        member.link.share(share)


def _serves(known: Mapping[str, Member], node_id: str, route: str) -> bool:
    """It takes jobs of this route by MX at all: one that has no connections left for it, say, is no home to wait for.

    One that takes no jobs whatever has not said yet what it takes, or will soon.
    """
    if (member := known.get(node_id)) is None:
        return False
    return not member.hand.is_credited or member.hand.has_credit(Lane.TRANSACTIONAL, f"{route}/")


def names_of(member: Member, pool: str) -> frozenset[str]:
    """What a route with this pool ("": none) leaves the node by, as far as it can be dialled from; "" is what the system chooses."""
    found = [source for source in member.sources.values() if source.pool == (pool or DEFAULT_POOL) and not source.name.startswith("(")]
    if found or pool:
        return frozenset([source.name for source in found if not source.trouble])
    return frozenset([""])


def all_names_of(member: Member) -> frozenset[str]:
    """Over all pools."""
    return names_of(member, "").union(*[names_of(member, source.pool) for source in member.sources.values()])
