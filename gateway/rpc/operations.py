"""What operators ask, put together from dispatch and ledger: the adapter of admin_port."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

from gateway.balancing.ejection import Ejection
from gateway.dispatch.dispatcher import Dispatcher
from gateway.dispatch.fleet import Fleet
from gateway.dispatch.homing import namesakes
from gateway.dispatch.member import Member, NodeState
from gateway.dispatch.retry import Ruling, resend, resolve
from gateway.dispatch.settler import Settled
from gateway.dispatch.sums import by_route
from gateway.ledger.port import DoubtView, Ledger, Parked
from gateway.registry.port import Drain
from gateway.rpc.admin_port import NodeView, QueueView, Resolution, SettingsView
from gateway.rpc.nearby import others
from mailgate.errors import NotFound, WrongState
from mailgate.ids import format_job, mail_of
from mailgate.mail import RecipientState

PAGE = 1000


class Operators:
    """See the port."""

    def __init__(
        self, dispatcher: Dispatcher, fleet: Fleet, members: Mapping[str, Member], ledger: Ledger, settings: Callable[[], SettingsView]
    ) -> None:
        self._dispatcher, self._fleet, self._members, self._ledger = dispatcher, fleet, members, ledger
        self.settings = settings

    def nodes(self) -> Sequence[NodeView]:
        """By node id; those too that are drained and not here."""
        gone = self._fleet.drains.keys() - self._members.keys()
        return [self._view(node_id) for node_id in sorted(self._members.keys() | gone)]

    async def drain(self, node_id: str, reason: str) -> NodeView:
        """No new jobs for it."""
        if node_id not in self._members:
            raise NotFound(f"there is no node {node_id!r}: {others(node_id, self._members, 'nodes')}")
        await self._fleet.drain(node_id, Drain(reason, self._dispatcher.now_ms()))
        return self._view(node_id)

    async def resume(self, node_id: str) -> NodeView | None:
        """It may get jobs again."""
        if node_id not in self._members and node_id not in self._fleet.drains:
            raise NotFound(f"there is no node {node_id!r}: {others(node_id, {*self._members, *self._fleet.drains}, 'nodes')}")
        await self._fleet.resume(node_id)
        return self._view(node_id) if node_id in self._members else None

    def _view(self, node_id: str) -> NodeView:
        drain, member = self._fleet.drains.get(node_id), self._members.get(node_id)
        if member is None:
            return absent(node_id, drain or Drain())
        return view_of(member, asyncio.get_running_loop().time(), self._members.values(), self._dispatcher.choice.ejection)

    async def queue(self) -> QueueView:
        """How many jobs are where."""
        parked, waiting = await self._ledger.parked(), await self._dispatcher.waiting()
        return QueueView(by_route(waiting), len(self._dispatcher.in_flight), parked.get(Parked.IN_DOUBT, 0), parked.get(Parked.DEAD, 0))

    async def resolve_doubt(self, job_id: bytes, resolution: Resolution) -> None:
        """Decide it; durable when this returns."""
        settler = self._dispatcher.settler
        durable = asyncio.get_running_loop().create_future()
        with settler.touching() as touched:
            doubt = await self._ledger.doubt(job_id)
            if doubt is None:
                if await self._ledger.find([job_id]):
                    raise WrongState(f"{format_job(job_id)} is not in doubt: nothing has to be decided")
                raise NotFound(f"there is no job {format_job(job_id)}: it is over, or never was")
            ruling = await self._ruling(doubt, resolution)
            if job_id in touched:
                raise WrongState(f"{format_job(job_id)} is being decided right now")
            settler.settle(Settled(ruling, durable=durable))
        await durable

    async def _ruling(self, doubt: DoubtView, resolution: Resolution) -> Ruling:
        now_ms = self._dispatcher.now_ms()
        if resolution is Resolution.RESEND:
            return resend(doubt.job, None, now_ms)
        state = RecipientState.DELIVERED if resolution is Resolution.DELIVERED else RecipientState.BOUNCED
        return resolve(doubt.job, await self._doubtful(doubt), state, now_ms)

    async def _doubtful(self, doubt: DoubtView) -> tuple[int, ...]:
        """The recipients of the job that are IN_DOUBT; a parked job may also have deferred ones."""
        wanted = set(doubt.job.recipients)
        found: list[int] = []
        after = min(wanted) - 1
        while wanted:
            page = await self._ledger.recipients(mail_of(doubt.job.id), after, PAGE)
            if not page:
                break
            found += [each.index for each in page if each.index in wanted and each.state is RecipientState.IN_DOUBT]
            wanted.difference_update(each.index for each in page)
            after = page[-1].index
        return tuple(found)


def view_of(member: Member, now: float, members: Iterable[Member], ejection: Ejection) -> NodeView:
    """A node as it is now, among all of them; `now` in monotonic seconds."""
    service, reason = member.lately.service(), member.reason
    if not reason and ejection.is_out(member.node_id, now):
        reason = f"it fails by itself: no new jobs for {ejection.ends(member.node_id) - now:.0f} s, while half of the nodes are well"
    return NodeView(
        node_id=member.node_id,
        address=member.record.address,
        state=member.state,
        reason=reason,
        version=member.version,
        in_flight=len(member.hand),
        committed=member.hand.committed,
        warm=member.load.warm if member.link is not None else 0,
        offered=member.offered,
        delivered=member.delivered,
        service_time=member.load.service_time_us / 1e6,
        heard_ago=None if member.heard_at is None else max(0.0, now - member.heard_at),
        registered=member.registered,
        warnings=(*[words for source in member.sources.values() for words in source.told()], *namesakes(member, members)),
        settings_version=member.load.settings_version if member.link is not None else "",
        in_hand=member.load.in_hand if member.link is not None else 0,
        drained=member.drain,
        protocol=member.protocol,
        weight=member.weight if member.link is not None else 0.0,
        service_p50=service.quantile(0.5),
        service_p99=service.quantile(0.99),
        picks_per_second=member.lately.picks_per_second(now, member.offered),
        ejections=ejection.ejections(member.node_id),
    )


def absent(node_id: str, drain: Drain) -> NodeView:
    """A node that is drained, and not here."""
    reason = f"it is not here, and drained: {drain.reason or 'by an operator'}"
    return NodeView(node_id, "", NodeState.OUT, reason, registered=False, drained=drain)
