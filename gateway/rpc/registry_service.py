"""NodeRegistryService: a node says that it is there, the registry holds it while its stream lives and for a lease after.

The same boot id takes over its own entry. Another boot id under the same node id is the node started anew, unless the recorded one still
answers on its Deliver stream, or, where this gateway has none to it, at its recorded address: then it is somebody else with a name that is
taken, and is refused. Who is replaced has its stream ended, and so asks again: a node that was only hung comes back when the one that took
its name has gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

from gateway.registry.port import MAX_ID, NodeRecord, Overtaken, Registry, is_node_id
from mailgate.api.node.v1 import node_registry_service_pb2 as pb
from mailgate.api.node.v1 import node_registry_service_pb2_grpc
from mailgate.errors import Invalid, SettingsInvalid, Violation, WrongState
from mailgate.rpc.address import split_address
from mailgate.rpc.streams import first_request, next_request
from mailgate.telemetry.logs import get_logger

if TYPE_CHECKING:
    import grpc

    Context = grpc.aio.ServicerContext[pb.RegisterRequest, pb.RegisterResponse]

BOOT_ID_OCTETS = 16
FIRST = 5.0
"""Seconds that a node has to say who it is; an open stream without a name is nobody's."""

log = get_logger(__name__)


class RegistryServicer(node_registry_service_pb2_grpc.NodeRegistryServiceServicer):
    """`answers(record)`: the node of this record has a healthy stream right now; `lives(record)`: it answers at its address."""

    def __init__(self, registry: Registry, answers: Callable[[NodeRecord], bool], lives: Callable[[NodeRecord], Awaitable[bool]]) -> None:
        self._registry, self._answers, self._lives = registry, answers, lives
        self._open: set[asyncio.Task[object]] = set()
        self._streams: dict[str, asyncio.Event] = {}
        """What ends the stream of each node id's present registration."""
        self._stopping = False

    async def Register(self, _requests: AsyncIterator[pb.RegisterRequest], context: Context) -> None:
        """See the proto."""
        first = await first_request(context, FIRST)
        if first is None:
            return
        record = read_record(first)
        record = await self._register(record)
        over = asyncio.Event()
        if (old := self._streams.get(record.node_id)) is not None:
            old.set()  # else its node would believe itself registered when the new one has gone
        self._streams[record.node_id] = over
        log.info("node_registered", node=record.node_id, address=record.address, registration=record.registration)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        self._open.add(task)
        try:
            await self._hold(record, context, over)
        finally:
            self._open.discard(task)
            if self._streams.get(record.node_id) is over:
                del self._streams[record.node_id]
            await self._registry.release(record)

    async def close(self) -> None:
        """End every registration: an open stream would hold the server's stop for its whole grace."""
        self._stopping = True
        for over in self._streams.values():
            over.set()
        if self._open:
            await asyncio.wait(self._open, timeout=1.0)

    async def _register(self, record: NodeRecord) -> NodeRecord:
        """Raises WrongState when its name belongs to a node that is alive, Unavailable when the registry is away."""
        while True:
            held = await self._registry.find(record.node_id)
            if held is not None and held.boot_id != record.boot_id and (self._answers(held) or await self._lives(held)):
                log.warning("node_refused", node=record.node_id, address=record.address, alive=held.address)
                raise WrongState(
                    f"the node id {record.node_id!r} belongs to {place_of(held)}, which is alive; {place_of(record)} needs another: "
                    "set sender.id"
                )
            try:
                return await self._registry.register(record, held)
            except Overtaken:
                continue  # somebody else by now, who is asked in turn

    async def _hold(self, record: NodeRecord, context: Context, over: asyncio.Event) -> None:
        await context.write(pb.RegisterResponse())
        reader = asyncio.ensure_future(self._until_it_leaves(record, context))
        ending = asyncio.ensure_future(over.wait())
        replaced = asyncio.ensure_future(self._registry.replaced(record))  # by a node that registered with another gateway
        try:
            if not self._stopping:
                await asyncio.wait((reader, ending, replaced), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in (reader, ending, replaced):
                waiting.cancel()
            await asyncio.gather(reader, ending, replaced, return_exceptions=True)

    async def _until_it_leaves(self, record: NodeRecord, context: Context) -> None:
        while (request := await next_request(context)) is not None:
            if request.leaving:
                await self._registry.remove(record)
                log.info("node_leaves", node=record.node_id)
                return


def place_of(record: NodeRecord) -> str:
    """Which of two nodes of one name is meant."""
    return f"the node at {record.address} (boot {record.boot_id.hex()[:8]})"


def read_record(request: pb.RegisterRequest) -> NodeRecord:
    """The record of a first request. Raises Invalid with all that is wrong."""
    violations = []
    if not is_node_id(request.node_id):
        violations.append(Violation("node_id", f"{request.node_id[:MAX_ID]!r} must be 1 to {MAX_ID} printable characters: set sender.id"))
    if len(request.boot_id) != BOOT_ID_OCTETS:
        violations.append(Violation("boot_id", f"must have {BOOT_ID_OCTETS} octets, has {len(request.boot_id)}"))
    try:
        split_address(request.address, "address")
    except SettingsInvalid as error:
        violations.append(Violation("address", error.mistakes[0].cure + ": set sender.advertise"))
    if violations:
        raise Invalid(violations)
    return NodeRecord(request.node_id, request.boot_id, request.address, request.version)
