"""Retention: which mails are long over, and their end."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from gateway.journal.statements import chunks, fetch

_FORGET_MAILS = (
    "delete from mail where id in (select value from carray(?)) "
    "and not exists (select 1 from job where job.id between cast(mail.id || x'0000' as blob) and cast(mail.id || x'ffff' as blob))"
)
_FORGET_RECIPIENTS = (
    "delete from recipient where mail in (select value from carray(?)) and not exists (select 1 from mail where mail.id = recipient.mail)"
)


def forgettable(connection: apsw.Connection, before_ms: int, limit: int) -> list[bytes]:
    """Mails accepted before that and without a job, oldest first. Their ids are ordered by time, so nothing younger is looked at."""
    jobs = "select 1 from job where job.id between cast(mail.id || x'0000' as blob) and cast(mail.id || x'ffff' as blob)"
    query = f"select id from mail where id < ? and accept_ms < ? and not exists ({jobs}) order by id limit ?"  # noqa: S608
    return [mail_id for (mail_id,) in fetch(connection, query, (max(0, before_ms).to_bytes(6, "big"), before_ms, limit))]


def forget_mails(connection: apsw.Connection, mails: Sequence[bytes]) -> int:
    """Delete these, unless they have a job; how many were deleted."""
    forgotten = 0
    for start, end in chunks(len(mails)):
        batch = apsw.carray(tuple(mails[start:end]))
        connection.execute(_FORGET_MAILS, (batch,))
        forgotten += connection.changes()
        connection.execute(_FORGET_RECIPIENTS, (batch,))
    return forgotten
