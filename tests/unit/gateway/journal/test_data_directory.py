"""The journal's directory: one process at a time, and a file that is ours."""

from __future__ import annotations

import os
import stat

import apsw
import pytest

from gateway.journal.schema import CLAIMS, FILES, TABLES, VERSION
from gateway.ledger.port import Claim
from mailgate.errors import QuotaExceeded, SettingsInvalid
from tests.contract.builders import deferred, delivered, many


async def test_a_second_journal_on_the_directory_is_refused(opened, tmp_path):
    """The error names the directory and the process that holds it; when that one has ended, it goes."""
    async with opened():
        with pytest.raises(SettingsInvalid) as refused:
            await opened().__aenter__()
        assert str(tmp_path / "data") in str(refused.value)
        assert f"process id {os.getpid()}" in str(refused.value)
        assert refused.value.mistakes[0].key == "gateway.data"
    async with opened() as backend:
        assert backend.journal.epoch == 2


async def test_mail_on_disk_is_for_nobody_else(opened, tmp_path):
    """Neither the directory that we make nor what is in it, also where the directory was made by somebody for all."""
    async with opened():
        assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "data").iterdir()} == {0o600}


async def test_a_journal_that_others_could_read_is_closed_to_them(opened, tmp_path):
    """An earlier program made it so, or somebody who copied it; its log too, which the crash of a process leaves behind."""
    async with opened():
        pass
    for name in ("journal.db", "journal.db-wal"):
        (tmp_path / "data" / name).touch()
        (tmp_path / "data" / name).chmod(0o644)
    async with opened():
        assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "data").iterdir()} == {0o600}


async def test_a_directory_that_cannot_be_used_is_named(opened, tmp_path):
    """A file stands where the directory should be."""
    (tmp_path / "data").write_text("not a directory")
    with pytest.raises(SettingsInvalid, match=str(tmp_path / "data")):
        await opened().__aenter__()


async def test_a_file_that_is_no_journal_is_left_alone(opened, tmp_path):
    """It is not overwritten, and the lock is free again."""
    (tmp_path / "data").mkdir()
    file = tmp_path / "data" / "journal.db"
    file.write_text("a diary\n" * 1000)
    for _ in range(2):
        with pytest.raises(SettingsInvalid, match="not a journal"):
            await opened().__aenter__()
    assert file.read_text().startswith("a diary")


async def test_a_journal_of_a_newer_program_is_refused(opened, tmp_path):
    """With both formats named."""
    async with opened():
        pass
    connection = apsw.Connection(str(tmp_path / "data" / "journal.db"))
    connection.pragma("user_version", 99)
    connection.close()
    with pytest.raises(SettingsInvalid, match=f"format 99, this program knows {VERSION}"):
        await opened().__aenter__()


async def test_a_journal_of_an_older_program_is_brought_up_to_date(opened, clock, tmp_path):
    """What it holds stays, and what is new in this program works on it."""
    (tmp_path / "data").mkdir()
    connection = apsw.Connection(str(tmp_path / "data" / "journal.db"))
    connection.execute(TABLES)
    connection.pragma("user_version", 1)
    connection.execute("insert into meta values('gateway_id', 'the same as before'), ('epoch', 7), ('clean', 1)")
    connection.close()
    async with opened() as backend:
        assert (backend.journal.gateway_id, backend.journal.epoch) == ("the same as before", 8)
        first, second = [each._replace(claim=Claim("key", b"f" * 32, clock() + 1)) for each in many(2, clock())]
        assert await backend.ledger.accept([first]) == {}
        assert list(await backend.ledger.accept([second])) == [second.mail.id]


async def test_files_of_an_older_program_count_towards_their_tenants_bound(opened, tmp_path):
    """Those that were begun before this program kept a sum."""
    (tmp_path / "data").mkdir()
    connection = apsw.Connection(str(tmp_path / "data" / "journal.db"))
    connection.execute(TABLES + CLAIMS + FILES)
    connection.pragma("user_version", 3)
    connection.execute("insert into meta values('gateway_id', 'the same as before'), ('epoch', 7), ('clean', 1)")
    rows = [("acme", b"a" * 32, 700), ("acme", b"b" * 32, 200), ("other", b"a" * 32, 30)]
    connection.executemany("insert into file(tenant, digest, size, stored, whole, until_ms) values(?, ?, ?, 0, 0, 5)", rows)
    connection.close()
    async with opened() as backend:
        files = backend.journal.files
        assert [await files.usage(tenant) for tenant in ("acme", "other", "nobody")] == [900, 30, 0]
        with pytest.raises(QuotaExceeded, match="900 octets of at most 1,000"):
            await files.append("acme", b"c" * 32, 101, 0, b"", 5, 1000)
        assert await files.forget(6, 10) == 3
        assert await files.usage("acme") == 0


def as_before_sources(journal, *tables):
    """Make its tables what they were in format 4."""
    connection = apsw.Connection(str(journal))
    for table in tables:
        connection.execute(f"alter table {table} drop column source")
    connection.pragma("user_version", 4)
    connection.close()


async def test_jobs_and_attempts_of_an_older_program_came_from_nowhere(opened, clock, tmp_path):
    """They were kept without what they had been sent from, and go on."""
    async with opened() as backend:
        (first,) = many(1, clock())
        await backend.ledger.accept([first])
        await backend.ledger.record([again := deferred(first.jobs[0], clock(), clock() + 1000)])
    as_before_sources(tmp_path / "data" / "journal.db", "job", "recipient")
    async with opened() as backend:
        job = again.remaining
        assert (await backend.ledger.find([job.id]))[job.id].job == job
        (recipient,) = await backend.ledger.recipients(first.mail.id, -1, 10)
        assert (recipient.last_attempt.number, recipient.last_attempt.source) == (1, "")
        await backend.ledger.record([delivered(job, clock())])


async def test_an_upgrade_that_breaks_off_has_changed_nothing(opened, tmp_path):
    """The next start makes all of it; here one of two tables is as it should become already."""
    async with opened():
        pass
    as_before_sources(tmp_path / "data" / "journal.db", "job")
    with pytest.raises(apsw.SQLError, match="duplicate column"):
        await opened().__aenter__()
    connection = apsw.Connection(str(tmp_path / "data" / "journal.db"))
    assert connection.pragma("user_version") == 4
    assert not connection.execute("select * from pragma_table_info('job') where name = 'source'").fetchall()
    connection.close()
