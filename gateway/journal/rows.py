"""Values to rows and back: jobs, mails, recipients. Pure."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.journal.statements import Row
from gateway.ledger.port import MailRecord
from mailgate.digest import DIGEST_OCTETS
from mailgate.ids import JOB_ID_OCTETS
from mailgate.job import Job
from mailgate.mail import AttemptRecord, Lane, OnDoubt, Recipient, RecipientState

MAIL = "id, tenant, batch, accept_ms, expire_ms, lane, on_doubt, tags, metadata"
JOB = (
    "id, tenant, lane, route, key, on_doubt, accept_ms, expire_ms, attempt, losses, events, partial, due, content, solo, size, content_id, "
    "recipients, envelope"
)
"""Of a new job: one that has had no attempt was sent from nowhere."""
STORED_JOB = f"{JOB}, source"
RECIPIENT = (
    "idx, email, state, attempts, update_ms, next_ms, number, start_ms, duration_ms, node_id, site, remote_host, remote_address, phase, "
    "code, enhanced_code, text, bounce_class, tls, coalesce(source, '')"
)

PACKED = """
select cast(group_concat(id, '') as blob), cast(group_concat(envelope, '') as blob),
  cast(group_concat(recipients, '') as blob),
  json_group_array(json_array(length(envelope), length(recipients), tenant, lane, route, key, on_doubt, accept_ms, expire_ms,
    attempt, losses, events, partial, due, content, size, hex(content_id), coalesce(source, '')))
from """
"""Any number of jobs as one row of a query that has the columns of STORED_JOB: a row each would be a step each (see statements.py)."""

PACKED_CONTENT = """
select json_group_array(json_array(no, length(body), hex(files))), cast(group_concat(body, '') as blob)
from content where no in (select value from carray(?))"""


@dataclass(frozen=True, slots=True)
class StoredJob:
    """A job's row; its content is stored apart, under `content`. `position` is `job.due`."""

    job: Job
    position: int | None
    content: int
    size: int


def mail_row(mail: MailRecord) -> Row:
    """A row of MAIL."""
    tags = json.dumps(mail.tags) if mail.tags else None
    metadata = json.dumps(dict(mail.metadata)) if mail.metadata else None
    return (mail.id, mail.tenant, mail.batch_id, mail.accept_ms, mail.expire_ms, int(mail.lane), int(mail.on_doubt), tags, metadata)


def mail_of_row(row: Row, emails: Sequence[str]) -> MailRecord:
    """The mail of a row of MAIL."""
    mail_id, tenant, batch, accept_ms, expire_ms, lane, on_doubt, tags, metadata = row
    return MailRecord(
        id=mail_id,
        tenant=tenant,
        batch_id=batch,
        accept_ms=accept_ms,
        expire_ms=expire_ms,
        lane=Lane(lane),
        on_doubt=OnDoubt(on_doubt),
        tags=tuple(json.loads(tags)) if tags else (),
        metadata=json.loads(metadata) if metadata else {},
        emails=tuple(emails),
    )


def job_row(job: Job, position: int, content: int, solo: bool) -> Row:
    """A row of JOB."""
    return (
        *(job.id, job.tenant, int(job.lane), job.route, job.site_key, int(job.on_doubt), job.accept_ms, job.expire_ms, job.attempt),
        *(job.losses, job.events, int(job.partial), position, content, int(solo), job.size, job.content_id),
        *(indexes_blob(job.recipients), job.envelope),
    )


def unpack(row: Row) -> Iterator[StoredJob]:
    """The jobs of a PACKED row, without their contents."""
    ids, envelopes, recipients, facts = row
    at, envelope_at, recipients_at = 0, 0, 0
    for fact in json.loads(facts):
        envelope_size, recipients_size, tenant, lane, route, key, on_doubt = fact[:7]
        accept_ms, expire_ms, attempt, losses, events, partial, due, content, size, content_id, source = fact[7:]
        job = Job(
            id=ids[at : at + JOB_ID_OCTETS],
            tenant=tenant,
            lane=Lane(lane),
            route=route,
            site_key=key,
            on_doubt=OnDoubt(on_doubt),
            envelope=envelopes[envelope_at : envelope_at + envelope_size],
            content_id=bytes.fromhex(content_id),
            content=b"",
            recipients=blob_indexes(recipients[recipients_at : recipients_at + recipients_size]),
            accept_ms=accept_ms,
            expire_ms=expire_ms,
            partial=bool(partial),
            attempt=attempt,
            losses=losses,
            events=events,
            source=source,
        )
        yield StoredJob(job, due, content, size)
        at, envelope_at, recipients_at = at + JOB_ID_OCTETS, envelope_at + envelope_size, recipients_at + recipients_size


def unpack_contents(row: Row) -> dict[int, tuple[bytes, tuple[bytes, ...]]]:
    """The bodies of a PACKED_CONTENT row and the digests of their files, by number."""
    sizes, bodies = row
    contents, at = {}, 0
    for number, size, files in json.loads(sizes):
        digests = bytes.fromhex(files or "")
        contents[number] = (bodies[at : at + size], tuple([digests[i : i + DIGEST_OCTETS] for i in range(0, len(digests), DIGEST_OCTETS)]))
        at += size
    return contents


def recipient_of_row(row: Row) -> Recipient:
    """The recipient of a row of RECIPIENT."""
    index, email, state, attempts, update_ms, next_ms, number = row[:7]
    attempt = None if number is None else AttemptRecord(number, *row[7:])
    return Recipient(index, email, RecipientState(state), attempts, update_ms, next_ms, attempt)


def attempt_values(attempt: AttemptRecord) -> tuple[Any, ...]:
    """The values of an attempt, in the order of RECIPIENT from `number` to `tls`."""
    return (
        *(attempt.number, attempt.start_ms, float(attempt.duration_ms), attempt.node_id, attempt.site, attempt.remote_host),
        *(attempt.remote_address, int(attempt.phase), attempt.code, attempt.enhanced_code, attempt.text, attempt.bounce_class, attempt.tls),
    )


def indexes_blob(indexes: Sequence[int]) -> bytes:
    """Recipients' indexes as they are stored."""
    return struct.pack(f"<{len(indexes)}I", *indexes)


def blob_indexes(blob: bytes) -> tuple[int, ...]:
    """What `indexes_blob` packed."""
    return struct.unpack(f"<{len(blob) // 4}I", blob)
