"""The nodes of this gateway: a keeper for each entry of the registry, which holds one stream open and reconnects it.

What nobody has foreseen ends one life of one node's stream, and no more: it is told with its traceback, the node's jobs go elsewhere as
after any loss, and its keeper dials again as after the longest wait. A broken storage is not the node's, and ends the gateway.

An entry that is removed while its node's own stream is healthy removes nothing: the node is shown as unregistered and used on (design,
section 7). It goes when its stream ends.

What operators said of a node (drain, resume) is the registry's too, so that all gateways heed it; here it is put to the members.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from gateway.dispatch.dialogues import Dialogues
from gateway.dispatch.dispatcher import Dispatcher
from gateway.dispatch.link import Heard, NodeLink
from gateway.dispatch.member import Member
from gateway.dispatch.pulse import LOOK, TICK, Pulse
from gateway.registry.port import Drain, NodeRecord, Registry
from mailgate.errors import StorageBroken
from mailgate.ids import format_job
from mailgate.telemetry.logs import get_logger

SILENT_AFTER = 3
"""Ticks in a row without a frame end the stream."""
NAMED = 100
"""Jobs of a lost node that are named where faults are looked for."""
RECONNECT_FIRST, RECONNECT_MAX = 0.05, 2.0
"""Seconds between lives of a stream; doubled each time, back to the first after a life of over 5 s."""
LONG_LIFE = 5.0

log = get_logger(__name__)


class Fleet:
    """`dial` makes the adapter of a new stream; `members` is shared with the dispatcher, and written only here."""

    def __init__(
        self,
        registry: Registry,
        dial: Callable[[NodeRecord], NodeLink],
        dispatcher: Dispatcher,
        members: dict[str, Member],
        random: Callable[[], float],
        node_octets: int,
    ) -> None:
        self._registry, self._dial, self._dispatcher, self._members = registry, dial, dispatcher, members
        self._random, self._octets = random, node_octets
        self.dialogues = Dialogues(members)
        self._changed: dict[str, asyncio.Event] = {}
        self.drains: Mapping[str, Drain] = {}
        """By node id, also of nodes that are not here."""
        self.losses: dict[str, int] = {}
        self.frames_of_gone = (0, 0)
        """Frames that came and were written on the streams of nodes that are no members any more: a counter never goes down."""

    def __repr__(self) -> str:
        return f"<Fleet {list(self._members.values())}>"

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as keepers:
            keepers.create_task(self._heed(), name="drains")
            async for records in self._registry.watch():
                self._apply(records, keepers)

    async def drain(self, node_id: str, drain: Drain) -> None:
        """The node gets no new jobs from now on, from any gateway."""
        await self._registry.drain(node_id, drain)
        self._drained(self._registry.drains)
        log.info("node_drained", node=node_id, reason=drain.reason)

    async def resume(self, node_id: str) -> bool:
        """It may get jobs again. False: it was not drained."""
        known = await self._registry.resume(node_id)
        self._drained(self._registry.drains)
        if known:
            log.info("node_resumed", node=node_id)
        return known

    async def _heed(self) -> None:
        async for drains in self._registry.watch_drains():
            self._drained(drains)

    def _drained(self, drains: Mapping[str, Drain]) -> None:
        self.drains = drains
        for node_id, member in self._members.items():
            if member.drain != drains.get(node_id):
                member.drained(drains.get(node_id))

    def _apply(self, records: Sequence[NodeRecord], keepers: asyncio.TaskGroup) -> None:
        registered = {record.node_id: record for record in records}
        for node_id, member in self._members.items():
            record = registered.get(node_id)
            member.registered = record is not None
            if record is not None and record != member.record:
                member.record = record
                self._changed[node_id].set()
        for node_id, record in registered.items():
            if node_id not in self._members:
                member = self._members[node_id] = Member(record, self._octets)
                member.drained(self.drains.get(node_id))
                self._changed[node_id] = asyncio.Event()
                keepers.create_task(self._keep(member), name=f"keeper of {node_id}")

    async def _keep(self, member: Member) -> None:
        """Open the node's stream again and again, until the registry has the node no more."""
        loop = asyncio.get_running_loop()
        wait = RECONNECT_FIRST
        changed = self._changed[member.node_id]
        try:
            while member.registered:
                changed.clear()
                started = loop.time()
                sound = await self._live(member)
                if not sound:
                    wait = RECONNECT_MAX
                elif loop.time() - started > LONG_LIFE:
                    wait = RECONNECT_FIRST
                try:
                    async with asyncio.timeout(wait * (0.5 + self._random())):
                        await changed.wait()
                    wait = RECONNECT_FIRST
                except TimeoutError:
                    wait = min(wait * 2, RECONNECT_MAX)
        finally:
            came, left = member.frames
            self.frames_of_gone = self.frames_of_gone[0] + came, self.frames_of_gone[1] + left
            del self._members[member.node_id], self._changed[member.node_id]

    async def _live(self, member: Member) -> bool:
        """One life of the stream, and the health that is seen on it. False: it ended by a fault of ours."""
        kind = "fault"
        try:
            life = Life(member, self._dial(member.record), self._dispatcher, self.dialogues)
            reason = await life.run()
            kind = life.kind
        except asyncio.CancelledError:  # the gateway stops: nobody lost anything, and what is open is asked for at the next start
            member.left("the gateway stops")
            raise
        except Exception as error:
            if is_of_storage(error):
                raise
            reason = f"a fault of the gateway: {error!r}"
            log.exception("keeper_failed", node=member.node_id, retry_after=RECONNECT_MAX)
        if not kind and reason != member.reason:
            log.warning("node_not_reached", node=member.node_id, address=member.record.address, reason=reason)
        member.left(reason)
        loss = self._dispatcher.lost(member)
        if kind:
            self.dialogues.left(member)
            self.losses[kind] = self.losses.get(kind, 0) + 1
            uncommitted, committed = loss.uncommitted, len(loss.doubtful)
            log.warning("node_lost", node=member.node_id, reason=reason, kind=kind, uncommitted=len(uncommitted), committed=committed)
            log.debug("jobs_go_elsewhere", node=member.node_id, jobs=" ".join([format_job(job.id) for job in uncommitted[:NAMED]]))
        return kind != "fault"


