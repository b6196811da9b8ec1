"""What the ledger is asked, as SQL: each function runs on the reader's connection, on one snapshot."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from gateway.journal.reads import fill, read_jobs
from gateway.journal.rows import MAIL, RECIPIENT, STORED_JOB, blob_indexes, mail_of_row, recipient_of_row
from gateway.journal.statements import fetch
from gateway.ledger.port import LOST, DoubtView, Expiring, Found, MailRecord, MailView, OpenAttempt, Parked, Wait
from mailgate.ids import mail_of
from mailgate.job import Fence
from mailgate.mail import Recipient, RecipientState

FIRST, LAST = b"\x00\x00", b"\xff\xff"
"""Ends of the ids of a mail's jobs."""


def open_attempts(connection: apsw.Connection) -> list[OpenAttempt]:
    """Attempts that were begun and neither concluded nor parked, by job."""
    rows = fetch(connection, "select job, node, boot, begun_ms from attempt")
    attempts = {job: (node, boot, begun_ms) for job, node, boot, begun_ms in rows}
    source = f"(select {STORED_JOB} from job where id in (select job from attempt) and parked is null order by id)"  # noqa: S608
    return [OpenAttempt(job, *attempts[job.id]) for job in fill(connection, read_jobs(connection, source))]


def find(connection: apsw.Connection, job_ids: Sequence[bytes]) -> dict[bytes, Found]:
    """The jobs that exist, by id."""
    if not job_ids:
        return {}
    ids = apsw.carray(tuple(job_ids))
    source = f"(select {STORED_JOB} from job where id in (select value from carray(?)))"  # noqa: S608
    jobs = fill(connection, read_jobs(connection, source, (ids,)))
    rows = fetch(connection, "select id, parked, reason from job where id in (select value from carray(?)) and parked is not null", (ids,))
    parked = {job_id: (Parked(kind), reason or "") for job_id, kind, reason in rows}
    return {job.id: Found(job, *parked.get(job.id, (None, ""))) for job in jobs}


def mail(connection: apsw.Connection, tenant: str, mail_id: bytes) -> MailView | None:
    """The mail, if it is the tenant's."""
    rows = fetch(connection, f"select {MAIL} from mail where id = ? and tenant = ?", (mail_id, tenant))  # noqa: S608
    if not rows:
        return None
    counts = dict(fetch(connection, "select state, count(*) from recipient where mail = ? group by state", (mail_id,)))
    if sending := _sending(connection, mail_id):
        queued = fetch(connection, "select idx from recipient where mail = ? and state = ?", (mail_id, int(RecipientState.QUEUED)))
        counts[RecipientState.SENDING] = len(sending & {index for (index,) in queued})
        counts[RecipientState.QUEUED] = counts.get(RecipientState.QUEUED, 0) - counts[RecipientState.SENDING]
    return MailView(mail_of_row(rows[0], ()), {RecipientState(state): count for state, count in counts.items() if count})


def recipients(connection: apsw.Connection, mail_id: bytes, after: int, limit: int) -> list[Recipient]:
    """A page of a mail's recipients."""
    query = f"select {RECIPIENT} from recipient where mail = ? and idx > ? order by idx limit ?"  # noqa: S608
    sending = _sending(connection, mail_id)
    page = []
    for row in fetch(connection, query, (mail_id, after, limit)):
        underway = row[0] in sending and row[2] == RecipientState.QUEUED
        page.append(recipient_of_row((*row[:2], RecipientState.SENDING, *row[3:]) if underway else row))
    return page


def waits(connection: apsw.Connection, mail_id: bytes, indexes: frozenset[int]) -> dict[int, Wait]:
    """What the mail's jobs say of these recipients, whatever their number: one walk over the jobs that are left."""
    query = "select route, losses, parked, key, recipients from job where id between ? and ?"
    found: dict[int, Wait] = {}
    for route, losses, parked, key, blob in fetch(connection, query, (mail_id + FIRST, mail_id + LAST)):
        wait = Wait(route, losses, None if parked is None else Parked(parked), key)
        found.update(dict.fromkeys(indexes.intersection(blob_indexes(blob)), wait))
    return found


