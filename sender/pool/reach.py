"""A TCP connection to a host by whichever of its addresses answers first, IPv4 or IPv6 (RFC 8305)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from contextlib import suppress
from itertools import zip_longest

NEXT_AFTER = 0.25
"""Seconds that one address has for itself before the next is tried beside it (RFC 8305 8). A black hole costs that much."""
MOST = 8
"""Of a host's addresses: one that has many answers on some of these, or the dial's time is over."""

Address = tuple[socket.AddressFamily, tuple[object, ...]]


async def reach(host: str, port: int, *, addresses: Sequence[str] = ()) -> socket.socket:
    """A connected socket, non-blocking, without Nagle's delay; the caller's to close. Takes as long as the system does: bound it.

    `addresses`: those of the host that may be dialled, and no look-up; empty: whatever the system says.

    Raises:
        OSError: no address answered (the first one's error), or there is none.
    """
    if addresses:
        return await _first([(socket.AF_INET6 if ":" in each else socket.AF_INET, (each, port)) for each in addresses])
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise socket.gaierror(error.errno, f"the name has no address ({error.strerror})") from None
    return await _first([(family, address) for family, _, _, _, address in found])


def interleave(addresses: Sequence[Address]) -> list[Address]:
    """In the order given (the system's, RFC 6724), but that families take turns (RFC 8305 4); MOST at the most."""
    if not addresses:
        return []
    first = addresses[0][0]
    mine = [address for address in addresses if address[0] == first]
    others = [address for address in addresses if address[0] != first]
    return [address for pair in zip_longest(mine, others) for address in pair if address is not None][:MOST]


async def _first(addresses: Sequence[Address]) -> socket.socket:
    """Tries them, each when the one before failed or had NEXT_AFTER; the first that connects wins, the others are closed."""
    waiting = interleave(addresses)
    trying: set[asyncio.Task[socket.socket]] = set()
    failures: list[OSError] = []
    try:
        while waiting or trying:
            if waiting:
                trying.add(asyncio.ensure_future(_connect(*waiting.pop(0))))
            done, trying = await asyncio.wait(trying, timeout=NEXT_AFTER if waiting else None, return_when=asyncio.FIRST_COMPLETED)
            if winner := next((task for task in done if task.exception() is None), None):
                trying |= done - {winner}
                return winner.result()
            failures += [error for task in done if isinstance(error := task.exception(), OSError)]
        raise failures[0] if failures else socket.gaierror(socket.EAI_NONAME, "the name has no address")
    finally:
        await _give_up(trying)


async def _give_up(tasks: set[asyncio.Task[socket.socket]]) -> None:
    """Ends them; one that connected meanwhile is closed."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled() and task.exception() is None:
            task.result().close()


async def _connect(family: socket.AddressFamily, address: tuple[object, ...]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock
