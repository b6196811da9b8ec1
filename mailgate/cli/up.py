"""`mailgate up`: a gateway, senders and the development inbox on this machine, until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from mailgate.cli import exits, target
from mailgate.cli.etcd import etcd_program
from mailgate.cli.ports import Ports, free_ports
from mailgate.cli.stage import base_tables, data_directory, restage, stage, wants_inbox
from mailgate.cli.told import Teller

HELP = f"""Run everything on this machine: a gateway, sender nodes, and an inbox that catches all mail. Ctrl-C stops it in order; SIGHUP has
it read --config again.

Examples:

  mailgate up

  mailgate up --etcd

  mailgate up --senders 4 --relay smtp://user:password@mail.example.com:587

{exits.HELP}"""

DEFAULT = Ports()


def up(
    senders: Annotated[int, typer.Option("--senders", min=1, max=16, help="Sender nodes.")] = 2,
    data: target.Data = target.DEFAULT_DATA,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The gateway; 0: any free port, as below.")] = DEFAULT.gateway,
    metrics_port: Annotated[int, typer.Option("--metrics-port", min=0, max=65535, help="Its metrics page.")] = DEFAULT.metrics,
    inbox_port: Annotated[int, typer.Option("--inbox-port", min=0, max=65535, help="The inbox's page.")] = DEFAULT.inbox,
    inbox_smtp_port: Annotated[
        int, typer.Option("--inbox-smtp-port", min=0, max=65535, help="Where the inbox takes mail.")
    ] = DEFAULT.inbox_smtp,
    etcd: Annotated[
        bool,
        typer.Option("--etcd", help="Keep nodes and gateways in an etcd that is started too, on this machine alone, without a password."),
    ] = False,
    etcd_port: Annotated[
        int | None, typer.Option("--etcd-port", min=0, max=65535, help="Where it listens.", show_default=str(DEFAULT.etcd))
    ] = None,
    relay: Annotated[str, typer.Option("--relay", metavar="URL", help="Send through this server instead of the inbox.")] = "",
    config: Annotated[
        str,
        typer.Option("--config", metavar="FILE", help="Further settings (TOML); its sections gateway, tls and sender are not looked at."),
    ] = "",
    json: target.Json = False,
) -> None:
    """Run everything on this machine. See HELP."""
    base = base_tables(config)
    if etcd:
        etcd_program()
    elif etcd_port is not None:
        raise exits.Usage(f"--etcd-port {etcd_port}: no etcd is started: give --etcd too, or leave it out")
    wanted = Ports(port, metrics_port, inbox_port, inbox_smtp_port, DEFAULT.etcd if etcd_port is None else etcd_port)
    with data_directory(data) as directory:
        asyncio.run(_life(directory, data, config, base, wanted, etcd, relay, senders, json))


async def _life(
    directory: Path, data: str, config: str, base: dict[str, Any], wanted: Ports, etcd: bool, relay: str, senders: int, json: bool
) -> None:
    from mailgate.lifecycle import Again, Hangups, Stop

    hangups = Hangups()
    inbox = wants_inbox(base, relay)
    ports = await free_ports(wanted, {"inbox": inbox, "inbox_smtp": inbox, "etcd": etcd, "etcd_peers": etcd})
    prepared = stage(directory, base, ports, relay)
    prepared.check(os.environ)
    prepared.write()
    from mailgate.cli.family import Family

    async with AsyncExitStack() as leaving:
        teller = leaving.enter_context(Teller(json))
        stop = await leaving.enter_async_context(Stop().listening(hangups))
        again = Again(hangups.asked, lambda: restage(prepared, config, relay, os.environ))
        family = Family(prepared, senders, teller, os.environ, again)
        await family.run(stop, lambda: teller.ready(prepared, senders, data, family.pids))
