"""Reading jobs, for the queue and the ledger: many in one step, and each shared content once."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import apsw

from gateway.journal.line import Found, LineKey, Placed, Want
from gateway.journal.pieces import load
from gateway.journal.rows import PACKED, PACKED_CONTENT, STORED_JOB, StoredJob, unpack, unpack_contents
from gateway.journal.statements import fetch
from mailgate.job import Job
from mailgate.mail import Lane

_WANTED = f"""
(select * from (
  select *, sum(size) over (order by due, id) - size as before from (
    select {STORED_JOB} from job where lane = ? and route = ? and key = ? and (due, id) > (?, ?) and due <= ? order by due, id limit ?))
  where before <= ? order by due, id)"""  # noqa: S608
_DEFERRED = "select due from job where lane = ? and route = ? and key = ? and due > ? and due & 1 order by due limit 1"


@dataclass(frozen=True, slots=True)
class Stored:
    """A line on disk: its first position, and the last of a new job."""

    key: LineKey
    first: int
    newest: int


def find(connection: apsw.Connection, wants: Sequence[Want], octets: int) -> list[Found | Want]:
    """Answer wants in order; those for which no octets are left come back as they are."""
    answers: list[tuple[Want, list[StoredJob], bool, int | None]] = []
    for want in wants:
        if octets < 0:
            break
        budget = min(octets, want.octets)
        values = (int(want.key.lane), want.key.route, want.key.site_key, *want.after, want.horizon, want.jobs, budget)
        stored = read_jobs(connection, _WANTED, values)
        size = sum(each.size for each in stored)
        octets -= size
        exhausted = len(stored) < want.jobs and size <= budget
        answers.append((want, stored, exhausted, _first_deferred(connection, want) if exhausted else None))
    filled = iter(fill(connection, [each for _, stored, _, _ in answers for each in stored]))
    found: list[Found | Want] = [
        Found(want, [Placed(each.position or 0, next(filled)) for each in stored], exhausted, deferred)
        for want, stored, exhausted, deferred in answers
    ]
    return found + list(wants[len(answers) :])


def read_jobs(connection: apsw.Connection, source: str, values: Sequence[object] = ()) -> list[StoredJob]:
    """The jobs of a query that has the columns of STORED_JOB, in its order, without their contents."""
    (row,) = fetch(connection, PACKED + source, values)
    return list(unpack(row)) if row[0] is not None else []


def fill(connection: apsw.Connection, stored: Iterable[StoredJob]) -> list[Job]:
    """The jobs with their contents; jobs that share a content share the object."""
    stored = list(stored)
    if not stored:
        return []
    numbers = apsw.carray(array("q", {each.content for each in stored}))
    (row,) = fetch(connection, PACKED_CONTENT, (numbers,))
    contents = unpack_contents(row)
    return [_filled(connection, each.job, *contents[each.content]) for each in stored]


def _filled(connection: apsw.Connection, job: Job, content: bytes, digests: Sequence[bytes]) -> Job:
    """A file that is gone is left out: the node says what is missing."""
    if not digests:
        return replace(job, content=content)
    files = load(connection, job.tenant, digests)
    return replace(job, content=content, files=tuple([files[digest] for digest in digests if digest in files]))


def lines(connection: apsw.Connection) -> list[Stored]:
    """The lines that have jobs to bring."""
    newest = "coalesce(max(due) filter (where not due & 1), 0)"
    rows = fetch(connection, f"select lane, route, key, min(due), {newest} from job where due is not null group by lane, route, key")  # noqa: S608
    return [Stored(LineKey(Lane(lane), route, key), first, last) for lane, route, key, first, last in rows]


def _first_deferred(connection: apsw.Connection, want: Want) -> int | None:
    rows = fetch(connection, _DEFERRED, (int(want.key.lane), want.key.route, want.key.site_key, want.horizon))
    return rows[0][0] if rows else None
