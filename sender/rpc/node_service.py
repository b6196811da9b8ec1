"""The node's NodeService: one stream a gateway, read and written by a task each.

A stream that ends, for whatever reason, drops its uncommitted jobs at once; what is committed goes on, and its verdict is in the next
stream's inventory. A new stream of a gateway ends its old one first, so that no COMMIT of the old is acted on afterwards.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import grpc

from mailgate import __version__
from mailgate.api.node.v1 import node_pb2, node_service_pb2, node_service_pb2_grpc
from mailgate.errors import MailgateError
from mailgate.job import Fence
from mailgate.rpc.pace import ENOUGH, Pace
from mailgate.rpc.protocol import OURS, Protocols
from mailgate.rpc.server import Door
from mailgate.rpc.streams import first_request, next_request
from mailgate.telemetry.logs import get_logger
from mailgate.verdict import JobVerdict
from sender.delivery.announce import shape
from sender.delivery.deliver import Delivery
from sender.delivery.keep import Kept
from sender.delivery.parts import Part
from sender.delivery.sources import Standing
from sender.delivery.tracing import Tracing
from sender.rpc.frames import Contents, Outgoing, Report, fence_from_proto, hello, line_to_proto, route_from_proto

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[node_pb2.DeliverRequest, node_pb2.DeliverResponse]

SERVICE = "mailgate.api.node.v1.NodeService"
BEAT = 0.25
"""Seconds between load reports (design, section 7)."""
LOOK = 0.05
"""Seconds between two looks at what a report would say, which go over all sites: frames may be five times as many."""
LOOK_SHARE = 10
"""A look is followed by so many times as long without one: with thousands of sites it takes a tenth of a second."""
WAITING = 3
"""READY of one in so many of the mails on connections leaves at once: connections are not to stand idle for a fuller frame."""
HELLO = 5.0
"""Seconds that a gateway has for its first frame."""
SILENT = 5.0
"""Seconds without a frame from a gateway, which sends one each 250 ms, after which its stream is taken for dead."""

log = get_logger(__name__)


class GatewayStream:
    """Delivery's Stream, with the queue of what is to be written. `closed` is set when it must end."""

    def __init__(self, gateway_id: str, epoch: int, protocol: int) -> None:
        self.gateway_id, self.epoch, self.protocol = gateway_id, epoch, protocol
        self.outgoing = Outgoing()
        self.contents = Contents()
        self.pace = Pace()
        self.standings: tuple[Standing, ...] = ()
        """Of the node's sources, as last told."""
        self.closed = asyncio.Event()
        self.heard = asyncio.get_running_loop().time()
        self.settings_version = ""
        """Of what its gateway said of routes last."""
        self.reconfigured = False
        """The gateway waits for a report: of what it has said of routes, or of a way that is open now."""

    def ready(self, fence: Fence) -> None:
        """The server has answered 354."""
        self.outgoing.ready(fence)
        self.pace.now()

    def verdict(self, fence: Fence, verdict: JobVerdict) -> None:
        """The attempt ended."""
        self.outgoing.verdict(fence, verdict)
        self.pace.soon()

    def withdrawn(self, fence: Fence) -> None:
        """Dropped as asked."""
        self.outgoing.withdrawn(fence)
        self.pace.now()

    def found(self, fence: Fence, kept: Kept | None) -> None:
        """The answer to a lookup."""
        self.outgoing.found(fence, kept)
        self.pace.now()

    def news(self) -> None:
        """Have the next report written now."""
        self.reconfigured = True
        self.pace.now()

    def site(self, domain: str, site: str) -> None:
        """The gateway counts jobs of this domain by something else."""
        self.outgoing.site(domain, site)
        self.pace.soon()


class Ended(Exception):
    """The stream is over; the text says why."""


