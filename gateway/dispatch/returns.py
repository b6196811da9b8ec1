"""Jobs that come back from a node with a row in the ledger, certainly unsent: ready again when the row is gone, and not before.

Else the next node's row could not be inserted, its COMMIT would be refused, and the job stranded until the gateway's next start; or a row
that is still being written for the old stream could let a COMMIT leave on the new one.

So it is with a job that turns out to be another node's: its new row can be inserted when the old one is gone, which names the wrong node.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from gateway.ledger.port import Ledger
from mailgate.errors import StorageFull
from mailgate.job import Fence, Job

PAUSE = 0.5
"""Seconds until rows that a full disk would not delete are tried again."""


class Returns:
    """`put` and `take` are synchronous; `run` deletes the rows, a batch at a time, and gives the jobs back."""

    def __init__(self, ledger: Ledger, give_back: Callable[[Sequence[Job]], None]) -> None:
        self._ledger, self._give_back = ledger, give_back
        self._jobs: dict[Fence, Job] = {}
        self._dropped: dict[Fence, list[Callable[[], None]]] = {}
        self._more = asyncio.Event()

    def __len__(self) -> int:
        return len(self._jobs)

    def put(self, jobs: Iterable[Job]) -> None:
        """No node has these any more; their rows say that one does."""
        self._jobs |= {job.fence: job for job in jobs}
        if self._jobs:
            self._more.set()

    def take(self, fence: Fence) -> Job | None:
        """It is known otherwise what becomes of it: it is not given back. Its row may be there still."""
        return self._jobs.pop(fence, None)

    def drop(self, fence: Fence) -> None:
        """Its row must go; the job is somebody else's."""
        self._jobs.pop(fence, None)
        self._dropped.setdefault(fence, [])
        self._more.set()

    def when_gone(self, fence: Fence, then: Callable[[], None]) -> None:
        """Do it when a row that was dropped is gone; at once when none was."""
        if fence in self._dropped:
            self._dropped[fence].append(then)
        else:
            then()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._more.wait()
            self._more.clear()
            while batch := (*self._jobs, *self._dropped):
                try:
                    await self._ledger.retract(batch)
                except StorageFull:
                    await asyncio.sleep(PAUSE)
                else:
                    self._give_back([job for fence in batch if (job := self._jobs.pop(fence, None)) is not None])
                    for then in [then for fence in batch for then in self._dropped.pop(fence, ())]:
                        then()
