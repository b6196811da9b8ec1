"""The tables of the journal, and how its connections are opened."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import apsw

from mailgate.errors import Mistake, SettingsInvalid

PRIVATE = 0o600
TABLES = """
create table meta(name text primary key, value any) strict, without rowid;
create table mail(
  id blob primary key, tenant text not null, batch blob, accept_ms int not null, expire_ms int not null,
  lane int not null, on_doubt int not null, tags text, metadata text
) strict, without rowid;
create table recipient(
  mail blob not null, idx int not null, email text not null, state int not null, update_ms int not null,
  attempts int not null default 0, next_ms int,
  number int, start_ms int, duration_ms real, node_id text, site text, remote_host text, remote_address text,
  phase int, code int, enhanced_code text, text text, bounce_class text, tls text,
  primary key(mail, idx)
) strict, without rowid;
create table content(no integer primary key, refs int not null, body blob not null) strict;
create table job(
  id blob primary key, tenant text not null, lane int not null, route text not null, key text not null, on_doubt int not null,
  accept_ms int not null, expire_ms int not null, attempt int not null, losses int not null, events int not null, partial int not null,
  due int, parked int, reason text, content int not null, solo int not null, size int not null,
  content_id blob not null, recipients blob not null, envelope blob not null
) strict, without rowid;
create index ready on job(lane, route, key, due, id) where due is not null;
create index held on job(id) where due is null and parked is null;
create index parked on job(id) where parked is not null;
create table attempt(
  job blob primary key, attempt int not null, node text not null, boot blob not null, begun_ms int not null, claim int not null
) strict, without rowid;
"""
CLAIMS = """
create table claim(
  tenant text not null, key text not null, fingerprint blob not null, mail blob not null, batch blob, accept_ms int not null,
  until_ms int not null,
  primary key(tenant, key)
) strict, without rowid;
create index claim_until on claim(until_ms);
"""
FILES = """
alter table content add column files blob;
create index content_files on content(no) where files is not null;
create table file(
  no integer primary key, tenant text not null, digest blob not null, size int not null, stored int not null, whole int not null,
  until_ms int not null, unique(tenant, digest)
) strict;
create table piece(file int not null, start int not null, data blob not null, primary key(file, start)) strict;
"""
USAGE = """
create table usage(tenant text primary key, octets int not null) strict, without rowid;
insert into usage select tenant, sum(size) from file group by tenant;
create trigger file_begun after insert on file begin
  insert into usage values(new.tenant, new.size) on conflict do update set octets = octets + new.size;
end;
create trigger file_gone after delete on file begin
  update usage set octets = octets - old.size where tenant = old.tenant;
end;
"""
SOURCES = """
alter table job add column source text;
alter table recipient add column source text;
"""
STEPS = (TABLES, CLAIMS, FILES, USAGE, SOURCES)
"""What makes each version out of the one before. Times are milliseconds since the epoch.

- `job.due`: a position (see line.py); NULL: nothing brings it, since it is parked, or in the hand of somebody who keeps it as ready.
- `content.no` rises, so that bodies are only ever appended; `solo`: one job alone has it and `refs` need not be counted.
- `job.size`: octets of envelope and content, for the window's budget. `recipients`: little-endian 32-bit indexes.
- `attempt`: the open attempts; `claim` rises with each insert, so that whose insert it was can be told.
- `claim`: idempotency keys, each with the mail that has it.
- `content.files`: the digests of what its jobs attach, one after the other. A `piece` is as it was uploaded; they follow one another.
- `source`: what the last attempt was sent from, NULL where that is nothing that the settings name.
- `usage`: octets of each tenant's files, kept by triggers. To add up 100,000 files took 50 ms, and the writer asks at each that is begun.
"""
VERSION = len(STEPS)


def open_writer(path: Path, cache_bytes: int) -> apsw.Connection:
    """The one connection that writes; creates the tables in an empty file.

    Raises:
        SettingsInvalid: the file was written by a newer version, or is no journal.
    """
    # SQLite would make it readable for everybody, and its WAL like it: it holds mail.
    path.touch(mode=PRIVATE)
    connection = apsw.Connection(str(path), statementcachesize=512)
    try:
        _prepare(connection, path, cache_bytes)
        _make_private(path)
    except apsw.NotADBError:
        connection.close()
        raise SettingsInvalid(
            [Mistake("gateway.data", str(path), "this file is not a journal; move it away or name another directory")]
        ) from None
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(path: Path, cache_bytes: int) -> apsw.Connection:
    """The connection of the queries. The database must exist."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    connection.set_busy_timeout(10_000)
    connection.pragma("cache_size", -(cache_bytes // 1024))
    return connection


def _prepare(connection: apsw.Connection, path: Path, cache_bytes: int) -> None:
    connection.set_busy_timeout(10)  # only a checkpoint that shortens the log ever waits: for a reader
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "full")
    connection.pragma("cache_size", -(cache_bytes // 1024))
    connection.pragma("temp_store", "memory")
    connection.wal_autocheckpoint(0)
    version = connection.pragma("user_version")
    if version < VERSION:
        with connection:
            for step in STEPS[version:]:
                connection.execute(step)
            connection.pragma("user_version", VERSION)
        _sync_directory(path.parent)
    elif version != VERSION:
        cure = f"it has the format {version}, this program knows {VERSION}: start the newer program, or name another directory"
        raise SettingsInvalid([Mistake("gateway.data", str(path), cure)])


def _make_private(path: Path) -> None:
    """Also a journal that was made readable for others, by an earlier program or by hand, with the log that SQLite makes like it."""
    for file in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        with suppress(OSError):  # the file of another user, or a file system without modes: it works all the same
            file.chmod(PRIVATE)


def _sync_directory(directory: Path) -> None:
    """The names of the new files are durable too."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
