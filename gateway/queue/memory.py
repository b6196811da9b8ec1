"""The reference queue: ready jobs in deques of one process. Nothing survives it; for tests, and to read beside the port."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Sequence

from gateway.queue.port import Room
from mailgate.job import Job
from mailgate.mail import Lane

TAKE = 256
"""Jobs that one `take` gives at most."""


class MemoryQueue:
    """The port's contract over a deque for each lane and site key; keys of a lane take turns."""

    def __init__(self) -> None:
        self._ready: dict[Lane, dict[str, deque[Job]]] = {lane: {} for lane in Lane}
        self._more = asyncio.Event()

    def put(self, jobs: Sequence[Job]) -> Awaitable[None]:
        """See the port."""
        for job in jobs:
            self._ready[job.lane].setdefault(job.site_key, deque()).append(job)
        self._more.set()
        return _done()

    async def take(self, room: Room) -> Sequence[Job]:
        """See the port."""
        while not (taken := self._gather(room)):
            self._more.clear()
            await self._more.wait()
        return taken

    def nudge(self) -> None:
        """See the port."""
        self._more.set()

    def settle(self, jobs: Sequence[Job]) -> Awaitable[None]:
        """See the port: what was taken is not kept here, so nothing has to be forgotten."""
        return _done()

    def _gather(self, room: Room) -> list[Job]:
        taken: list[Job] = []
        for lane in sorted(self._ready):
            keys = self._ready[lane]
            for key in list(keys):
                waiting = keys[key]
                for _ in range(min(room(lane, key), len(waiting), TAKE - len(taken))):
                    taken.append(waiting.popleft())
                del keys[key]
                if waiting:
                    keys[key] = waiting
        return taken


def _done() -> Awaitable[None]:
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    done.set_result(None)
    return done
