"""`mailgate sites`: what limits and connections belong to, and how each does; and the dialogue with one, live."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailgate.cli import connect, exits, output, shown, target
from mailgate.cli.queue import age
from mailgate.config.units import parse_duration

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mailgate.client.client import GatewayClient
    from mailgate.client.site_views import Site, TraceLine

HELP = f"""List the sites that mail goes to, those where the most waits first: whether each takes mail, and why not.

A site is a route of relays, or, where mail goes to the MX of each domain, the servers of some domains: `ROUTE/SITE`. BUSY/OPEN/MAX are its
connections: with a mail, open, and at the most. READY waits for a node or for a connection, LATER for the time of its next attempt. Counts
are of recipients, since the nodes started.

Examples:

  mailgate sites

  mailgate sites --prefix direct/ --nodes

  mailgate sites trace default      (until Ctrl-C)

{exits.HELP}"""

COLUMNS = ("SITE", "STATE", "BUSY/OPEN/MAX", "MAILS/S", "DELIVERED", "DEFERRED", "BOUNCED", "READY", "LATER", "OLDEST", "NOTE")
RIGHT = COLUMNS[2:-1]
EMPTY = "no sites: mail goes nowhere yet (see [routes] of the gateway's settings)"
SHOWN = 50
"""Sites that are printed unless all are asked for: a table of thousands helps nobody."""
REFRESH = 1.0
SIGNS = {"SENT": ">", "RECEIVED": "<", "NOTE": "-"}

sites = typer.Typer(invoke_without_command=True, help=HELP, no_args_is_help=False)

Prefix = Annotated[str, typer.Option("--prefix", metavar="TEXT", help="Only sites whose name begins so, such as `direct/`.")]
ByNode = Annotated[bool, typer.Option("--nodes", help="Each node's part too.")]
Everything = Annotated[bool, typer.Option("--all", help=f"All of them, not the first {SHOWN}.")]
Again = Annotated[bool, typer.Option("--watch", help="Show it anew each second.")]


@sites.callback()
@target.reaches_gateway
def default(
    context: typer.Context,
    where: target.Where,
    prefix: Prefix = "",
    nodes: ByNode = False,
    everything: Everything = False,
    watch: Again = False,
    json: target.Json = False,
) -> None:
    """Without a command: list."""
    if context.invoked_subcommand is None:
        _list(where.find(), Wish(prefix, nodes, everything, json), watch=watch)


@sites.command("list")
@target.reaches_gateway
def listing(
    where: target.Where,
    prefix: Prefix = "",
    nodes: ByNode = False,
    everything: Everything = False,
    watch: Again = False,
    json: target.Json = False,
) -> None:
    """List the sites, those where the most waits first.

    Example: mailgate sites list --json
    """
    _list(where.find(), Wish(prefix, nodes, everything, json), watch=watch)


@sites.command("trace")
@target.reaches_gateway
def trace(
    where: target.Where,
    site: Annotated[str, typer.Argument(metavar="SITE", help="As `mailgate sites` prints it.")],
    node: Annotated[str, typer.Option("--node", metavar="NODE", help="Only on this node.", show_default="all")] = "",
    lasts: Annotated[str, typer.Option("--for", metavar="DURATION", help="End after so long, such as 30s.", show_default="an hour")] = "",
    json: target.Json = False,
) -> None:
    """Show what nodes and a site's servers say to each other, live, until Ctrl-C.

    `>` is said by a node, `<` by the server, `-` by nobody. A body is told by its length, and of a login only what it came to; addresses
    are shown. Mail does not wait for whoever watches: lines that come too fast are lost, and counted.

    Examples:
      mailgate sites trace default

      mailgate sites trace direct/google --node sender-1 --for 30s
    """
    seconds = _seconds(lasts)

    async def body(client: GatewayClient) -> None:
        try:
            async with asyncio.timeout(seconds), client.trace(site, node) as lines:
                if output.interactive() and not json:
                    output.line(f"tracing {output.printable(site)}; Ctrl-C ends it")
                async for line in lines:
                    _tell(line, json)
        except TimeoutError:
            return

    connect.run(where.find(), body)


def _seconds(text: str) -> float | None:
    if not text:
        return None
    try:
        return parse_duration(text) / timedelta(seconds=1)
    except ValueError as error:
        raise exits.Usage(f"sites trace: --for {text}: {error}") from None


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be listed, and how."""

    prefix: str
    nodes: bool
    everything: bool
    json: bool

    @property
    def empty(self) -> str:
        """What is said instead of a table without rows."""
        if not self.prefix:
            return EMPTY
        return f"no site's name begins with {output.printable(self.prefix)!r}: `mailgate sites` lists those that there are"

    async def ask(self, client: GatewayClient) -> tuple[list[Site], bool]:
        """The sites that are to be shown, and whether there are more."""
        if self.everything or self.json:
            return [site async for site in client.sites(self.prefix, most_waiting_first=not self.json, by_node=self.nodes)], False
        made: list[Site] = []
        async for site in client.sites(self.prefix, most_waiting_first=True, by_node=self.nodes, page_size=SHOWN + 1):
            if len(made) == SHOWN:
                return made, True
            made.append(site)
        return made, False

    async def tell(self, client: GatewayClient) -> None:
        """Ask, and print."""
        listed, more = await self.ask(client)
        if self.json:
            output.json_line({"sites": [_json(site) for site in listed]})
            return
        output.table(COLUMNS, rows(listed, time.time() * 1000), self.empty, RIGHT)
        if more:
            output.line("and more: --all shows them, --prefix those of a route")


