"""From one start of the process to the next: its identity, and what a death has left to put right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import apsw

from gateway.journal.statements import fetch
from mailgate.ids import format_id, time_of


@dataclass(frozen=True, slots=True)
class Life:
    """Who this gateway is, the number of this start, whether the last one did not end cleanly, and the latest time that was recorded."""

    gateway_id: str
    epoch: int
    recovering: bool
    recorded_ms: int
    """Since the epoch; 0: nothing was. Whatever is deferred was deferred before."""


def begin_life(connection: apsw.Connection, new_id: bytes) -> Life:
    """Durable when it returns; `new_id` becomes the gateway's if it has none yet.

    Jobs with an open attempt are brought by nothing: the dispatcher asks the node first. Whatever else was in hand is ready again.
    """
    with connection:
        recorded_ms = _recorded(connection)
        connection.execute(
            "insert into meta values('gateway_id', ?), ('epoch', 0), ('clean', 1) on conflict do nothing", (format_id(new_id),)
        )
        meta: dict[str, Any] = dict(fetch(connection, "select name, value from meta"))
        connection.execute("update meta set value = value + 1 where name = 'epoch'")
        connection.execute("update meta set value = 0 where name = 'clean'")
        connection.execute("update job set due = null where due is not null and parked is null and id in (select job from attempt)")
        connection.execute(
            "update job set due = accept_ms * 1000 where due is null and parked is null and id not in (select job from attempt)"
        )
    return Life(str(meta["gateway_id"]), int(meta["epoch"]) + 1, not meta["clean"], recorded_ms)


def _recorded(connection: apsw.Connection) -> int:
    """The ids of mails are ordered by time, and of deferrals that which is due last is old by one wait at most."""
    last = "select id from job where due is not null and due & 1 order by due desc limit 1"
    deferred = f"select max(update_ms) from recipient where mail = (select substr(id, 1, 16) from ({last}))"  # noqa: S608
    query = f"select (select max(id) from mail), (select max(begun_ms) from attempt), ({deferred})"  # noqa: S608
    ((newest, begun_ms, deferred_ms),) = fetch(connection, query)
    return max(time_of(newest) if newest else 0, begun_ms or 0, deferred_ms or 0)


def end_life(connection: apsw.Connection) -> None:
    """Everything that was handed in is committed: the next start has nothing to suspect."""
    connection.execute("update meta set value = 1 where name = 'clean'")
