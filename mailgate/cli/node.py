"""`mailgate node`: take a sender node out of use, for a restart or for good, and back."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from mailgate.cli import connect, exits, output, progress, target
from mailgate.cli.nodes import json_of
from mailgate.cli.waits import DRAIN_WAIT, seconds_of

if TYPE_CHECKING:
    from mailgate.client.client import GatewayClient
    from mailgate.client.views import Node

HELP = f"""Take a node out of use, or back.

A drained node gets no new jobs, ends what it has, and stays registered; it is drained also when it is started anew.

Examples:

  mailgate node drain sender-1 --reason 'new kernel' --wait

  mailgate node resume sender-1

{exits.HELP}"""

LOOK = 0.2
"""Seconds between two looks at what is in hand."""
SURE = 0.6
"""Seconds for which nothing must have been in hand: reports come each 250 ms, and other gateways hear of the drain a moment later."""

node = typer.Typer(help=HELP, no_args_is_help=True)

NodeId = Annotated[str, typer.Argument(metavar="NODE", help="As `mailgate nodes` prints it.")]


@node.command("drain")
@target.reaches_gateway
def drain(
    where: target.Where,
    node_id: NodeId,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for whoever looks at the nodes.")] = "",
    wait: Annotated[
        str | None,
        typer.Option("--wait", metavar="[SECONDS]", help=f"Until nothing is in hand; at most {DRAIN_WAIT} without a number."),
    ] = None,
    json: target.Json = False,
) -> int:
    """Give a node no new jobs, until it is resumed.

    Where gateways share no etcd, the gateway forgets it when it is started anew.

    Example: mailgate node drain sender-1 --reason 'new kernel' --wait
    """
    seconds = seconds_of(wait) if wait is not None else None
    drained = False

    async def body(client: GatewayClient) -> Node:
        nonlocal drained
        found = await client.drain(node_id, reason)
        drained = True
        return found if seconds is None else await _until_idle(client, found, seconds, quiet=json)

    try:
        found = connect.run(where.find(), body)
    except KeyboardInterrupt:
        if drained:
            name = output.printable(node_id)
            output.line(f"interrupted: {name} stays drained; `mailgate node resume {name}` gives it jobs again", sys.stderr)
        raise
    left = in_hand(found)
    if json:
        output.json_line(json_of(found))
    else:
        output.line(_told(found, left, waited=seconds is not None))
    return exits.REFUSED if left and seconds is not None else exits.OK


@node.command("resume")
@target.reaches_gateway
def resume(
    where: target.Where,
    node_id: NodeId,
    json: target.Json = False,
) -> None:
    """Give a node jobs again.

    Example: mailgate node resume sender-1
    """

    async def body(client: GatewayClient) -> Node | None:
        return await client.resume(node_id)

    found = connect.run(where.find(), body)
    if json:
        output.json_line({"node_id": node_id} if found is None else json_of(found))
    else:
        output.line(f"{output.printable(node_id)}: resumed; " + ("it is not here" if found is None else f"it is {found.state.name}"))


def in_hand(found: Node) -> int:
    """What it has still to end: of this gateway, as it is now; of all, as the node said last."""
    return max(found.in_flight, found.in_hand)


async def _until_idle(client: GatewayClient, found: Node, seconds: float, *, quiet: bool) -> Node:
    end, idle_since = time.monotonic() + seconds, 0.0
    with progress.line(quiet=quiet) as tell:
        while (now := time.monotonic()) < end:
            idle_since = 0.0 if in_hand(found) else idle_since or now
            if idle_since and now - idle_since >= SURE:
                break
            tell(f"{output.printable(found.node_id)}: {in_hand(found):,} in hand")
            await asyncio.sleep(LOOK)
            seen = {each.node_id: each for each in await client.nodes()}
            if (again := seen.get(found.node_id)) is None:
                break
            found = again
    return found


def _told(found: Node, left: int, *, waited: bool) -> str:
    name = output.printable(found.node_id)
    if not left:
        return f"{name}: drained, nothing in hand"
    return f"{name}: drained, and {left:,} {'still ' if waited else ''}in hand; mailgate nodes shows when it has ended them"