class NodeServicer(node_service_pb2_grpc.NodeServiceServicer):
    """One a node. Who may call is for the door's interceptor to say."""

    def __init__(self, delivery: Delivery, node_id: str, boot_id: bytes) -> None:
        self._delivery, self._node_id, self._boot_id = delivery, node_id, boot_id
        self._tracing = Tracing(lambda: delivery.pool.taps)
        self._streams: dict[str, GatewayStream] = {}
        self._open: set[asyncio.Task[object]] = set()

    @property
    def streams(self) -> int:
        """Gateways that have a stream."""
        return len(self._streams)

    def join(self, door: Door) -> None:
        """Be served there; before it starts."""
        node_service_pb2_grpc.add_NodeServiceServicer_to_server(self, door.server)  # type: ignore[no-untyped-call]

    async def Deliver(self, _requests: AsyncIterator[node_pb2.DeliverRequest], context: Context) -> None:
        """See the proto."""
        stream = await self._greet(context)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        self._open.add(task)
        reason = "the gateway closed the stream"
        try:
            inventory = self._delivery.attach(stream)
            self._delivery.seen.join(stream.gateway_id)
            self._tracing.forget(stream.gateway_id)
            stream.standings = self._delivery.sources.standings
            await context.write(hello(self._node_id, self._boot_id, stream.protocol, inventory, stream.standings))
            async with asyncio.TaskGroup() as tasks:
                for part in (self._read, self._write, self._watch):
                    tasks.create_task(part(stream, context))
        except* (Ended, asyncio.InvalidStateError, grpc.aio.AioRpcError, grpc.aio.UsageError, grpc.aio.InternalError) as group:
            reason = str(group.exceptions[0])
        finally:
            self._open.discard(task)
            stream.pace.close()
            self._delivery.detach(stream)
            if self._streams.get(stream.gateway_id) is stream:
                del self._streams[stream.gateway_id]
                self._delivery.seen.leave(stream.gateway_id)
                self._tracing.forget(stream.gateway_id)
            log.info("gateway_left", gateway=stream.gateway_id, reason=reason)

    async def GetNode(
        self, _request: node_service_pb2.GetNodeRequest, _context: grpc.aio.ServicerContext[Any, Any]
    ) -> node_service_pb2.GetNodeResponse:
        """See the proto."""
        return node_service_pb2.GetNodeResponse(
            node_id=self._node_id, boot_id=self._boot_id, version=__version__, protocol_min=OURS.oldest, protocol_max=OURS.newest
        )

    def tell(self) -> None:
        """This node takes no more mail: gateways hear of it now, and not in their turn, in which they would hand it more."""
        for stream in self._streams.values():
            stream.pace.at_once()

    async def close(self) -> None:
        """End every stream: an open one would hold the server's stop for its whole grace."""
        for stream in self._streams.values():
            stream.closed.set()
        if self._open:
            await asyncio.wait(self._open, timeout=1.0)

    async def _greet(self, context: Context) -> GatewayStream:
        frame = await first_request(context, HELLO)
        if frame is None or not frame.HasField("hello"):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the first frame must be a hello")
        said = frame.hello
        if said.node_id and said.node_id != self._node_id:
            text = f"this is the node {self._node_id!r}, and {said.node_id!r} has registered its address: check sender.advertise of both"
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, text)
        theirs = Protocols(said.protocol_min, said.protocol_max)
        if (protocol := OURS.common(theirs)) is None:
            text = f"this node ({__version__}) speaks {OURS}, the gateway {theirs}: run releases that are next to each other"
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, text)
        old = self._streams.get(said.gateway_id)
        if old is not None:
            if old.epoch > said.epoch:
                await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "a later life of this gateway has a stream")
            old.closed.set()
            self._delivery.detach(old)
        stream = self._streams[said.gateway_id] = GatewayStream(said.gateway_id, said.epoch, protocol)
        log.info("gateway_joined", gateway=said.gateway_id, epoch=said.epoch, protocol=protocol)
        return stream

    async def _read(self, stream: GatewayStream, context: Context) -> None:
        try:
            while (frame := await next_request(context)) is not None:
                if stream.closed.is_set():
                    raise Ended("a newer stream of this gateway has begun")
                stream.heard = asyncio.get_running_loop().time()
                self._act(stream, frame)
        except MailgateError as error:
            raise Ended(f"the gateway sent what cannot be read: {error}") from None
        raise Ended("the gateway closed the stream")

    def _act(self, stream: GatewayStream, frame: node_pb2.DeliverRequest) -> None:
        """Commits first: they are what waits for us. Between two reads, so that nothing comes between the words of a frame."""
        delivery = self._delivery
        if frame.commits:
            delivery.commit(stream, map(fence_from_proto, frame.commits))
        if frame.settled:
            delivery.settled(map(fence_from_proto, frame.settled))
        if frame.withdraws:
            delivery.withdraw(stream, map(fence_from_proto, frame.withdraws))
        if frame.lookups:
            delivery.lookup(stream, map(fence_from_proto, frame.lookups))
        self._learn(stream, frame)
        if frame.jobs:
            delivery.offer(stream, stream.contents.offers(frame))

    def _learn(self, stream: GatewayStream, frame: node_pb2.DeliverRequest) -> None:
        """What the gateway says of itself and of what it wants to know. Must be cheap: asked of every frame."""
        if frame.HasField("shaping"):
            shape(self._delivery.limits, self._delivery.sites, stream.gateway_id, frame.shaping.text)  # before the routes that it is for
        if frame.routes or frame.removed_routes:
            self._delivery.configure(stream, [route_from_proto(route) for route in frame.routes], frame.removed_routes)
            stream.reconfigured = True
            stream.pace.now()
        if frame.settings_version:
            stream.settings_version = frame.settings_version
            stream.reconfigured = True
            stream.pace.now()
        if frame.shares:
            self._delivery.limits.share([(each.source, each.site_key, Part(each.part, each.parts, each.spent)) for each in frame.shares])
        if frame.HasField("traces"):
            self._tracing.want(stream.gateway_id, frame.traces.site_keys)

    async def _write(self, stream: GatewayStream, context: Context) -> None:
        loop = asyncio.get_running_loop()
        told: Report | None = None
        next_report = next_look = 0.0
        while True:
            due = False
            if (now := loop.time()) >= next_look or stream.reconfigured or told is None or told.draining != self._delivery.draining:
                began = time.perf_counter()
                report = self._report(stream)
                stream.reconfigured, next_look = False, now + max(LOOK, LOOK_SHARE * (time.perf_counter() - began))
                if due := now >= next_report or told is None or is_news(report, told):
                    told = replace(report, sites=self._delivery.seen.news(stream.gateway_id, now), now=now)
                    next_report = now + BEAT * 0.9
            before, stream.standings = stream.standings, self._delivery.sources.standings
            changed = None if stream.standings is before else stream.standings
            lines = self._tracing.lines(stream.gateway_id, now)
            if beat := now >= next_report:  # a look is not due yet, and the gateway waits for a sign of life
                next_report = now + BEAT * 0.9
            if beat or due or stream.outgoing or changed is not None or lines:
                frame = stream.outgoing.next_frame(told if due else None, changed)
                frame.traces.extend(map(line_to_proto, lines))
                more = bool(stream.outgoing)  # what comes while the frame is being written waits for its turn
                await context.write(frame)
                if more:
                    continue
            await stream.pace.turn(max(ENOUGH, len(self._delivery.pool.mails) // WAITING))

    async def _watch(self, stream: GatewayStream, _context: Context) -> None:
        """Beat, and see whether the gateway still does. A pause of this process itself costs one miss, not the stream."""
        missed = 0
        while True:
            heard = stream.heard
            await asyncio.sleep(BEAT)
            stream.pace.now()
            missed = 0 if stream.heard != heard else missed + 1
            if stream.closed.is_set():
                raise Ended("the stream was closed here")
            if missed * BEAT >= SILENT:
                raise Ended(f"no frame from the gateway for {SILENT:g} s")

    def _report(self, stream: GatewayStream) -> Report:
        delivery = self._delivery
        return Report(
            delivery.draining,
            delivery.warm,
            delivery.tally.service_us,
            delivery.credit(stream),
            stream.settings_version,
            in_hand=delivery.in_hand,
        )


def is_news(report: Report, told: Report) -> bool:
    """What a gateway waits for: the next report need not be due."""
    return (report.credit, report.draining, report.settings_version) != (told.credit, told.draining, told.settings_version)
