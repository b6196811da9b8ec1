"""Jobs that come back from a node with a row in the ledger, certainly unsent: ready again when the row is gone, and not before.

Else the next node's row could not be inserted, its COMMIT would be refused, and the job stranded until the gateway's next start; or a row
that is still being written for the old stream could let a COMMIT leave on the new one.
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

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._more.wait()
            self._more.clear()
            while batch := tuple(self._jobs):
                try:
                    await self._ledger.retract(batch)
                except StorageFull:
                    await asyncio.sleep(PAUSE)
                else:
                    self._give_back([job for fence in batch if (job := self._jobs.pop(fence, None)) is not None])
