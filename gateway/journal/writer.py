"""The one thread that writes, and the group commit: what has gathered while the disk was busy becomes durable with one fsync."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import apsw

from gateway.journal.disk import Disk
from gateway.journal.gathering import Gathering
from gateway.journal.life import end_life
from gateway.journal.options import JournalOptions
from gateway.journal.work import AcceptWork, Rank, Work, stages
from gateway.journal.writes import Writes
from mailgate.errors import StorageBroken, StorageFull, WrongState
from mailgate.telemetry.histogram import Histogram

FOLDING_REST = 0.1
"""Seconds until the next try when a reader kept the log from being folded."""
FRAME_BYTES = 4096 + 24
"""A page in the log, with its header."""
BAD_WORK = (apsw.ConstraintError, apsw.MismatchError, apsw.RangeError, apsw.TooBigError)
"""Errors of SQLite that say something about the work, not about the storage."""


class Item(NamedTuple):
    """Work, the ids of its jobs, its future, and whether somebody waits for it."""

    work: Work
    jobs: Sequence[bytes]
    done: asyncio.Future[Any]
    urgent: bool

    @property
    def octets(self) -> int:
        """Of its bodies."""
        return self.work.octets


class Outcome(NamedTuple):
    """What came of an item: a result, or why not."""

    item: Item
    result: object = None
    error: Exception | None = None


Heard = Callable[[Work, bool], None]
"""Told on the loop of each work in the order of the calls, after its future is done: is it durable?"""


class Writer:
    """`submit` never waits; its future is done when the group of the work is on disk, and one wake-up tells the loop of a whole group.

    A caller that is cancelled does not undo its work. A full disk fails work and the thread goes on; so does work that SQLite refuses,
    alone. Any other error of the storage is final: `broken` is done, and every call fails from then on.
    """

    def __init__(
        self,
        connection: apsw.Connection,
        path: Path,
        options: JournalOptions,
        heard: Heard,
        broken: asyncio.Future[None],
        *,
        recovering: bool = False,
    ) -> None:
        self._connection, self._path, self._options, self._heard = connection, path, options, heard
        self._loop = asyncio.get_running_loop()
        self._gathering: Gathering[Item] = Gathering(options.group_rows, options.group_bytes)
        self._writes = Writes(connection)
        self._thread = Thread(target=self._run, name="journal-writer", daemon=True)
        self._refusal: StorageBroken | None = None
        self._folding_rests = 0.0
        self._broken = broken
        self.recovering = recovering
        """The last life's end was not clean, and this one does not know all of it yet: then its own is not clean either."""
        self._missing = False
        """The disk had no room for what may have happened already: the row of a COMMIT that has left, and nobody writes it again."""
        self.disk = Disk(path.parent, options.reserve_bytes)
        self.groups = self.works = self.rows = self.refused = self.wal_pages = self.checkpoints = 0
        self.commits, self.foldings = Histogram(), Histogram()
        connection.set_wal_hook(self._note_wal)
        self._thread.start()

    def submit(self, work: Work, *, urgent: bool = True) -> asyncio.Future[Any]:
        """Hand over work; see the class. Not `urgent`: it may wait for company (gathering.py).

        The future raises StorageFull, StorageBroken, or what SQLite says of the work itself.
        """
        done: asyncio.Future[Any] = self._loop.create_future()
        if self._refusal is not None:
            _fail(done, self._refusal)
            self._loop.call_soon(self._heard, work, False)
        else:
            self._gathering.put(Item(work, tuple(work.jobs), done, urgent))
        return done

    async def close(self) -> None:
        """Commit what was submitted, then end the thread and close the connection."""
        self._gathering.end()
        self._refusal = self._refusal or StorageBroken("the journal is closed")
        await asyncio.shield(asyncio.to_thread(self._thread.join))

    def _run(self) -> None:
        while group := self._gathering.group():
            outcomes: list[Outcome] = []
            try:
                self.disk.look()
                self._do(self._affordable(group, outcomes), outcomes)
                self._gathering.committed(group)
                self._tell(self._settle, outcomes)
                group, outcomes = [], []
                self._checkpoint()
            except Exception as error:  # whatever it is: nothing may be written after it
                self._tell(self._break, group, outcomes, error)
                break
        else:
            if not self.recovering and not self._missing:
                with suppress(apsw.Error):  # the next start will be more careful than it must, no more
                    end_life(self._connection)
        self._connection.close()

    def _affordable(self, group: Sequence[Item], outcomes: list[Outcome]) -> list[Item]:
        """The group without new mail, if the disk is full but for the reserve."""
        if not any(isinstance(item.work, AcceptWork) for item in group):
            return list(group)
        if (refusal := self.disk.refusal(self._connection)) is None:
            return list(group)
        outcomes += [Outcome(item, error=StorageFull(refusal)) for item in group if isinstance(item.work, AcceptWork)]
        return [item for item in group if not isinstance(item.work, AcceptWork)]

    def _do(self, items: Sequence[Item], outcomes: list[Outcome]) -> None:
        """Commit them together if that can be, else what can be: verdicts before new mail, and never bad work."""
        if not items:
            return
        try:
            results = self._commit(items)
        except (apsw.FullError, apsw.IOError) as error:
            if not is_full(error):
                raise
            full = StorageFull(f"{self._path}: there is no room on the disk ({error})")
            spared = [item for item in items if not isinstance(item.work, AcceptWork)]
            if len(spared) == len(items):
                spared, self._missing = [], True
            outcomes += [Outcome(item, error=full) for item in items if item not in spared]
            self._do(spared, outcomes)
        except Exception as error:
            if isinstance(error, apsw.Error) and not isinstance(error, BAD_WORK):
                raise
            self._do_singly(items, error, outcomes)
        else:
            outcomes += [Outcome(item, results.get(item.work)) for item in items]

    def _do_singly(self, items: Sequence[Item], error: Exception, outcomes: list[Outcome]) -> None:
        if len(items) == 1:
            refusal = (
                WrongState(f"what was handed in is there already, or breaks a rule: {error}") if isinstance(error, BAD_WORK) else error
            )
            outcomes.append(Outcome(items[0], error=refusal))
        else:
            for item in items:
                self._do([item], outcomes)

    def _commit(self, items: Sequence[Item]) -> dict[Work, object]:
        results: dict[Work, object] = {}
        self._connection.execute("begin immediate")
        try:
            for stage in stages((number, item.work, item.jobs) for number, item in enumerate(items)):
                works: dict[Rank, list[Work]] = {rank: [items[number].work for number in numbers] for rank, numbers in stage.items()}
                results.update(self._writes.stage(works))
            start = time.perf_counter()
            self._connection.execute("commit")
            self._count(items, time.perf_counter() - start)
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("rollback")
            raise
        return results

    def _count(self, items: Sequence[Item], seconds: float) -> None:
        self.commits.observe(seconds)
        self.groups += 1
        self.works += len(items)
        self.rows += sum(len(item.jobs) for item in items)

    def _note_wal(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self.wal_pages = pages
        return apsw.SQLITE_OK

    def _checkpoint(self) -> None:
        """Fold the log into the database. Done here and not by SQLite, which would hide a failed fsync."""
        scarce = self.disk.scarce(self.wal_pages * FRAME_BYTES)
        start = time.perf_counter()
        if start < self._folding_rests or (self.wal_pages < self._options.checkpoint_pages and not scarce):
            return
        try:
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE if scarce else apsw.SQLITE_CHECKPOINT_PASSIVE)
        except apsw.BusyError:  # somebody reads
            self._folding_rests = start + FOLDING_REST
            return
        except (apsw.FullError, apsw.IOError) as error:
            if not is_full(error):
                raise
            return
        self.disk.look_again()
        self.wal_pages = 0
        self.checkpoints += 1
        self.foldings.observe(time.perf_counter() - start)

    def _tell(self, what: Callable[..., None], *args: object) -> None:
        try:
            self._loop.call_soon_threadsafe(what, *args)
        except RuntimeError:  # the loop has gone: nobody waits any more
            return

    def _settle(self, outcomes: Sequence[Outcome]) -> None:
        for (_, _, done, _), result, error in outcomes:
            if error is not None:
                self.refused += 1
                _fail(done, error)
            elif not done.done():
                done.set_result(result)
        for (work, _, _, _), _, error in outcomes:
            self._heard(work, error is None)

    def _break(self, group: Sequence[Item], outcomes: Sequence[Outcome], error: Exception) -> None:
        self._refusal = StorageBroken(f"{self._path}: {type(error).__name__}: {error}")
        told = {outcome.item for outcome in outcomes}
        lost = [item for item in group if item not in told]
        self._settle([*outcomes, *(Outcome(item, error=self._refusal) for item in [*lost, *self._gathering.rest()])])
        _fail(self._broken, self._refusal)


def is_full(error: apsw.Error) -> bool:
    """The disk is full, also where SQLite says I/O: the index of the log is memory shared through a file, which could not grow."""
    return isinstance(error, apsw.FullError) or getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_SHMSIZE


def _fail(done: asyncio.Future[Any], error: Exception) -> None:
    if not done.done():
        done.set_exception(error)
        done.exception()  # who does not wait for it hears of a broken journal all the same