def describe(connection: apsw.Connection, mail_ids: Sequence[bytes]) -> dict[bytes, MailRecord]:
    """The records of mails, with all their addresses."""
    if not mail_ids:
        return {}
    ids = apsw.carray(tuple(mail_ids))
    emails: dict[bytes, list[str]] = {}
    for mail_id, email in fetch(
        connection, "select mail, email from recipient where mail in (select value from carray(?)) order by mail, idx", (ids,)
    ):
        emails.setdefault(mail_id, []).append(email)
    rows = fetch(connection, f"select {MAIL} from mail where id in (select value from carray(?))", (ids,))  # noqa: S608
    return {row[0]: mail_of_row(row, emails.get(row[0], ())) for row in rows}


def doubts(connection: apsw.Connection, after: bytes, limit: int) -> list[DoubtView]:
    """A page of the jobs parked IN_DOUBT."""
    return _doubts(connection, "id > ? order by id limit ?", (after, limit))


def doubt(connection: apsw.Connection, job_id: bytes) -> DoubtView | None:
    """One of them."""
    return next(iter(_doubts(connection, "id = ?", (job_id,))), None)


def lost_to(connection: apsw.Connection, node_id: str, node_boot: bytes, after: bytes, limit: int) -> list[Fence]:
    """Attempts of a node's boot that are parked and of which it has said nothing: over the parked jobs, which are few."""
    query = (
        "select id, job.attempt from job join attempt on job = id "
        "where parked is not null and parked = ? and id > ? and reason = ? and node = ? and boot = ? order by id limit ?"
    )
    return [Fence(*row) for row in fetch(connection, query, (int(Parked.IN_DOUBT), after, LOST, node_id, node_boot, limit))]


def expiring(connection: apsw.Connection, now_ms: int, limit: int) -> list[Expiring]:
    """Recipients deferred beside a doubt whose ttl is over: over the parked jobs, which are few."""
    deferred: dict[bytes, tuple[tuple[int, ...], str]] = {}
    query = "select id, recipients, reason from job where parked is not null and parked = ? and expire_ms <= ? order by id"
    for job_id, blob, reason in connection.execute(query, (int(Parked.IN_DOUBT), now_ms)):
        states = fetch(
            connection, "select idx from recipient where mail = ? and state = ?", (mail_of(job_id), int(RecipientState.DEFERRED))
        )
        if indexes := tuple(sorted({index for (index,) in states}.intersection(blob_indexes(blob)))):
            deferred[job_id] = (indexes, reason or "")
        if len(deferred) >= limit:
            break
    found = find(connection, list(deferred))
    return [Expiring(found[job_id].job, *rest) for job_id, rest in deferred.items()]


def parked_counts(connection: apsw.Connection) -> dict[Parked, int]:
    """From the index of parked jobs alone, which are few."""
    return {
        Parked(kind): count
        for kind, count in fetch(connection, "select parked, count(*) from job where parked is not null group by parked")
    }


def _sending(connection: apsw.Connection, mail_id: bytes) -> set[int]:
    query = "select recipients from attempt join job on id = job where job between ? and ? and parked is null"
    return {index for (blob,) in fetch(connection, query, (mail_id + FIRST, mail_id + LAST)) for index in blob_indexes(blob)}


def _doubts(connection: apsw.Connection, where: str, values: Sequence[object]) -> list[DoubtView]:
    parked = int(Parked.IN_DOUBT)
    source = f"(select {STORED_JOB} from job where parked is not null and parked = {parked} and {where})"  # noqa: S608
    views = []
    for job in fill(connection, read_jobs(connection, source, values)):
        query = "select node, begun_ms, reason from job left join attempt on job = id where id = ?"
        ((node, begun_ms, reason),) = fetch(connection, query, (job.id,))
        emails: dict[int, str] = dict(fetch(connection, "select idx, email from recipient where mail = ?", (mail_of(job.id),)))
        views.append(DoubtView(job, tuple(emails[index] for index in job.recipients), node or "", begun_ms or 0, reason or ""))
    return views
