"""Why a recipient waits, for GetMail: a limit delays, it never drops, and says so (promise 5). Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from gateway.dispatch.losses import Losses
from gateway.dispatch.member import Member, NodeState
from gateway.ledger.port import Parked, Wait
from mailgate.mail import Lane, RecipientState
from mailgate.route import DEFAULT_POOL
from mailgate.shaping import words

BESIDE_DOUBT = "in doubt: another recipient of the same transaction"
NAMED = 3
"""Nodes."""


class Reasons:
    """Over the nodes as they are now.

    `pool_of`: the pool of sources that a route names, or ""; `key_of`: what a site key is counted by now; `now`: monotonic seconds.
    """

    def __init__(
        self,
        members: Mapping[str, Member],
        losses: Losses,
        pool_of: Callable[[str], str] = lambda _: "",
        has_route: Callable[[str], bool] = lambda _: True,
        key_of: Callable[[str], str] = lambda site_key: site_key,
        now: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._members, self._losses, self._pool_of, self._has_route = members, losses, pool_of, has_route
        self._key_of, self._now = key_of, now

    def __call__(self, state: RecipientState, wait: Wait) -> str:
        """Why a recipient in this state is not under way; empty when nothing holds it up, or but for the time of its next attempt."""
        if state is RecipientState.DEFERRED and wait.parked is Parked.IN_DOUBT:
            return BESIDE_DOUBT
        if state not in (RecipientState.QUEUED, RecipientState.DEFERRED):
            return ""
        if wait.route and not self._has_route(wait.route):
            return f"route gone: {wait.route} is not in the settings any more"
        if state is RecipientState.DEFERRED:
            return ""
        return self._of_nodes(wait)

    def _of_nodes(self, wait: Wait) -> str:
        if not any(member.link is not None for member in self._members.values()):
            return "no node"
        up = [member for member in self._members.values() if member.state is NodeState.READY]
        if not up:
            drained = sorted(member.node_id for member in self._members.values() if member.drain is not None)
            return f"no node is ready ({', '.join(drained[:NAMED])} drained by an operator)" if drained else "no node is ready"
        if self._losses.enough_to_be_alone(wait.losses):
            return f"{wait.losses} nodes were lost with it in hand: it goes when one has nothing else"
        ready = [member for member in up if member.takes_jobs]
        if not ready:
            return "a job that must run alone has the node"
        return self._of_route(wait.route, self._key_of(wait.site_key or wait.route), ready) if wait.route else ""

    def _of_route(self, route: str, site_key: str, ready: Sequence[Member]) -> str:
        if why := no_source(self._pool_of(route), ready):
            return why
        if any(member.hand.room(Lane.TRANSACTIONAL, site_key) > 0 for member in ready):
            return ""
        return throttled(site_key, ready, self._now()) or troubled(site_key, ready) or "the nodes' connections are busy"


def throttled(site_key: str, members: Sequence[Member], now: float) -> str:
    """How a site is sent less than there is, by the node that will send to it the soonest; empty: it is not, or not everywhere."""
    found = [newest for member in members if (newest := member.sites.get(site_key)) is not None]
    if not found or not all(newest.report.reason for newest in found):
        return ""
    soonest = min(found, key=lambda newest: newest.wait_at(now))
    return words.throttled(site_key, soonest.report.reason, soonest.wait_at(now))


def troubled(site_key: str, members: Sequence[Member]) -> str:
    """Why none of these nodes has a connection; empty: one has, or has not said what keeps it from one."""
    told = [newest.report.trouble if (newest := member.sites.get(site_key)) is not None else "" for member in members]
    return told[0] if all(told) else ""


def no_source(asked: str, members: Sequence[Member]) -> str:
    """Why none of these nodes can send from the pool that a route asks for ("": for none); empty: one can."""
    pool = asked or DEFAULT_POOL
    troubles = []
    for member in members:
        found = [source for source in member.sources.values() if source.pool == pool]
        if any(not source.trouble for source in found) or not (found or asked):
            return ""
        troubles += [source.trouble for source in found]
    return troubles[0] if troubles else f"no node has a source of the pool {asked!r}"
