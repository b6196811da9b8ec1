"""The pool: warm connections of every path, and the mails that are on them. The shell around slots.py, connection.py and dialer.py."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sized
from types import TracebackType
from typing import Self, cast

from mailgate.verdict import Outcome, Reply
from sender.pool import notices
from sender.pool.batch import Batch
from sender.pool.call import Dialled
from sender.pool.circuits import Circuits
from sender.pool.connection import Connection, release
from sender.pool.credentials import Credentials, TokenOptions
from sender.pool.dialer import Dialer, DialFailed
from sender.pool.handoff import Handoff, Listener
from sender.pool.path import Path
from sender.pool.plan import Counts, Dial, Slot
from sender.pool.relays import spurned
from sender.pool.shortcomings import Shortcomings
from sender.pool.slots import Slots
from sender.pool.table import Table
from sender.pool.tap import Tap
from sender.pool.taps import Taps
from sender.pool.tls import CertificateOptions, Contexts
from sender.smtp.events import Close, Done, Stumble

SWEEP = 1.0
"""Seconds between two looks at deadlines, idle times and resting relays."""
CLOSE_WAIT = 2.0
"""Seconds that `close` waits for the sockets that it has torn down."""


class Pool:
    """See the module. An async context manager; all else is synchronous, on the loop, and must be cheap.

    The listener hears `ready`, `done` and `idle` only from the transport's callbacks, or from a batch of its own on the loop: never from
    within `start`, `commit` or `withdraw`, since those only write, and what is known at once (SMTPUTF8 lacking, above SIZE) is put off
    to the next turn of the loop.

    `clock` is monotonic, in seconds: not the loop's, which uvloop rounds to milliseconds and keeps still within a turn.
    """

    def __init__(
        self,
        listener: Listener,
        secrets: Mapping[str, str],
        helo: str = "",
        *,
        tokens: Mapping[str, TokenOptions] | None = None,
        certificates: Mapping[str, CertificateOptions] | None = None,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._listener = listener
        self._clock, self._jitter = clock, jitter
        self._shortcomings, self.circuits = Shortcomings(), Circuits()
        self.dialer = Dialer(helo, Credentials(secrets, tokens, clock), Contexts(certificates), self._shortcomings, clock=clock)
        self._paths = Table(lambda path: Slots(path, self._shortcomings, self.circuits))
        self.standing, self.asleep = self._paths.standing, self._paths.asleep
        self.warm, self.trouble = self._paths.warm, self._paths.trouble
        self._connections: dict[Slot, Connection] = {}
        self._at: dict[Handoff, Connection] = {}
        self.mails: Sized = self._at
        """On a connection, until they are judged or withdrawn."""
        self.taps = Taps(self._connections.values, self._at, time.time_ns)
        self._changed, self._draining = asyncio.Event(), False

    def __repr__(self) -> str:
        return f"<Pool{' draining' if self._draining else ''} {' '.join(map(repr, self._paths))} mails={len(self._at)}>"

    async def __aenter__(self) -> Self:
        self._loop, self._tasks = asyncio.get_running_loop(), asyncio.TaskGroup()
        self._unfit = Batch(self._loop.call_soon, self._tell_unfit)
        self._held = Batch(self._loop.call_soon, release)
        self._hungry = Batch(self._loop.call_soon, self._feed)
        started = self._loop.create_future()
        self._keeper = self._loop.create_task(self._keep(started), name="pool")
        await started
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def watch(self) -> None:
        """For the application's task group: ends when the pool is closed, raises if its keeper fails: a bug."""
        await asyncio.wait([self._keeper])
        if not self._keeper.cancelled():
            self._keeper.result()

    # ---- paths

    def open(self, path: Path) -> None:
        """Takes mail for it from now on, and warms it up, but when draining.

        One of that key that leads elsewhere finishes the mails it has, and closes.
        """
        for slots in self._paths.open(path):
            if self._draining:
                slots.retire()
            self._follow(slots)

    def shut(self, key: str) -> None:
        """Takes no more mail for it: it finishes what it has, and closes. Nothing happens where there is none."""
        for slots in self._paths.shut(key):
            self._follow(slots)

    def capacity(self, key: str) -> int:
        """Connections usable, being dialled, or dialled on demand; 0: no relay can be reached, or no such path, or draining."""
        return 0 if (slots := self._paths.get(key)) is None or self._draining else slots.capacity(self._clock())

    def stats(self) -> dict[str, Counts]:
        """Counts by route, over all paths that there are and were."""
        return self._paths.stats(self._clock())

    # ---- mails

    def start(self, handoff: Handoff) -> bool:
        """Puts the mail on an idle connection. False: the route has none now; `listener.idle` will say when it has."""
        if (slots := self._paths.get(handoff.path)) is None or self._draining:
            return False
        while (slot := slots.take(bulk=handoff.bulk)) is not None:
            connection = self._connections[slot]
            if connection.usable and not (slot.followed and connection.late):
                break
            slots.closing(slot, self._clock())
        else:
            self._hungry.add(slots)
            return False
        self._at[handoff] = connection
        if (unfit := connection.start(handoff)) is None:
            slots.began(slot, connection.since)
        else:
            slots.not_begun(slot)
            self._unfit.add((connection, unfit))
        return True

    def commit(self, handoff: Handoff) -> bool:
        """Lets the end of the body go. False: the mail is no longer there, and `done` has said or will say why."""
        if (connection := self._at.get(handoff)) is None or not connection.commit(handoff):
            return False
        if connection.holds:
            connection.slots.ended(connection.slot, connection.since)
            self._held.add(connection)
        return True

    def withdraw(self, handoff: Handoff) -> None:
        """Gives up a mail that was not committed: nothing more is heard of it. Of a committed one `done` is still told."""
        if (connection := self._at.get(handoff)) is not None and not connection.committed(handoff):
            del self._at[handoff]
            connection.withdraw(handoff)

    # ---- the end

    async def drain(self, seconds: float) -> bool:
        """Takes no more mail, says QUIT where nothing is under way, and waits for the rest. False: some is left after so many seconds."""
        self._draining = True
        for slots in self._paths:
            slots.retire()
            self._follow(slots)
        try:
            async with asyncio.timeout(seconds):
                while not all(slots.empty for slots in self._paths):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Ends everything now: a mail before its final dot is deferred, after it in doubt, and `done` is told of each."""
        self._draining = True
        for slots in self._paths:
            slots.retire()
        self._keeper.cancel()
        for connection in list(self._connections.values()):
            connection.abort("the node stops")
        await asyncio.wait([self._keeper])
        await self.drain(CLOSE_WAIT)
        await self.watch()

    # ---- what connections tell

    def on_ready(self, handoff: Handoff) -> None:
        """Passed on."""
        self._listener.ready(handoff)

    def on_done(self, connection: Connection, done: Done) -> None:
        """Passed on, with where it happened."""
        if not connection.closing:
            connection.slots.done(connection.slot, answered=done.answered)
        if done.recipients[0].outcome is not Outcome.DELIVERED and spurned(connection.slots.route, done.recipients):
            self._spurned(connection, done.recipients[0].reply)
        handoff = cast("Handoff", done.transaction)
        if self._at.pop(handoff, None) is not None:
            self._listener.done(handoff, connection.tried(done, connection.duration_us))

    def _spurned(self, connection: Connection, reply: Reply) -> None:
        """Its relay wants none of our mail now."""
        slots = connection.slots
        for slot in slots.spurned(connection.slot, self._clock(), self._jitter(), reply, connection.remote.address):
            self._connections[slot].quit()
        self._follow(slots)

    def on_idle(self, connection: Connection) -> None:
        """The next mail may come, or the connection has served its time."""
        slots = connection.slots
        if slots.freed(connection.slot, connection.since):
            self._listener.idle(slots.path.key)
        else:
            connection.quit()

    def on_closing(self, connection: Connection, close: Close) -> None:
        """It takes no more mail."""
        if (said := connection.conversation.dismissal) is not None:
            connection.slots.dismissed(connection.slot, said, connection.since)
        connection.slots.closing(connection.slot, connection.since)
        self.taps.closing(connection, close.why)
        if close.stumbled is not Stumble.NO and connection.slots.skills.stumbled(connection.slot, close.stumbled, connection.since):
            for each in self._connections.values():
                each.relearn(connection.since)

    def on_closed(self, connection: Connection) -> None:
        """The socket is gone: what its slot is for now, the plan says."""
        slots = connection.slots
        del self._connections[connection.slot]
        slots.closed(connection.slot, self._clock(), self._jitter(), by_server=connection.by_server)
        self._follow(slots)
        self._changed.set()

    # ---- tasks

    async def _keep(self, started: asyncio.Future[None]) -> None:
        """Owns the dials, and sweeps."""
        async with self._tasks:
            started.set_result(None)
            while True:
                await asyncio.sleep(SWEEP)
                self._sweep(self._clock())

    def _sweep(self, now: float) -> None:
        for connection in list(self._connections.values()):
            connection.sweep(now)
        for slots in [slots for slots in self._paths if not slots.asleep]:
            self._follow(slots)
        self._paths.forget()

    def _follow(self, slots: Slots) -> None:
        """Does what the plan says."""
        plan = slots.plan(self._clock())
        for slot in plan.close:
            self._connections[slot].quit()
        for slot in plan.probe:
            self._connections[slot].probe()
        for dial in plan.dial:
            self._tasks.create_task(self._dial(slots, dial), name=f"dial {dial.relay.host}")

    def _feed(self, hungry: list[Slots]) -> None:
        """Mails found no idle connection: what the plan says to that."""
        for slots in dict.fromkeys(hungry):
            self._follow(slots)

    async def _dial(self, slots: Slots, dial: Dial) -> None:
        route, slot = slots.route, dial.slot

        def adopt(remote: Dialled) -> Connection | Tap:
            return self.taps.opened(self._connections.setdefault(slot, Connection(remote, self, slots, slot, self._clock)))

        self.taps.dialling(slots.path, dial)
        try:
            await self.dialer.dial(route, dial.relay, adopt, slots.path.source)
        except DialFailed as failure:
            self.taps.failed(slots.path, failure)
            self._listener.turned_away(slots.path.key, failure.reply)
            now, jitter = self._clock(), self._jitter()
            if slots.failed(slot, now, jitter, failure.reply, failure.address, of_source=failure.of_source, of_node=failure.of_node):
                notices.dial_failed(slots, failure, now)
        except asyncio.CancelledError:
            slots.given_up(slot)
            raise
        else:
            notices.dialled(slots, dial.relay)
            if slots.dialled(slot, self._clock()):
                self._listener.idle(slots.path.key)
            else:
                self._connections[slot].quit()
        self._follow(slots)
        self._changed.set()

    def _tell_unfit(self, told: list[tuple[Connection, Done]]) -> None:
        """Mails that their server can't take: nothing was begun, and their slots are as they were."""
        for connection, unfit in told:
            handoff = cast("Handoff", unfit.transaction)
            if self._at.pop(handoff, None) is not None:
                self._listener.done(handoff, connection.tried(unfit))
                self._listener.idle(handoff.path)