def _list(there: target.Target, wish: Wish, *, watch: bool) -> None:
    async def body(client: GatewayClient) -> None:
        if watch and output.interactive() and not wish.json:
            await _live(client, wish)
            return
        await wish.tell(client)
        while watch:
            await asyncio.sleep(REFRESH)
            await wish.tell(client)

    connect.run(there, body)


async def _live(client: GatewayClient, wish: Wish) -> None:
    from rich.live import Live

    with Live(auto_refresh=False) as live:
        while True:
            listed, _ = await wish.ask(client)
            live.update(output.rich_table(COLUMNS, rows(listed, time.time() * 1000), RIGHT), refresh=True)
            await asyncio.sleep(REFRESH)


def rows(listed: Iterable[Site], now_ms: float) -> list[list[str]]:
    """A row for each site, and one below it for each node that it has."""
    made = []
    for site in listed:
        made.append(_row(output.printable(site.site_key), site, now_ms))
        made += [_row(f"  {output.printable(node_id)}", part, now_ms) for node_id, part in site.nodes]
    return made


def _row(name: str, site: Site, now_ms: float) -> list[str]:
    return [
        name,
        site.state.name,
        f"{site.busy}/{site.warm}/{site.limit}",
        f"{site.mails_per_second:.1f}" if site.mails_per_second >= 0.05 else "-",  # noqa: PLR2004
        *(f"{count:,}" for count in (site.delivered, site.deferred, site.bounced, site.ready + site.waiting, site.later)),
        age(now_ms - site.oldest_ms) if site.oldest_ms else "-",
        _note(site, now_ms),
    ]


def _note(site: Site, now_ms: float) -> str:
    """Why, until when, and how fast it may go."""
    words = [output.printable(site.reason)] if site.reason else []
    if site.until_ms is not None:
        words.insert(0, f"for {age(site.until_ms - now_ms)}{':' if words else ''}")
    if site.rate_limit:
        words.append(f"(at most {site.rate_limit:g} a second)")
    if site.in_doubt:
        words.append(f"({site.in_doubt:,} in doubt)")
    return " ".join(words)


def _tell(line: TraceLine, json: bool) -> None:
    if json:
        output.json_line(_line_json(line))
        return
    if line.lost:
        output.line(f"- {line.lost:,} lines were lost: they came faster than they were read")
    if line.text:
        output.line(text_of(line))


def text_of(line: TraceLine) -> str:
    """`12:00:01.250000 sender-1 #3 192.0.2.1:25 > MAIL FROM:<a@example.com>`."""
    when = f"{shown.clock(line.time_us // 1000)} " if line.time_us else ""
    source = f" from {line.source}" if line.source else ""
    number = f" #{line.connection}" if line.connection else ""
    where = f"{output.printable(line.node_id)}{number}{source} {line.remote}".rstrip()
    return f"{when}{where} {SIGNS[line.direction.name]} {output.printable(line.text)}"


def _line_json(line: TraceLine) -> dict[str, Any]:
    return {
        "time": shown.stamp(line.time_us // 1000),
        "node_id": line.node_id,
        "connection": line.connection,
        "source": line.source,
        "remote": line.remote,
        "direction": line.direction.name,
        "text": line.text,
        "lost": line.lost,
    }


def _json(site: Site) -> dict[str, Any]:
    told: dict[str, Any] = {
        "site_key": site.site_key,
        "state": site.state.name,
        "reason": site.reason,
        "until_time": shown.stamp(site.until_ms or 0),
        "connections": {
            "busy": site.busy,
            "warm": site.warm,
            "dialing": site.dialing,
            "wanted": site.wanted,
            "limit": site.limit,
        },
        "mails_per_second": round(site.mails_per_second, 2),
        "rate_limit": site.rate_limit,
        "mails": site.mails,
        "delivered": site.delivered,
        "deferred": site.deferred,
        "bounced": site.bounced,
        "in_doubt": site.in_doubt,
        "ready": site.ready,
        "later": site.later,
        "waiting": site.waiting,
        "oldest_time": shown.stamp(site.oldest_ms or 0),
    }
    if site.nodes:
        told["nodes"] = {node_id: _json(part) for node_id, part in site.nodes}
    return told
