"""The ports of `mailgate up`: those that are asked for, or free ones."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from mailgate.errors import Mistake, SettingsInvalid

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Ports:
    """Where things listen on 127.0.0.1. While they are asked for, 0 means any free one; once found, 0 means that there is no such thing."""

    gateway: int = 8625
    metrics: int = 8626
    inbox: int = 8025
    inbox_smtp: int = 1025
    etcd: int = 2379
    etcd_peers: int = 0
    """Where etcd would hear other members of its cluster: it has none, and listens all the same."""


FLAGS = {
    "gateway": "--port",
    "metrics": "--metrics-port",
    "inbox": "--inbox-port",
    "inbox_smtp": "--inbox-smtp-port",
    "etcd": "--etcd-port",
}


async def free_ports(wanted: Ports, needed: Mapping[str, bool]) -> Ports:
    """The ports that are to be used: those wanted, and free ones for 0. What is not `needed`, and is said so, gets none.

    Raises:
        SettingsInvalid: ports are taken, or wanted twice; all of them are named, each with its flag.
    """
    mistakes: list[Mistake] = []
    servers: list[asyncio.Server] = []
    found: dict[str, int] = {}
    for name, port in asdict(wanted).items():
        if not needed.get(name, True):
            continue
        flag = FLAGS.get(name, name)
        try:
            # Held until all are found, so that no free one is found twice.
            server = await asyncio.start_server(_nobody, HOST, port)
        except OSError as error:
            twice = [FLAGS[other] for other, used in found.items() if used == port]
            why = f"{twice[0]} has it already" if twice else _why(error)
            mistakes.append(Mistake(flag, str(port), f"{why}: choose another port with {flag}, 0 for any that is free"))
            continue
        servers.append(server)
        found[name] = server.sockets[0].getsockname()[1]
    for server in servers:
        server.close()
        await server.wait_closed()
    if mistakes:
        raise SettingsInvalid(mistakes)
    return Ports(**{name: found.get(name, 0) for name in asdict(wanted)})


def _why(error: OSError) -> str:
    return "another process has it" if error.errno == errno.EADDRINUSE else (error.strerror or str(error)).lower()


async def _nobody(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()
