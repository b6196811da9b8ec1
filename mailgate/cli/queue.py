"""`mailgate queue`: what waits, and since when."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mailgate.cli import connect, exits, output, shown, target

if TYPE_CHECKING:
    from mailgate.client.client import GatewayClient
    from mailgate.client.views import Queue

HELP = f"""Show what waits, by lane and route, and since when the oldest job that could go now has been ready.

A dash there: none could; all wait for the time of their next attempt.

Example: mailgate queue

{exits.HELP}"""

COLUMNS = ("LANE", "ROUTE", "READY", "DEFERRED", "OLDEST READY")


@target.reaches_gateway
def queue(
    where: target.Where,
    json: target.Json = False,
) -> None:
    """Show what waits. See HELP."""

    async def body(client: GatewayClient) -> Queue:
        return await client.queue()

    found = connect.run(where.find(), body)
    if json:
        output.json_line(_json(found))
        return
    output.table(COLUMNS, rows(found, time.time() * 1000), "nothing waits", ("READY", "DEFERRED", "OLDEST READY"))
    output.line(f"in flight {found.in_flight}, in doubt {found.in_doubt}, dead {found.dead}")


def rows(found: Queue, now_ms: float) -> list[list[str]]:
    """A row for each lane and route, as of `now_ms` since the epoch."""
    return [
        [each.lane.name.lower(), each.route, str(each.ready), str(each.deferred), age(now_ms - each.oldest_ms) if each.oldest_ms else "-"]
        for each in found.waiting
    ]


def age(ms: float) -> str:
    """So many milliseconds, in words."""
    seconds = max(0, round(ms / 1000))
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes:02}m" if hours else f"{minutes}m {seconds:02}s" if minutes else f"{seconds}s"


def _json(found: Queue) -> dict[str, object]:
    return {
        "queues": [
            {
                "lane": each.lane.name,
                "route": each.route,
                "ready": each.ready,
                "deferred": each.deferred,
                "oldest_time": shown.stamp(each.oldest_ms or 0),
            }
            for each in found.waiting
        ],
        "in_flight": found.in_flight,
        "in_doubt": found.in_doubt,
        "dead": found.dead,
    }