def is_of_storage(error: BaseException) -> bool:
    """The storage broke, wherever in the group."""
    if isinstance(error, BaseExceptionGroup):
        return any(is_of_storage(each) for each in error.exceptions)
    return isinstance(error, StorageBroken)


class Silent(Exception):
    """No frame came for three ticks."""


class Life:
    """One stream's life: hears frames for the member and the dispatcher, and ends it when the node falls silent."""

    def __init__(self, member: Member, link: NodeLink, dispatcher: Dispatcher, dialogues: Dialogues) -> None:
        self._member, self._link, self._dispatcher, self._dialogues = member, link, dispatcher, dialogues
        self._frames = 0
        self.was_up = False
        self.silent = False

    @property
    def kind(self) -> str:
        """How it ended: the node fell silent, had said that it stops, or the stream broke. Empty: it was never up."""
        if not self.was_up:
            return ""
        return "silent" if self.silent else "stopped" if self._member.load.draining else "broken"

    def heard(self, frame: Heard) -> None:
        """A frame came: health first, then what it says."""
        self._frames += 1
        self._member.heard_at = asyncio.get_running_loop().time()
        if frame.hello is not None:
            self.was_up = True
            self._member.joined(frame.hello.boot_id, frame.hello.version, frame.hello.protocol)
            self._member.has_sources(frame.hello.sources)
            log.info("node_joined", node=self._member.node_id, version=frame.hello.version)
            self._dispatcher.choice.joined(self._member)
            self._dispatcher.joined(self._member, frame.hello)
            self._dialogues.joined(self._member)
        if frame.sources is not None:
            self._member.has_sources(frame.sources)
        if frame.load is not None:
            self._member.report(frame.load)
        ejection, node_id = self._dispatcher.choice.ejection, self._member.node_id
        ejections = ejection.ejections(node_id)
        self._dispatcher.heard(self._member, frame)
        if ejection.ejections(node_id) > ejections:
            seconds = round(ejection.ends(node_id) - self._member.heard_at, 1)
            log.warning("node_ejected", node=node_id, seconds=seconds, why="half of its jobs of late failed for a fault of its own")
        if frame.traces:
            self._dialogues.heard(self._member.node_id, frame.traces)

    async def run(self) -> str:
        """Until the stream ends; why it did."""
        self._member.connecting(self._link)
        reason = "the stream was closed"
        try:
            async with asyncio.TaskGroup() as tasks:
                watch = tasks.create_task(self._watch())
                reason = await self._link.run(self)
                watch.cancel()
        except* Silent:
            self.silent = True
            reason = f"no frame for {SILENT_AFTER * TICK:.2f} s"
        return reason

    async def _watch(self) -> None:
        """Count ticks without a frame; the first frame may take as long as connecting does, which the link bounds."""
        missed, loop, pulse = 0, asyncio.get_running_loop(), Pulse()
        while missed < SILENT_AFTER:
            began = loop.time()
            await asyncio.sleep(LOOK)
            if not self.was_up or (heard := pulse.look(self._frames, loop.time() - began)) is None:
                continue
            missed = 0 if heard else missed + 1
            self._member.tick(heard)
        raise Silent
