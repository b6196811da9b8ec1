"""A full disk: new mail is refused below the reserve, verdicts are still taken, and the journal goes on when there is room."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import apsw
import pytest

from gateway.journal.options import JournalOptions
from mailgate.errors import SettingsInvalid, StorageFull
from tests.contract.backend import SOON, JournalBackend
from tests.contract.builders import begin, delivered, jobs_of, many

MIB = 1024 * 1024

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0 and os.environ.get("CI") != "true", reason="mounting a small tmpfs needs root"),
]


@pytest.fixture(params=[16 * 1024])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system of so many KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={request.param}k", "tmpfs", disk], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def backend_on(disk: Path, clock, reserve_bytes: int, checkpoint_pages: int = 500) -> JournalBackend:
    backend = JournalBackend(disk / "data", clock)
    backend.options = JournalOptions(reserve_bytes=reserve_bytes, checkpoint_pages=checkpoint_pages)
    return backend


async def accept_until_full(backend: JournalBackend, clock) -> tuple[list, StorageFull]:
    jobs: list = []
    for _ in range(2000):
        mails = many(10, clock(), content=os.urandom(5000))
        try:
            await backend.ledger.accept(mails)
        except StorageFull as full:
            return jobs, full
        jobs += jobs_of(mails)
        clock.advance(200)
    raise AssertionError("the disk never filled")


@asynccontextmanager
async def reading(disk: Path) -> AsyncIterator[None]:
    """Somebody reads all the while."""
    connection = apsw.Connection(str(disk / "data" / "journal.db"), flags=apsw.SQLITE_OPEN_READONLY)
    connection.execute("begin; select * from meta").fetchall()
    try:
        yield
    finally:
        connection.close()


async def accept_again(backend: JournalBackend, clock) -> None:
    """A look at the free octets holds for a tenth of a second."""
    async with asyncio.timeout(SOON):
        while True:
            with suppress(StorageFull):
                return await backend.ledger.accept(many(1, clock()))


async def test_new_mail_is_refused_below_the_reserve(disk, clock):
    """The error names the directory, what is free and the reserve; begin and record go on; room makes accept work again."""
    async with backend_on(disk, clock, 8 * MIB) as backend:
        ballast = disk / "ballast"
        stored = many(300, clock(), content=b"c" * 1000)
        await backend.ledger.accept(stored)
        ballast.write_bytes(bytes(9 * MIB))
        more, full = await accept_until_full(backend, clock)
        assert str(disk / "data") in str(full)
        assert f"{8 * MIB:,}" in str(full)
        jobs = jobs_of(stored)
        assert len(await backend.ledger.begin([begin(job, 1) for job in jobs])) == 300
        await backend.ledger.record([delivered(job, clock()) for job in jobs])
        ballast.unlink()
        await accept_again(backend, clock)
        assert len(await backend.ledger.find([job.id for job in more])) == len(more)
        assert not backend.journal.broken.done()


async def test_a_disk_that_mail_filled_takes_mail_again(disk, clock):
    """When what filled it is delivered: the log gives its room back, and pages that the database has to spare count as room."""
    async with backend_on(disk, clock, 5 * MIB, checkpoint_pages=20_000) as backend:
        for _ in range(3):
            jobs, _ = await accept_until_full(backend, clock)
            assert len(jobs) > 500
            for start in range(0, len(jobs), 50):
                await backend.ledger.record([delivered(job, clock()) for job in jobs[start : start + 50]])
            forgotten = 0
            while gone := await backend.ledger.forget(clock() + 1, 500):  # as retention does: each commit needs room in the log
                forgotten += gone
            assert forgotten >= len(jobs)
        await accept_again(backend, clock)


async def test_a_disk_without_any_room_fails_work_and_nothing_else(disk, clock):
    """SQLite itself says full: the work is refused, what was promised is there, and the journal goes on when there is room."""
    async with backend_on(disk, clock, 0) as backend:
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(4 * MIB))
        jobs, _ = await accept_until_full(backend, clock)
        parts = [jobs[start : start + 50] for start in range(0, len(jobs), 50)]
        for part in parts:
            with suppress(StorageFull):
                await backend.ledger.begin([begin(job, 1) for job in part])
        assert not backend.journal.broken.done()
        assert len(await backend.ledger.find([job.id for job in jobs])) == len(jobs)
        ballast.unlink()
        fresh = many(20, clock())
        await backend.ledger.accept(fresh)
        for part in parts:
            await backend.ledger.record([delivered(job, clock()) for job in part])
        assert list(await backend.ledger.find([job.id for job in jobs + jobs_of(fresh)])) == [job.id for job in jobs_of(fresh)]
    async with backend_on(disk, clock, 0) as backend:
        assert len(await backend.ledger.find([job.id for job in jobs_of(fresh)])) == 20


@pytest.mark.parametrize("more_than_mail", [False, True])
async def test_a_row_that_found_no_room_leaves_something_to_suspect(disk, clock, more_than_mail: bool):
    """A COMMIT may have left without it, so that a stop in order, with room again, is not clean. Mail that was refused harms nobody."""
    async with backend_on(disk, clock, 0) as backend:
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(4 * MIB))
        jobs, _ = await accept_until_full(backend, clock)
        if more_than_mail:
            with (disk / "hog").open("wb", buffering=0) as hog, suppress(OSError):
                while hog.write(b"h" * 4096):
                    pass
            with pytest.raises(StorageFull):
                await backend.ledger.note([begin(job, 1) for job in jobs])
        ballast.unlink()
        await backend.ledger.begin([begin(jobs[-1], 1)])
    async with backend_on(disk, clock, 0) as backend:
        assert backend.journal.recovering is more_than_mail


@pytest.mark.parametrize("disk", [16_448, 16_464], indirect=True)
async def test_a_log_whose_index_cannot_grow_is_a_full_disk(disk, clock):
    """The index takes another 32 KiB at 4,062 pages of the log, and SQLite calls it an I/O error when there is no room for them.

    A reader that does not end keeps the log from being folded.
    """
    async with backend_on(disk, clock, 0, checkpoint_pages=1_000_000) as backend, reading(disk):
        jobs, _ = await accept_until_full(backend, clock)
        with pytest.raises(StorageFull):
            await backend.ledger.accept(many(50, clock(), content=os.urandom(5000)))
        assert not backend.journal.broken.done()
        assert len(await backend.ledger.find([job.id for job in jobs])) == len(jobs)


@pytest.mark.parametrize("known", [False, True])
async def test_a_start_without_any_room_says_so(disk, clock, known: bool):
    """With the cure and no traceback; the next start finds what was there."""
    if known:
        async with backend_on(disk, clock, 0):
            pass
    with (disk / "hog").open("wb", buffering=0) as hog, suppress(OSError):
        while hog.write(b"h" * 4096):
            pass
    with pytest.raises(SettingsInvalid, match=r"no room at all on its disk|directory cannot be used"):
        await backend_on(disk, clock, 0).__aenter__()
    (disk / "hog").unlink()
    async with backend_on(disk, clock, 0) as backend:
        assert backend.journal.epoch == 1 + known
