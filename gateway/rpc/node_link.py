"""One life of one Deliver stream to a node: the adapter of dispatch's port NodeLink.

Two tasks in a group, one that reads and one that writes; the first to end ends both. The only reader never reads under a time limit
(cancelling a read cancels the call), the only writer writes one frame at a time (two at once are an error of gRPC's core).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import grpc

from gateway.dispatch.link import Listener, Share
from gateway.dispatch.table import RouteTable
from gateway.registry.port import NodeRecord
from gateway.rpc.frames import Outgoing, heard_from_proto
from mailgate.api.node.v1 import node_pb2, node_service_pb2_grpc
from mailgate.errors import SettingsInvalid
from mailgate.job import Fence, Job
from mailgate.route import Route
from mailgate.rpc.channel import bearer, open_node_channel
from mailgate.rpc.pace import Pace
from mailgate.rpc.protocol import OURS
from mailgate.rpc.tls import TlsOptions

if TYPE_CHECKING:
    Call = grpc.aio.StreamStreamCall[node_pb2.DeliverRequest, node_pb2.DeliverResponse]

BEAT = 0.25
"""Seconds: a frame at least so often, so that the node sees us live (design, section 7)."""
CONNECT = 5.0
"""Seconds until the node's hello; a dead address must not hold up the next try."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this gateway is to the nodes."""

    gateway_id: str
    epoch: int
    fleet_token: str = ""
    tls: TlsOptions | None = None


class Ended(Exception):
    """The stream is over; the text says why."""


class GrpcNodeLink:
    """See the port. The node hears of all routes of `table` at once, so that it dials ahead and reports credit, and later of changes."""

    def __init__(self, record: NodeRecord, identity: Identity, table: RouteTable) -> None:
        self._record, self._identity, self._table = record, identity, table
        self._outgoing = Outgoing()
        self._pace = Pace()
        self._told_shaping: str | None = None
        self._told: Mapping[str, Route] | None = None
        """None: the node has said no hello yet."""
        self._frames_in = 0
        self._frames_out = 0

    @property
    def frames(self) -> tuple[int, int]:
        """Frames that came, and that were written."""
        return self._frames_in, self._frames_out

    def offer(self, job: Job) -> None:
        """Have the node make it ready."""
        self._outgoing.offer(job)
        self._pace.soon()

    def commit(self, fences: Sequence[Fence]) -> None:
        """Their bodies may end."""
        self._outgoing.commit(fences)
        self._pace.now(len(fences))

    def withdraw(self, fences: Sequence[Fence]) -> None:
        """Drop these."""
        self._outgoing.withdraw(fences)
        self._pace.now()

    def settled(self, fences: Sequence[Fence]) -> None:
        """Their verdicts are recorded; goes along with the next frame."""
        self._outgoing.settled(fences)

    def lookup(self, fences: Sequence[Fence]) -> None:
        """Ask what the node knows."""
        self._outgoing.lookup(fences)
        self._pace.now()

    def routes_changed(self) -> None:
        """Tell what is new, changed and gone, before any job that is offered from now on."""
        if self._told is None:
            return
        if self._told_shaping != self._table.shaping.text:
            self._told_shaping = self._table.shaping.text
            self._outgoing.shaping(self._table.shaping)
        routes = self._table.routes
        gone = [name for name in self._told if name not in routes]
        self._outgoing.routes(self._table.version, [route for name, route in routes.items() if self._told.get(name) != route], gone)
        self._told = routes
        self._pace.now()

    def share(self, share: Share) -> None:
        """Tell it, before any job that is offered from now on."""
        self._outgoing.share(share)
        self._pace.soon()

    def trace(self, site_keys: Sequence[str]) -> None:
        """Have it tell the dialogues of these sites, and of no others."""
        self._outgoing.trace(site_keys)
        self._pace.now()

    async def run(self, listener: Listener) -> str:
        """Live until the stream ends; why it did."""
        try:
            channel = open_node_channel(self._record.address, self._identity.tls)
        except SettingsInvalid as error:  # a file of the certificates is gone, or half written, since the start
            return str(error)
        async with channel:
            stub = node_service_pb2_grpc.NodeServiceStub(channel)  # type: ignore[no-untyped-call]
            call = stub.Deliver(metadata=bearer(self._identity.fleet_token))
            reason = "the stream was closed"
            try:
                async with asyncio.TaskGroup() as tasks:
                    joined = asyncio.Event()
                    tasks.create_task(self._read(call, listener, joined))
                    tasks.create_task(self._write(call))
                    tasks.create_task(self._beat())
                    tasks.create_task(self._within(joined))
            # write() on a call that is over raises InvalidStateError, not an AioRpcError (gRPC 1.85).
            except* (Ended, grpc.aio.AioRpcError, asyncio.InvalidStateError) as group:
                reason = describe(group)
                if call.done() and all(isinstance(error, asyncio.InvalidStateError) for error in group.exceptions):
                    reason = f"{(await call.code()).name}: {await call.details()}"  # only the writer has noticed
            finally:
                call.cancel()
                self._pace.close()
        return reason

    async def _read(self, call: Call, listener: Listener, joined: asyncio.Event) -> None:
        while (frame := await call.read()) is not grpc.aio.EOF:
            if frame is None:  # what gRPC makes of bytes that are no message
                raise Ended(f"the node at {self._record.address} sent bytes that are no frame")
            self._frames_in += 1
            message = cast(node_pb2.DeliverResponse, frame)
            if not joined.is_set():
                self._greeted(message)
                self._told = {}
                self.routes_changed()
                joined.set()
            listener.heard(heard_from_proto(message))
        raise Ended("the node closed the stream")

    def _greeted(self, frame: node_pb2.DeliverResponse) -> None:
        """The first frame: from whom it must be, in the protocol that it must be in."""
        hello, address = frame.hello, self._record.address
        if not frame.HasField("hello"):
            raise Ended(f"the node at {address} said no hello")
        if hello.node_id != self._record.node_id:
            raise Ended(
                f"{address} is the address of the node {hello.node_id!r}, and {self._record.node_id!r} has registered it as its own: "
                "check sender.advertise of both"
            )
        if hello.protocol not in OURS:
            raise Ended(f"the node at {address} speaks protocol {hello.protocol}, this gateway {OURS}: run a release that speaks the same")

    async def _write(self, call: Call) -> None:
        hello = node_pb2.GatewayHello(
            gateway_id=self._identity.gateway_id,
            epoch=self._identity.epoch,
            protocol_min=OURS.oldest,
            protocol_max=OURS.newest,
            node_id=self._record.node_id,
        )
        await call.write(node_pb2.DeliverRequest(hello=hello))
        while True:
            await self._pace.turn()
            while await self._write_frame(call):
                pass

    async def _write_frame(self, call: Call) -> bool:
        """Is there more than fitted? What comes while it is being written waits for its turn."""
        frame = self._outgoing.next_frame()
        more = bool(self._outgoing)
        self._frames_out += 1
        await call.write(frame)
        return more

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT)
            self._pace.now()

    async def _within(self, joined: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(CONNECT):
                await joined.wait()
        except TimeoutError:
            raise Ended(f"no hello from {self._record.address} within {CONNECT:g} s") from None


def describe(group: BaseExceptionGroup[BaseException]) -> str:
    """The first reason of a group that is worth telling."""
    errors = [error for error in group.exceptions if not isinstance(error, asyncio.InvalidStateError)] or list(group.exceptions)
    error = errors[0]
    if isinstance(error, grpc.aio.AioRpcError):
        return f"{error.code().name}: {error.details()}"
    return str(error) or type(error).__name__
