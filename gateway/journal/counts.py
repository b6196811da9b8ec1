"""How much waits: counted over the index of what has a position, so that some hundred thousand jobs cost some ten milliseconds."""

from __future__ import annotations

import time
from collections.abc import Sequence

import apsw

from gateway.journal.statements import fetch
from gateway.ledger.port import QueueCount
from mailgate.mail import Lane

_PLACED = """
with line as materialized (
  select lane, route, key, sum(due <= ?1) as ready, sum(due > ?1) as later, min(due) as first
  from job where due is not null group by lane, route, key),
held as materialized (
  select lane, route, key, count(*) as jobs from job where id in (select value from carray(?2)) and due <= ?1 group by lane, route, key)
select lane, route, key, ready - coalesce(jobs, 0), later, case
  when ready = coalesce(jobs, 0) then null
  when jobs is null then first
  else (select due from job where due is not null and (job.lane, job.route, job.key) = (line.lane, line.route, line.key)
    and id not in (select value from carray(?2)) order by due, id limit 1) end
from line left join held using (lane, route, key)"""
_UNPLACED = """
select lane, route, key, count(*), 0, min(accept_ms) * 1000 from job
where due is null and parked is null and id not in (select value from carray(?)) group by lane, route, key"""


def timed(connection: apsw.Connection, position: int, in_hand: Sequence[bytes]) -> tuple[list[QueueCount], float]:
    """What waits, and the seconds of this thread that counting took: a busy machine makes it late, not dear."""
    started = time.thread_time()
    return waiting(connection, position, in_hand), time.thread_time() - started


def waiting(connection: apsw.Connection, position: int, in_hand: Sequence[bytes]) -> list[QueueCount]:
    """By lane, route and site key: what is ready at this position, but for the jobs in hand, and what is after it.

    A job that somebody keeps as ready in memory has no position: it counts as ready since its acceptance.
    """
    ids = apsw.carray(tuple(in_hand) or (b"",))
    groups: dict[tuple[int, str, str], list[tuple[int, int, int | None]]] = {}
    for lane, route, key, *counted in (*fetch(connection, _PLACED, (position, ids)), *fetch(connection, _UNPLACED, (ids,))):
        groups.setdefault((lane, route, key), []).append((counted[0], counted[1], counted[2]))
    counts = []
    for (lane, route, key), parts in sorted(groups.items()):
        firsts = [first for _, _, first in parts if first is not None]
        ready, deferred = sum(part[0] for part in parts), sum(part[1] for part in parts)
        counts.append(QueueCount(Lane(lane), route, key, ready, deferred, min(firsts) // 1000 if firsts else None))
    return [count for count in counts if count.ready or count.deferred]
