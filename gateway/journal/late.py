"""Rows of attempts that nobody waits for: held back for a moment, since most attempts are over before it is, and then need none.

A row tells the next life of this gateway of which node to ask. It waits for the nodes' inventories anyway after an unclean stop, and hears
of these attempts from them (gateway/dispatch/recovery.py); where the node is gone too the mail is sent again, row or not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from gateway.ledger.port import Begin
from mailgate.job import Fence

LAG = 0.05
"""Seconds that a row is held at least; twice as long at most. A server near by has answered after some 30 ms, pacing of frames included."""

Write = Callable[[Sequence[Begin]], Awaitable[object]]


class Late:
    """For the loop. Two generations: at each turn the older is written."""

    def __init__(self, write: Write) -> None:
        self._loop = asyncio.get_running_loop()
        self._write = write
        self._young, self._old = Generation(self._loop), Generation(self._loop)
        self._timer: asyncio.TimerHandle | None = None
        self.spared = 0
        """Rows that were never written."""

    def put(self, begins: Iterable[Begin]) -> asyncio.Future[None]:
        """Hold these; of one fence the first counts. Done when those that were put together are written, or need not be."""
        if self._timer is None:
            self._timer = self._loop.call_later(LAG, self._turn)
        young, old = self._young.rows, self._old.rows
        for begin in begins:
            job = begin.job
            held = young.get(job.id) or old.get(job.id)
            if held is None or held.job.attempt != job.attempt:
                young[job.id] = begin
        return self._young.done

    def take(self, fences: Iterable[Fence]) -> None:
        """These are concluded, or were never begun."""
        generations = [each.rows for each in (self._young, self._old) if each.rows]
        for job_id, attempt in fences if generations else ():
            for rows in generations:
                if (held := rows.get(job_id)) is not None and held.job.attempt == attempt:
                    del rows[job_id]
                    self.spared += 1

    def give_way(self, job_ids: Iterable[bytes]) -> None:
        """Somebody else asks for the rows of these: write all, if one of them is held."""
        if any([job_id in self._young.rows or job_id in self._old.rows for job_id in job_ids]):
            self.close()

    def close(self) -> None:
        """Write all of them now."""
        if self._timer is not None:
            self._turn()
            self._turn()

    def _turn(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        over, self._old, self._young = self._old, self._young, Generation(self._loop)
        over.end(self._write)
        if self._old.rows:
            self._timer = self._loop.call_later(LAG, self._turn)
        else:
            self._old.end(self._write)


class Generation:
    """Rows that were put at about the same time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.rows: dict[bytes, Begin] = {}
        self.done: asyncio.Future[None] = loop.create_future()

    def end(self, write: Write) -> None:
        """Write what is left of them."""
        if self.rows:
            asyncio.ensure_future(write(list(self.rows.values()))).add_done_callback(self._written)
        elif not self.done.done():
            self.done.set_result(None)

    def _written(self, written: asyncio.Future[object]) -> None:
        if self.done.done():  # one who waited for it was cancelled: that undoes no row
            return
        if written.cancelled():
            self.done.cancel()
        elif (error := written.exception()) is not None:
            self.done.set_exception(error)
            self.done.exception()  # who does not wait for it hears of a broken journal all the same
        else:
            self.done.set_result(None)
