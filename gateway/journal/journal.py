"""The journal as the process sees it: opened on a data directory, it has a ledger, a queue and an identity."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import apsw

from gateway.journal.files import JournalFiles
from gateway.journal.ledger import JournalLedger
from gateway.journal.life import begin_life
from gateway.journal.lock import DirectoryLock
from gateway.journal.options import JournalOptions
from gateway.journal.positions import Positions
from gateway.journal.queue import JournalQueue
from gateway.journal.reader import Reader
from gateway.journal.schema import open_writer
from gateway.journal.writer import Writer, is_full
from gateway.ledger.files import Files
from gateway.ledger.port import Ledger
from gateway.queue.port import Queue
from mailgate.errors import Mistake, SettingsInvalid
from mailgate.ids import RANDOM_OCTETS, new_id
from mailgate.telemetry import names
from mailgate.telemetry.sample import HistogramSample, Sample

FILE = "journal.db"


@dataclass(frozen=True, slots=True)
class JournalFigures:
    """`spared`: rows that were not needed (late.py). `refused`: works that failed while the journal went on. `lines`: those with work."""

    groups: int
    works: int
    rows: int
    spared: int
    refused: int
    checkpoints: int
    wal_pages: int
    free_bytes: int
    ready_jobs: int
    ready_bytes: int
    lines: int
    reads: int
    read_jobs: int


class Journal:
    """`async with Journal(data_dir, options, now_ms) as journal:`.

    One process at a time has a data directory; another is refused with SettingsInvalid, naming path and process. On leaving, what was
    submitted is committed first.
    """

    ledger: Ledger
    queue: Queue
    files: Files
    gateway_id: str
    """Made at the first start and kept."""
    epoch: int
    """Rises with each start; durable before anything else."""
    recovering: bool
    """The last process did not close the journal, or did before `recovered`: what looks ready may be under way at a node."""
    recorded_ms: int
    """The latest time that an earlier process has recorded; 0: none has."""
    broken: asyncio.Future[None]
    """Done with StorageBroken when the storage failed for good: the process must stop."""

    def __init__(self, data_dir: Path, options: JournalOptions, now_ms: Callable[[], int]) -> None:
        self._data_dir, self._options, self._now_ms = data_dir, options, now_ms
        self._path = data_dir / FILE

    async def __aenter__(self) -> Journal:
        async with AsyncExitStack() as stack:
            lock = await asyncio.to_thread(DirectoryLock, self._data_dir)
            stack.callback(lock.release)
            connection = await asyncio.to_thread(self._open)
            opened = stack.enter_context(ExitStack())
            opened.callback(connection.close)
            self.broken = asyncio.get_running_loop().create_future()
            self._positions = Positions(self._now_ms)
            reader = Reader(self._path, self._options.cache_bytes // 4)
            self._queue = JournalQueue(reader, self._positions, self._options, self.broken)
            self._writer = Writer(connection, self._path, self._options, self._queue.heard, self.broken, recovering=self.recovering)
            opened.pop_all()  # the connection is the writer's from here on
            stack.push_async_callback(self._writer.close)
            stack.push_async_callback(reader.close)
            await self._queue.start()
            self.ledger = self._ledger = JournalLedger(self._writer, reader, self._positions, self._queue)
            stack.callback(self._ledger.late.close)
            self.queue = self._queue
            self.files = JournalFiles(self._writer, reader, self._positions)
            self._closing = stack.pop_all()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._closing.aclose()

    def recovered(self) -> None:
        """What the last process left in doubt is known, or waited for no longer. Before, a clean end leaves the next as much to suspect."""
        self._writer.recovering = False

    def stats(self) -> Iterable[Sample | HistogramSample]:
        """What telemetry reads when it is scraped."""
        writer = self._writer
        yield HistogramSample(names.COMMIT_SECONDS, writer.commits.snapshot())
        yield Sample(names.JOURNAL_ROWS, writer.rows)
        yield Sample(names.JOURNAL_WAITING, self._positions.under_way)

    def figures(self) -> JournalFigures:
        """What is in memory now, and counts since the start, in plain ints."""
        writer, queue = self._writer, self._queue
        return JournalFigures(
            groups=writer.groups,
            works=writer.works,
            rows=writer.rows,
            spared=self._ledger.late.spared,
            refused=writer.refused,
            checkpoints=writer.checkpoints,
            wal_pages=writer.wal_pages,
            free_bytes=writer.disk.free_bytes,
            ready_jobs=queue.ready_jobs,
            ready_bytes=queue.ready_octets,
            lines=queue.lines,
            reads=queue.reads,
            read_jobs=queue.read_jobs,
        )

    def _open(self) -> apsw.Connection:
        try:
            return self._open_whole()
        except (apsw.FullError, apsw.IOError) as error:
            if not is_full(error):
                raise
            cure = "there is no room at all on its disk, not even for the next start to be noted; make some, and start again"
            raise SettingsInvalid([Mistake("gateway.data", str(self._path), cure)]) from None

    def _open_whole(self) -> apsw.Connection:
        connection = open_writer(self._path, self._options.cache_bytes)
        try:
            life = begin_life(connection, new_id(self._now_ms(), os.urandom(RANDOM_OCTETS)))
        except BaseException:
            connection.close()
            raise
        self.gateway_id, self.epoch, self.recovering, self.recorded_ms = life.gateway_id, life.epoch, life.recovering, life.recorded_ms
        return connection
