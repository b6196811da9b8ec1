"""The queue over the journal's tables: the shell around the window. New jobs come from the writer, others are read when they are wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from gateway.journal.line import Found, Placed, Want, line_key
from gateway.journal.options import JournalOptions
from gateway.journal.positions import Positions
from gateway.journal.reader import Reader
from gateway.journal.reads import find, lines
from gateway.journal.window import Window
from gateway.journal.work import AcceptWork, RecordWork, Work
from gateway.queue.port import Room
from mailgate.job import Job

LINES = 64
"""Lines that one read visits."""
UNPUT = 100_000
"""Accepted jobs that are remembered until `put` names them; a caller that was cut off between accept and put never does."""
TICK = 1.0
"""Seconds after which a waiting `take` looks at the clock again, in case it jumped."""
BREATH = 0.01
"""Seconds between two looks at more lines than one look takes in."""


class JournalQueue:
    """The port's contract.

    A job is made ready by its being committed, not by `put`: nothing that was accepted waits for a caller who may have gone. `put` of a
    job that the ledger has just accepted does nothing, `put` of any other makes it ready again.
    """

    def __init__(self, reader: Reader, positions: Positions, options: JournalOptions, broken: asyncio.Future[None]) -> None:
        self._reader, self._positions, self._options = reader, positions, options
        self._window = Window(options.window_jobs, options.window_bytes, options.window_share)
        self._more = asyncio.Event()
        self._unput: dict[bytes, None] = {}
        self._reading: asyncio.Future[list[Found | Want]] | None = None
        self._wants: Sequence[Want] = ()
        self.reads = 0
        self.read_jobs = 0
        self._broken = broken

    async def start(self) -> None:
        """Look at what an earlier process left."""
        found = await self._reader.ask(lines)
        self._positions.skip_to(max((line.newest for line in found), default=0))
        self._window.start(((line.key, line.first) for line in found), 0)

    def put(self, jobs: Sequence[Job]) -> Awaitable[None]:
        """See the port and the class."""
        for job in jobs:
            if job.id in self._unput:
                del self._unput[job.id]
            else:
                self._window.give_back(job, self._positions.floor)
                self._more.set()
        return _done()

    async def take(self, room: Room) -> Sequence[Job]:
        """See the port."""
        while True:
            self._more.clear()
            taken = self._window.take(room, self._options.take_jobs)
            self._read(room)
            if taken:
                return taken
            await self._wait()

    def nudge(self) -> None:
        """See the port."""
        self._more.set()

    def settle(self, jobs: Sequence[Job]) -> Awaitable[None]:
        """See the port: `record` did it."""
        return _done()

    def recording(self, work: RecordWork) -> None:
        """Conclusions are handed to the writer."""
        floor = self._positions.floor
        for conclusion, position in zip(work.conclusions, work.positions, strict=True):
            if position is not None and conclusion.remaining is not None:
                self._window.deferring(line_key(conclusion.remaining), position, floor)

    def heard(self, work: Work, durable: bool) -> None:
        """The writer has done a work, or has failed to."""
        if isinstance(work, AcceptWork) and durable:
            self._accepted(work, self._positions.floor)
        elif isinstance(work, RecordWork):
            for conclusion, position in zip(work.conclusions, work.positions, strict=True):
                if position is not None and (job := conclusion.remaining) is not None:
                    self._window.deferred(line_key(job))
        self._positions.committed()
        self._more.set()

    def _accepted(self, work: AcceptWork, floor: int) -> None:
        for each, positions in zip(work.accepted, work.positions, strict=True):
            if each.mail.id in work.refused:
                continue
            for job, position in zip(each.jobs, positions, strict=True):
                self._window.fresh(Placed(position, job), floor)
                self._unput[job.id] = None
        while len(self._unput) > UNPUT:
            del self._unput[next(iter(self._unput))]

    @property
    def ready_jobs(self) -> int:
        """Ready jobs in memory."""
        return self._window.ready_jobs

    @property
    def ready_octets(self) -> int:
        """Their octets."""
        return self._window.ready_octets

    @property
    def lines(self) -> int:
        """Lines that have something in memory or on disk."""
        return len(self._window)

    def _read(self, room: Room) -> None:
        if self._reading is not None:
            return
        wants = self._window.wants(room, self._positions.floor, self._options.refill_jobs, LINES)
        if wants:
            self._wants = wants
            self._reading = self._reader.ask(find, wants, int(self._options.window_bytes * self._options.window_share))
            self._reading.add_done_callback(self._found)

    def _found(self, reading: asyncio.Future[list[Found | Want]]) -> None:
        self._reading = None
        error = None if reading.cancelled() else reading.exception()
        answers = self._wants if reading.cancelled() or error is not None else reading.result()
        for answer in answers:
            if isinstance(answer, Found):
                self._window.found(answer)
                self.read_jobs += len(answer.jobs)
            else:
                self._window.lost(answer)
        self.reads += 1
        if error is None:
            self._more.set()
        elif not self._broken.done():
            self._broken.set_exception(error)

    async def _wait(self) -> None:
        """Until something may have changed, or what is due next is due."""
        delay = None
        if self._window.busy:
            delay = BREATH
        elif (position := self._window.next_position()) is not None:
            delay = min(TICK, max(0.001, (position - self._positions.now()) / 1e6))
        timer = None if delay is None else asyncio.get_running_loop().call_later(delay, self._more.set)
        try:
            await self._more.wait()
        finally:
            if timer is not None:
                timer.cancel()


def _done() -> Awaitable[None]:
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    done.set_result(None)
    return done
