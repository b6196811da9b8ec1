"""Idempotency keys inside the writer's transaction: a mail has its key in the commit that stores it, or is not stored."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from gateway.journal.statements import Row, fetch, statements
from gateway.journal.work import AcceptWork
from gateway.ledger.port import Earlier

_HEAD = "insert into claim(tenant, key, fingerprint, mail, batch, accept_ms, until_ms) values"
_TAIL = (
    " on conflict do update set fingerprint = excluded.fingerprint, mail = excluded.mail, batch = excluded.batch, "
    "accept_ms = excluded.accept_ms, until_ms = excluded.until_ms where until_ms < excluded.accept_ms"
)
_HELD = "select v.column3, mail, accept_ms, fingerprint, batch from claim join (values"
_HELD_TAIL = ") v on tenant = v.column1 and key = v.column2 where mail <> v.column3"
_FORGET = "delete from claim where (tenant, key) in (select tenant, key from claim where until_ms < ? order by until_ms limit ?)"


def claim(connection: apsw.Connection, works: Sequence[AcceptWork]) -> None:
    """Insert the claims of these works; `refused` of each names its mails whose key belongs to an earlier one."""
    rows: list[Row] = [
        (mail.tenant, wanted.key, wanted.fingerprint, mail.id, mail.batch_id, mail.accept_ms, wanted.until_ms)
        for work in works
        for mail, _, wanted in work.accepted
        if wanted is not None
    ]
    inserted = 0
    for text, values in statements(_HEAD, rows, _TAIL):
        connection.execute(text, values)
        inserted += connection.changes()
    held = _held(connection, rows) if inserted < len(rows) else {}
    for work in works:
        work.refused.clear()
        if held:
            work.refused.update((each.mail.id, held[each.mail.id]) for each in work.accepted if each.mail.id in held)


def forget_keys(connection: apsw.Connection, now_ms: int, limit: int) -> int:
    """Delete claims whose time was over before that; how many."""
    connection.execute(_FORGET, (now_ms, limit))
    return connection.changes()


def _held(connection: apsw.Connection, rows: Sequence[Row]) -> dict[bytes, Earlier]:
    asked = [(tenant, key, mail_id) for tenant, key, _, mail_id, *_ in rows]
    found: list[Row] = []
    for text, values in statements(_HELD, asked, _HELD_TAIL):
        found += fetch(connection, text, values)
    return {mail_id: Earlier(*earlier) for mail_id, *earlier in found}
