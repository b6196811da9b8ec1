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

HELP = f"""List the sender nodes, how each is, and which settings it has; and of the gateway, what was wrong with those it read last.

Examples:

  mailgate nodes

  mailgate nodes --watch          (until Ctrl-C)

{exits.HELP}"""

COLUMNS = ("NODE", "STATE", "ADDRESS", "IN FLIGHT", "WARM", "OFFERED", "DELIVERED", "SERVICE", "HEARD", "SETTINGS", "NOTE")
RIGHT = ("IN FLIGHT", "WARM", "OFFERED", "DELIVERED", "SERVICE", "HEARD")
EMPTY = "no nodes: start one with `mailgate sender`"
REFRESH = 1.0


@target.reaches_gateway
def nodes(
    where: target.Where,
    watch: Annotated[bool, typer.Option("--watch", help="Show it anew each second.")] = False,
    json: target.Json = False,
) -> None:
    """List the sender nodes. See HELP."""

    async def body(client: GatewayClient) -> None:
        if watch and output.interactive() and not json:
            await _live(client)
            return
        _tell(await client.fleet(), json)
        while watch:
            await asyncio.sleep(REFRESH)
            _tell(await client.fleet(), json)

    connect.run(where.find(), body)


def _tell(found: Fleet, json: bool) -> None:
    if json:
        output.json_line({"nodes": [json_of(node, found.settings) for node in found.nodes], "settings": _json_settings(found.settings)})
        return
    output.table(COLUMNS, [_row(node, found.settings) for node in found.nodes], EMPTY, RIGHT)
    for line in said_of(found.settings):
        output.line(line)


async def _live(client: GatewayClient) -> None:
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    with Live(auto_refresh=False) as live:
        while True:
            found = await client.fleet()
            nodes = output.rich_table(COLUMNS, [_row(node, found.settings) for node in found.nodes], RIGHT)
            live.update(Group(nodes, *map(Text, said_of(found.settings))), refresh=True)
            await asyncio.sleep(REFRESH)


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


def _row(node: Node, settings: Settings) -> list[str]:
    note = "; ".join(filter(None, ("" if node.registered else "unregistered", node.reason, *node.warnings)))
    version = output.printable(node.settings_version)
    return [
        output.printable(node.node_id),
        node.state.name,
        node.address,
        f"{node.in_flight} ({node.committed})" if node.committed else str(node.in_flight),
        str(node.warm),
        str(node.offered),
        str(node.delivered),
        f"{node.service_ms:.1f} ms",
        f"{node.heard_ago_ms:.0f} ms",
        version if version == settings.version else f"{version} (not the gateway's)" if version else "-",
        output.printable(note),
    ]


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
        "drain": {"reason": node.drain.reason, "drain_time": stamp(node.drain.since_ms)} if node.drain else None,
    }
    return told if settings is None else {**told, "settings_current": node.settings_version == settings.version}
