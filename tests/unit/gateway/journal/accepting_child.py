"""A process that accepts, begins and records without end, and prints what was promised to it. Run by test_crash.py."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from gateway.journal.journal import Journal
from gateway.journal.options import JournalOptions
from tests.contract.builders import begin, delivered, jobs_of, many, plenty


async def caller(journal: Journal, number: int) -> None:
    """Accept batches; print an id only when it is durable."""
    while True:
        mails = many(1 + number * 5, int(time.time() * 1000), content=b"x" * 1000 if number % 2 else None)
        await journal.ledger.accept(mails)
        sys.stdout.write("".join(f"accepted {job.id.hex()}\n" for job in jobs_of(mails)))
        sys.stdout.flush()


async def settler(journal: Journal) -> None:
    """Take, and settle every second job; print what is recorded."""
    while True:
        jobs = (await journal.queue.take(plenty))[::2]
        await journal.ledger.begin([begin(job, 1) for job in jobs])
        await journal.ledger.record([delivered(job, 1) for job in jobs])
        sys.stdout.write("".join(f"recorded {job.id.hex()}\n" for job in jobs))
        sys.stdout.flush()


async def main() -> None:
    """Until it is killed."""
    async with (
        Journal(Path(sys.argv[1]), JournalOptions(reserve_bytes=0, checkpoint_pages=300), lambda: int(time.time() * 1000)) as journal,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(settler(journal))
        for number in range(6):
            group.create_task(caller(journal, number))


if __name__ == "__main__":
    asyncio.run(main())
