"""AdminService: the operator's door."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.admission.tenants import Scope
from gateway.ledger.port import DoubtView, Ledger, QueueCount
from gateway.rpc.admin_port import NodeView, Operations, Resolution, SettingsView, SiteOperations, SiteOrder
from gateway.rpc.interceptors import caller
from gateway.rpc.paging import page_size
from gateway.rpc.sites import line_to_proto, site_to_proto
from mailgate.api.admin.v1 import admin_service_pb2 as pb
from mailgate.api.admin.v1 import admin_service_pb2_grpc
from mailgate.errors import Invalid
from mailgate.ids import format_id, format_job, mail_of, parse_job
from mailgate.rpc.times import duration, timestamp

if TYPE_CHECKING:
    from mailgate.rpc.around import Context

MAX_EMAILS = 100
MAX_REASON = 200
MAX_REFUSAL = 65_536
"""Characters: a file may have as many mistakes as lines."""


class AdminServicer(admin_service_pb2_grpc.AdminServiceServicer):
    """A few lines each: decode, call, encode."""

    def __init__(self, operations: Operations, sites: SiteOperations, ledger: Ledger) -> None:
        self._operations, self._sites, self._ledger = operations, sites, ledger

    async def ListNodes(self, request: pb.ListNodesRequest, context: Context) -> pb.ListNodesResponse:
        """See the proto."""
        return pb.ListNodesResponse(nodes=map(_node, self._operations.nodes()), settings=_settings(self._operations.settings()))

    async def DrainNode(self, request: pb.DrainNodeRequest, context: Context) -> pb.DrainNodeResponse:
        """See the proto."""
        reason = request.reason.strip()
        if len(reason) > MAX_REASON or not reason.isprintable():
            raise Invalid.field("reason", f"write at most {MAX_REASON} printable characters, on one line")
        return pb.DrainNodeResponse(node=_node(await self._operations.drain(request.node_id, reason)))

    async def ResumeNode(self, request: pb.ResumeNodeRequest, context: Context) -> pb.ResumeNodeResponse:
        """See the proto."""
        view = await self._operations.resume(request.node_id)
        return pb.ResumeNodeResponse(node=None if view is None else _node(view))

    async def GetQueue(self, request: pb.GetQueueRequest, context: Context) -> pb.GetQueueResponse:
        """See the proto."""
        queue = await self._operations.queue()
        return pb.GetQueueResponse(queues=map(_queue, queue.waiting), in_flight=queue.in_flight, in_doubt=queue.in_doubt, dead=queue.dead)

    async def ListDoubts(self, request: pb.ListDoubtsRequest, context: Context) -> pb.ListDoubtsResponse:
        """See the proto."""
        size = page_size(request.page_size)
        after = parse_job(request.page_token, "page_token") if request.page_token else b""
        doubts = await self._ledger.doubts(after, size + 1)
        token = format_job(doubts[size - 1].job.id) if len(doubts) > size else ""
        return pb.ListDoubtsResponse(doubts=map(_doubt, doubts[:size]), next_page_token=token)

    async def ResolveDoubt(self, request: pb.ResolveDoubtRequest, context: Context) -> pb.ResolveDoubtResponse:
        """See the proto."""
        job_id = parse_job(request.doubt_id, "doubt_id")
        try:
            resolution = Resolution(request.resolution)
        except ValueError:
            raise Invalid.field("resolution", "choose RESEND, DELIVERED or BOUNCED") from None
        await self._operations.resolve_doubt(job_id, resolution)
        return pb.ResolveDoubtResponse()

    async def ListSites(self, request: pb.ListSitesRequest, context: Context) -> pb.ListSitesResponse:
        """See the proto."""
        try:
            order = SiteOrder(request.order_by or SiteOrder.NAME)
        except ValueError:
            raise Invalid.field("order_by", "choose NAME or WAITING") from None
        size = page_size(request.page_size)
        sites, token = await self._sites.sites(request.prefix, order, request.page_token, size, by_node=request.by_node)
        now_ms = self._sites.now_ms()
        return pb.ListSitesResponse(sites=[site_to_proto(site, now_ms) for site in sites], next_page_token=token)

    async def TraceSite(self, request: pb.TraceSiteRequest, context: Context) -> None:
        """See the proto. The first message is empty: from here on lines come."""
        me, tenant = caller(), caller().tenant.name
        async with self._sites.trace(request.site_key, request.node_id) as watcher:
            await context.write(pb.TraceSiteResponse())
            while lines := await watcher.read():
                me.check(Scope.OPERATE, tenant)
                await context.write(pb.TraceSiteResponse(lines=map(line_to_proto, lines)))


def _node(node: NodeView) -> pb.Node:
    message = pb.Node(
        node_id=node.node_id,
        address=node.address,
        state=node.state.value,  # type: ignore[arg-type]
        reason=node.reason,
        version=node.version,
        in_flight=node.in_flight,
        committed=node.committed,
        warm=node.warm,
        offered=node.offered,
        delivered=node.delivered,
        service_time=duration(node.service_time),
        registered=node.registered,
        warnings=node.warnings,
        settings_version=node.settings_version,
        in_hand=node.in_hand,
        protocol=node.protocol,
        weight=node.weight,
        service_p50=duration(node.service_p50),
        service_p99=duration(node.service_p99),
        picks_per_second=node.picks_per_second,
        ejections=node.ejections,
    )
    if node.drained is not None:
        message.drain.reason = node.drained.reason
        message.drain.drain_time.CopyFrom(timestamp(node.drained.since_ms))
    if node.heard_ago is not None:
        message.heard_ago.CopyFrom(duration(node.heard_ago))
    return message


def _settings(settings: SettingsView) -> pb.Settings:
    loaded = timestamp(settings.loaded_ms)
    return pb.Settings(version=settings.version, load_time=loaded, refusal=settings.refusal[:MAX_REFUSAL], restart_keys=settings.restart)


def _queue(count: QueueCount) -> pb.QueueCount:
    message = pb.QueueCount(
        lane=count.lane.value,  # type: ignore[arg-type]
        route=count.route,
        ready=count.ready,
        deferred=count.deferred,
    )
    if count.oldest_ms is not None:
        message.oldest_time.CopyFrom(timestamp(count.oldest_ms))
    return message


def _doubt(doubt: DoubtView) -> pb.Doubt:
    return pb.Doubt(
        doubt_id=format_job(doubt.job.id),
        mail_id=format_id(mail_of(doubt.job.id)),
        tenant=doubt.job.tenant,
        emails=doubt.emails[:MAX_EMAILS],
        attempt=doubt.job.attempt,
        node_id=doubt.node_id,
        start_time=timestamp(doubt.start_ms),
        reason=doubt.reason,
    )
