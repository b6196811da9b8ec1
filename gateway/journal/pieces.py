"""Files in the journal's tables, as SQL: each function runs on a connection, those that write inside the writer's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from weakref import WeakValueDictionary

import apsw

from gateway.journal.statements import fetch
from gateway.journal.work import AcceptWork
from gateway.ledger.files import KEPT_MS, FileState, append_fault, check_room, missing
from mailgate.errors import WrongState
from mailgate.job import File

_LOADED: WeakValueDictionary[bytes, File] = WeakValueDictionary()
"""Files that jobs in memory have: the same octets are read and kept once. A digest says all, so no journal or tenant is named."""


def load(connection: apsw.Connection, tenant: str, digests: Iterable[bytes]) -> dict[bytes, File]:
    """The tenant's whole files of these digests."""
    found: dict[bytes, File] = {}
    for digest in digests:
        rows = fetch(connection, "select no from file where tenant = ? and digest = ? and whole", (tenant, digest))
        if not rows:
            continue
        file = _LOADED.get(digest)
        if file is None:
            file = _LOADED[digest] = File(digest, _octets(connection, rows[0][0]))
        found[digest] = file
    return found


def sizes(connection: apsw.Connection, tenant: str, digests: Iterable[bytes]) -> dict[bytes, int]:
    """Octets of the tenant's whole files of these digests."""
    query = "select size from file where tenant = ? and digest = ? and whole"
    return {digest: rows[0][0] for digest in digests if (rows := fetch(connection, query, (tenant, digest)))}


def keep(connection: apsw.Connection, works: Sequence[AcceptWork]) -> None:
    """Keep the files of these mails until a day after their ttl.

    Raises:
        ContentMissing: one is not there (any more), or is not whole.
    """
    until: dict[tuple[str, bytes], int] = {}
    for work in works:
        for mail, jobs, _ in work.accepted:
            for file in jobs[0].files if jobs else ():
                key = (mail.tenant, file.digest)
                until[key] = max(mail.expire_ms + KEPT_MS, until.get(key, 0))
    for (tenant, digest), until_ms in until.items():
        query = "update file set until_ms = max(until_ms, ?) where tenant = ? and digest = ? and whole"
        connection.execute(query, (until_ms, tenant, digest))
        if not connection.changes():
            raise missing(digest)


def state(connection: apsw.Connection, tenant: str, digest: bytes) -> FileState | None:
    """None: nothing of it is there."""
    rows = fetch(connection, "select size, stored, whole, until_ms from file where tenant = ? and digest = ?", (tenant, digest))
    return FileState(rows[0][0], rows[0][1], bool(rows[0][2]), rows[0][3]) if rows else None


def append(
    connection: apsw.Connection, tenant: str, digest: bytes, size: int, offset: int, data: bytes, until_ms: int, bound: int
) -> FileState:
    """Store `data`, but for what is there already, and keep the file until then or longer.

    Raises:
        WrongState: a gap would be left.
        QuotaExceeded: it would be begun, and the tenant's files would be more than `bound` octets. Asked here, since only the writer's
            transaction sees what others have begun in the same moment.
    """
    before = state(connection, tenant, digest)
    if before is None:
        check_room(usage(connection, tenant), size, bound)
        before = FileState(size, 0, False, until_ms)
    if fault := append_fault(before, size, offset, len(data)):
        raise WrongState(fault)
    fresh = data[before.stored - offset :]
    query = (
        "insert into file(tenant, digest, size, stored, whole, until_ms) values(?, ?, ?, ?, 0, ?) "
        "on conflict do update set stored = excluded.stored, until_ms = max(until_ms, excluded.until_ms)"
    )
    connection.execute(query, (tenant, digest, size, before.stored + len(fresh), until_ms))
    if fresh:
        query = "insert into piece(file, start, data) select no, ?, ? from file where tenant = ? and digest = ?"
        connection.execute(query, (before.stored, fresh, tenant, digest))
    return before._replace(stored=before.stored + len(fresh), until_ms=max(until_ms, before.until_ms))


def _octets(connection: apsw.Connection, number: int) -> bytes:
    return b"".join([data for (data,) in fetch(connection, "select data from piece where file = ? order by start", (number,))])


def is_sound(connection: apsw.Connection, tenant: str, digest: bytes) -> bool | None:
    """Whether it has its digest; None: it is not all there."""
    rows = fetch(connection, "select no, size = stored from file where tenant = ? and digest = ?", (tenant, digest))
    if not rows or not rows[0][1]:
        return None
    return sha256(_octets(connection, rows[0][0])).digest() == digest


def seal(connection: apsw.Connection, tenant: str, digest: bytes) -> None:
    """It is all there and has its digest."""
    connection.execute("update file set whole = 1 where tenant = ? and digest = ? and stored = size", (tenant, digest))


def delete(connection: apsw.Connection, tenant: str, digest: bytes) -> None:
    """With its pieces."""
    connection.execute("delete from piece where file in (select no from file where tenant = ? and digest = ?)", (tenant, digest))
    connection.execute("delete from file where tenant = ? and digest = ?", (tenant, digest))


def usage(connection: apsw.Connection, tenant: str) -> int:
    """Octets of the tenant's files."""
    rows = fetch(connection, "select octets from usage where tenant = ?", (tenant,))
    return int(rows[0][0]) if rows else 0


def forget(connection: apsw.Connection, now_ms: int, limit: int) -> int:
    """Delete files whose time was over before that, as far as no job needs them: few contents name any. How many were deleted."""
    query = (
        "select tenant, digest from file where until_ms < ? and not exists "
        "(select 1 from content where files is not null and instr(files, file.digest)) order by until_ms limit ?"
    )
    over = fetch(connection, query, (now_ms, limit))
    for tenant, digest in over:
        delete(connection, tenant, digest)
    return len(over)
