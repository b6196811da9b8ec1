"""Who composes: small mails at once, large ones in a thread, with a task each, so that they do not hold up the loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from mailgate.telemetry.histogram import Histogram
from sender.delivery.make import Decode, Made, is_large, make
from sender.delivery.work import Work


class Composing:
    """See the module. `resume` gets large ones that were not dropped meanwhile; `took`: seconds of the small ones."""

    def __init__(self, decode: Decode, resume: Callable[[Work, Made], None], took: Histogram) -> None:
        self._decode, self._resume, self._took = decode, resume, took
        self._large: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<Composing large={len(self._large)}>"

    def compose(self, work: Work) -> Made | None:
        """What its offer comes to. None: it is large, and is resumed."""
        if is_large(work.offer):
            task = asyncio.get_running_loop().create_task(self._compose_large(work), name="compose")
            self._large.add(task)
            task.add_done_callback(self._large.discard)
            return None
        started = time.perf_counter()
        made = make(work.offer, self._decode)
        self._took.observe(time.perf_counter() - started)
        return made

    async def close(self) -> None:
        """Give up what is being composed."""
        for task in self._large:
            task.cancel()
        if self._large:
            await asyncio.wait(self._large)

    async def _compose_large(self, work: Work) -> None:
        made = await asyncio.to_thread(make, work.offer, self._decode)
        if not work.dropped:
            self._resume(work, made)
