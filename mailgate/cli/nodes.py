"""`mailgate nodes`: the senders, as the gateway sees them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailgate.cli import connect, exits, output, target

if TYPE_CHECKING:
    from mailgate.client.client import GatewayClient
    from mailgate.client.views import Node

HELP = f"""List the sender nodes, and how each is.

Examples:

  mailgate nodes

  mailgate nodes --watch          (until Ctrl-C)

{exits.HELP}"""

COLUMNS = ("NODE", "STATE", "ADDRESS", "IN FLIGHT", "WARM", "OFFERED", "DELIVERED", "SERVICE", "HEARD", "NOTE")
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
        _tell(await client.nodes(), json)
        while watch:
            await asyncio.sleep(REFRESH)
            _tell(await client.nodes(), json)

    connect.run(where.find(), body)


def _tell(found: tuple[Node, ...], json: bool) -> None:
    if json:
        output.json_line({"nodes": [_json(node) for node in found]})
    else:
        output.table(COLUMNS, [_row(node) for node in found], EMPTY, RIGHT)


async def _live(client: GatewayClient) -> None:
    from rich.live import Live

    with Live(auto_refresh=False) as live:
        while True:
            live.update(output.rich_table(COLUMNS, [_row(node) for node in await client.nodes()], RIGHT), refresh=True)
            await asyncio.sleep(REFRESH)


def _row(node: Node) -> list[str]:
    note = "; ".join(filter(None, ("" if node.registered else "unregistered", node.reason, *node.warnings)))
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
        output.printable(note),
    ]


def _json(node: Node) -> dict[str, Any]:
    return {
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
    }
