"""One warm connection: an asyncio protocol that drives a conversation. No task, timer or future; the pool sweeps its deadlines."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import cast

from mailgate.route import Route
from mailgate.verdict import Phase, Tried
from sender.pool.call import Dialled
from sender.pool.handoff import Handoff
from sender.pool.owner import Owner
from sender.pool.plan import Slot
from sender.pool.slots import Slots
from sender.smtp.conversation import Conversation
from sender.smtp.dsn import dsn_of
from sender.smtp.events import FLOW, IDLE, READY, Close, Done, Event, Send
from sender.smtp.steps import Step, Waiting

BURST_OCTETS = 4 * 1024 * 1024
"""Of a long body written before others get their turn on the loop, should the socket take it all."""
LINGER = 5.0
"""Seconds that a closing connection may take to flush and to hear the server's good-bye, before it is torn down."""
PROBE_TIMEOUT = timedelta(seconds=2)
"""For the reply to NOOP: a mail waits for it, and a new connection is there sooner than a slow one."""
STOOD_STILL = 0.5
"""Seconds from COMMIT to the end of the loop's turn, after which a body that was held is not let go: a COMMIT is valid for 0.75 s."""
STOOD_STILL_AMID = 2.0
"""Seconds without a sweep, of which there is one a second, after which the rest of a long body does not leave: below 0.75 and 2 s, when
the gateway has asked in vain what became of the mail."""
FOLLOW_WITHIN = 0.25
"""Seconds. A mail follows a body only where the last body was answered as soon: behind a slow scanner it would wait in vain."""
LIMITS: dict[Waiting, Callable[[Route], timedelta]] = {
    Waiting.COMMAND: lambda route: route.command_timeout,
    Waiting.DATA: lambda route: route.data_timeout,
    Waiting.BLOCK: lambda route: route.block_timeout,
    Waiting.BODY: lambda route: route.body_timeout,
    Waiting.PROBE: lambda route: min(route.command_timeout, PROBE_TIMEOUT),
}
_COMMANDS, _BODY, _MAIL = Step.COMMANDS, Step.BODY, Phase.MAIL
_RESET = struct.pack("ii", 1, 0)


