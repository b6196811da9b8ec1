"""`mailgate nodes`: the senders, as the gateway sees them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailgate.cli import connect, exits, output, target
from mailgate.cli.shown import stamp

if TYPE_CHECKING:
    from mailgate.client.client import GatewayClient
    from mailgate.client.views import Fleet, Node, Settings

HELP = f"""List the sender nodes: how each is and why, and what it does of late; and what the gateway did not take of its settings.

IN FLIGHT are jobs that this gateway has there (committed ones in brackets), WARM open connections, WEIGHT what it counts for in balancing.
P50 and P99 are of the time from COMMIT to the server's answer, PICKS/S jobs given to it, both over ten seconds; EJECTED how often it was
left out for failing by itself; RELEASE has the protocol behind the slash.

Examples:

  mailgate nodes

  mailgate nodes --watch          (until Ctrl-C)

  mailgate nodes --wide           (addresses, totals and settings too)

{exits.HELP}"""

COLUMNS = ("NODE", "STATE", "IN FLIGHT", "WARM", "WEIGHT", "P50 MS", "P99 MS", "PICKS/S", "EJECTED", "RELEASE")
MORE = ("ADDRESS", "OFFERED", "DELIVERED", "HEARD MS AGO", "SETTINGS")
RIGHT = ("IN FLIGHT", "WARM", "WEIGHT", "P50 MS", "P99 MS", "PICKS/S", "EJECTED", "OFFERED", "DELIVERED", "HEARD MS AGO")
EMPTY = "no nodes: start one with `mailgate sender`"
REFRESH = 1.0


@target.reaches_gateway
def nodes(
    where: target.Where,
    watch: Annotated[bool, typer.Option("--watch", help="Show it anew each second.")] = False,
    wide: Annotated[bool, typer.Option("--wide", help="All columns: beyond 100 characters.")] = False,
    json: target.Json = False,
) -> None:
    """List the sender nodes. See HELP."""

    async def body(client: GatewayClient) -> None:
        if watch and output.interactive() and not json:
            await _live(client, wide=wide)
            return
        _tell(await client.fleet(), json, wide=wide)
        while watch:
            await asyncio.sleep(REFRESH)
            _tell(await client.fleet(), json, wide=wide)

    connect.run(where.find(), body)


def _tell(found: Fleet, json: bool, *, wide: bool = False) -> None:
    if json:
        output.json_line({"nodes": [json_of(node, found.settings) for node in found.nodes], "settings": _json_settings(found.settings)})
        return
    output.table(COLUMNS + MORE if wide else COLUMNS, [_row(node, wide=wide) for node in found.nodes], EMPTY, RIGHT, whole=wide)
    for line in (*notes_of(found), *said_of(found.settings)):
        output.line(line)


async def _live(client: GatewayClient, *, wide: bool) -> None:
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    with Live(auto_refresh=False) as live:
        while True:
            found = await client.fleet()
            nodes = output.rich_table(COLUMNS + MORE if wide else COLUMNS, [_row(node, wide=wide) for node in found.nodes], RIGHT)
            live.update(Group(nodes, *map(Text, (*notes_of(found), *said_of(found.settings)))), refresh=True)
            await asyncio.sleep(REFRESH)


def notes_of(found: Fleet) -> Iterator[str]:
    """Lines for people, a node each that there is something to be said of: why it gets no jobs, and what else should be looked at."""
    for node in found.nodes:
        told = [] if node.registered else ["unregistered"]
        told += filter(None, (node.reason, *node.warnings))
        if node.settings_version not in ("", found.settings.version):
            told.append(f"settings {node.settings_version} (not the gateway's)")
        if told:
            yield output.printable(f"{node.node_id}: {'; '.join(told)}")


def said_of(settings: Settings) -> Iterator[str]:
    """Lines for people: what the gateway runs by, and what it does not."""
    if not settings.version:  # of an earlier release
        return
    yield f"settings {settings.version}, read {stamp(settings.loaded_ms)}"
    if settings.refusal:
        yield "the last reading was refused, and nothing has changed:"
        yield from (f"  {output.printable(line)}" for line in settings.refusal.splitlines())
    if settings.restart_keys:
        yield f"counts when the gateway is started anew: {output.printable(', '.join(settings.restart_keys))}"


def _row(node: Node, *, wide: bool) -> list[str]:
    up = bool(node.protocol)
    row = [
        output.printable(node.node_id),
        node.state.name,
        f"{node.in_flight} ({node.committed})" if node.committed else str(node.in_flight),
        str(node.warm),
        f"{node.weight:.1f}",
        f"{node.p50_ms:.1f}" if node.p50_ms else "-",
        f"{node.p99_ms:.1f}" if node.p99_ms else "-",
        f"{node.picks_per_second:.1f}",
        str(node.ejections),
        output.printable(f"{node.version}/{node.protocol}" if up else node.version or "-"),
    ]
    more = [node.address or "-", f"{node.offered:,}", f"{node.delivered:,}", f"{node.heard_ago_ms:.0f}", node.settings_version or "-"]
    return [*row, *map(output.printable, more)] if wide else row


def _json_settings(settings: Settings) -> dict[str, Any]:
    return {
        "version": settings.version,
        "load_time": stamp(settings.loaded_ms),
        "refusal": settings.refusal,
        "restart_keys": settings.restart_keys,
    }


def json_of(node: Node, settings: Settings | None = None) -> dict[str, Any]:
    """A node, for programs; `settings`: those of the gateway."""
    told = {
        "node_id": node.node_id,
        "address": node.address,
        "state": node.state.name,
        "reason": node.reason,
        "version": node.version,
        "in_flight": node.in_flight,
        "committed": node.committed,
        "warm": node.warm,
        "offered": node.offered,
        "delivered": node.delivered,
        "service_time_ms": round(node.service_ms, 3),
        "heard_ago_ms": round(node.heard_ago_ms, 1),
        "registered": node.registered,
        "warnings": list(node.warnings),
        "settings_version": node.settings_version,
        "in_hand": node.in_hand,
        "protocol": node.protocol,
        "weight": round(node.weight, 2),
        "service_p50_ms": round(node.p50_ms, 3),
        "service_p99_ms": round(node.p99_ms, 3),
        "picks_per_second": round(node.picks_per_second, 2),
        "ejections": node.ejections,
        "drain": {"reason": node.drain.reason, "drain_time": stamp(node.drain.since_ms)} if node.drain else None,
    }
    return told if settings is None else {**told, "settings_current": node.settings_version == settings.version}