class Connection(asyncio.Protocol):
    """See the module. Made for a connection that has just been dialled; the transport calls it from then on."""

    __slots__ = (
        "_began",
        "_clock",
        "_loop",
        "_owner",
        "_paused",
        "_swept",
        "_transport",
        "by_server",
        "closing",
        "conversation",
        "holds",
        "remote",
        "since",
        "slot",
        "slots",
        "took",
    )

    def __init__(self, remote: Dialled, owner: Owner, slots: Slots, slot: Slot, clock: Callable[[], float]) -> None:
        self.remote = remote
        self.conversation = Conversation(remote.capabilities)
        self.slots = slots
        self.slot = slot
        self.closing = False
        self.by_server = True
        """Should it end now, it is not by our wish."""
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._clock = clock
        self._transport = remote.transport
        self._paused = False
        self.since = self._began = self._swept = self._clock()
        """`since`: the last thing written or heard; deadlines count from it."""
        self.holds = False
        """The last commit left the body to whatever follows it, or to `release`."""
        self.took = float("inf")
        """Seconds from the last commit to its reply."""
        self.relearn(self.since)

    def __repr__(self) -> str:
        return f"<Connection {self.remote.address} {self.conversation.step.name}{' closing' if self.closing else ''}>"

    @property
    def usable(self) -> bool:
        """The transport still writes."""
        return not self.closing and not self._transport.is_closing()

    @property
    def takes_another(self) -> bool:
        """A mail may follow the one whose body is out: this server answers bodies soon, and so the mail waits no longer than elsewhere."""
        return self.took <= FOLLOW_WITHIN and self.conversation.takes_another and not self.closing and not self._transport.is_closing()

    @property
    def late(self) -> bool:
        """The process stood still since the commit of a body that it holds, or has in part: no more of it may leave."""
        if self.conversation.step is not _BODY:
            return False
        if self.holds:
            return self._clock() - self._began > STOOD_STILL
        return self._clock() - max(self._began, self._swept) > STOOD_STILL_AMID

    def tried(self, done: Done, duration_us: int = 0) -> Tried:
        """What a mail on it came to, and where."""
        remote = self.remote
        return Tried(done.recipients, remote.host, remote.address, remote.tls, duration_us, self.slots.path.source.name)

    @property
    def duration_us(self) -> int:
        """Since the commit, or since the start where there was none, until the last thing heard."""
        return int((self.since - self._began) * 1e6)

    # ---- what the pool does

    def start(self, handoff: Handoff) -> Done | None:
        """Begins the transaction, while idle or where it `takes_another`; Done when this server can't take it: nothing has changed then."""
        begun = self.conversation.start(handoff)
        if isinstance(begun, Done):
            return begun
        if self.conversation.step is _COMMANDS:
            self.since = self._began = self._clock()
        self._transport.write(begun)
        return None

    def commit(self, handoff: Handoff) -> bool:
        """Lets the end of the body go. False: this mail is not READY (any more).

        Where it then `takes_another` it `holds` the body, to leave with that in one write: `release` must be called soon.
        """
        if self.conversation.ready is not handoff:
            return False
        self.since = self._began = self._clock()
        first = self.conversation.finish(hold=self.took <= FOLLOW_WITHIN)
        if first:
            self._transport.write(first)
        self.holds = self.takes_another
        if not self.holds:
            self._pump()
        return True

    def release(self) -> None:
        """Writes what `commit` held back, if nothing followed it."""
        self._pump()

    def committed(self, handoff: Handoff) -> bool:
        """The end of this mail's body was let go, and the reply is not in."""
        return self.conversation.ending is handoff

    def withdraw(self, handoff: Handoff) -> None:
        """Gives the mail up: nothing more is told of it. After `commit` it is too late, and nothing happens."""
        if self.conversation.ready is handoff:
            self.since = self._clock()
        self._act(self.conversation.withdraw(handoff))

    def quit(self) -> None:
        """Closes an idle connection politely."""
        if self.usable and self.conversation.step is Step.IDLE:
            self.closing, self.by_server = True, False
            self.since = self._clock()
            self._transport.write(self.conversation.ask(Step.QUITTING))

    def probe(self) -> None:
        """Asks whether an idle connection still lives; then it is idle anew."""
        self.since = self._clock()
        self._transport.write(self.conversation.ask(Step.PROBING))

    def through(self, transport: asyncio.Transport) -> None:
        """From now on it writes by this one, which may look at what passes."""
        self._transport = transport

    def abort(self, why: str) -> None:
        """Tears the connection down; a mail on it comes to what `Conversation.lost` says."""
        self.by_server = False
        self._act(self.conversation.lost(why))
        self._tear()

    def relearn(self, now: float) -> None:
        """How the next mail may go: the route may have changed, or what is known of the relay."""
        (skills := self.slots.skills).look(now)
        pipelining, chunking = skills.pipelining(self.slot, now), skills.chunking(self.slot, now)
        self.conversation.allow(pipelining=pipelining, chunking=chunking, dsn=dsn_of(self.slots.route))
        if not self.conversation.pipelining:
            self.slots.alone(self.slot)

    def sweep(self, now: float) -> None:
        """Acts on the deadline that has passed, if one has. To be called about once a second."""
        if self.closing:
            if now - self.since > LINGER:
                self._tear()
            return
        if self._too_late():
            return
        self._swept = now
        self.relearn(now)
        waiting = self.conversation.waiting
        if waiting is not Waiting.NOTHING:
            allowed = LIMITS[waiting](self.slots.route) / timedelta(seconds=1)
            if now - self.since > allowed:
                self._act(self.conversation.timed_out(allowed))

    # ---- what the transport does

    def data_received(self, data: bytes) -> None:
        """Replies; what they mean is the conversation's."""
        self.since = self._clock()
        self._act(self.conversation.receive(data))

    def eof_received(self) -> bool:
        """The server has closed: it takes no more mail, from now and not only when the socket is gone. The transport closes itself."""
        self._act(self.conversation.lost("the server closed the connection"))
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._act(self.conversation.lost(f"the connection was lost: {exc}" if exc else "the connection was closed"))
        self.closing = True
        self._owner.on_closed(self)

    def pause_writing(self) -> None:
        """The peer reads slower than we write."""
        self._paused = True

    def resume_writing(self) -> None:
        """It has caught up. The transport is amid a write of its own, where asyncio's may not be torn down."""
        self._paused = False
        self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        """Writes a body as the peer reads it, at most a piece waits in the transport, and no more of it once the process stood still."""
        written = 0
        while not self._paused and not self._too_late() and (piece := self.conversation.more()):
            self.since = self._clock()
            self._transport.write(piece)
            written += len(piece)
            if written >= BURST_OCTETS:
                self._loop.call_soon(self._pump)
                return

    def _too_late(self) -> bool:
        """For the mail on it, which is given up then."""
        if late := self.late:
            self.abort("the node stood still before the end of the mail left")
        return late

    def _act(self, events: list[Event]) -> None:
        for event in events:
            if event is READY:
                self._owner.on_ready(cast("Handoff", self.conversation.ready))
            elif event is IDLE:
                self._owner.on_idle(self)
            elif isinstance(event, Done):
                self._done(event)
            elif isinstance(event, Send):
                self._transport.write(event.data)
            elif event is FLOW:
                self._pump()
            elif isinstance(event, Close):
                self._end(event)

    def _done(self, done: Done) -> None:
        self._owner.on_done(self, done)
        if (said := done.recipients[0].reply).phase is _MAIL:
            self.slots.skills.refused(self.slot, said, self.since, answered=done.answered)
        if done.answered:
            self.took = self.since - self._began
        self._began = self.since

    def _end(self, close: Close) -> None:
        self.closing = True
        self.by_server = self.by_server and not close.ours
        self.since = self._clock()
        self._owner.on_closing(self, close)
        if close.reset:
            self._tear()
        else:
            self._transport.close()

    def _tear(self) -> None:
        """Resets the connection (SO_LINGER 0): what still waits in buffers, ours or the kernel's, never leaves."""
        if (sock := self._transport.get_extra_info("socket")) is not None:
            with suppress(OSError):  # the socket is gone already, and its buffers with it
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()


def release(held: list[Connection]) -> None:
    """Bodies that no mail has followed within the turn of the loop leave alone."""
    for connection in held:
        connection.release()
