"""A TCP connection to a host by whichever of its addresses answers first, IPv4 or IPv6 (RFC 8305), from a source's own addresses."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import zip_longest

from mailgate.errors import Mistake, SettingsInvalid
from sender.pool.source import ANY, Source

NEXT_AFTER = 0.25
"""Seconds that one address has for itself before the next is tried beside it (RFC 8305 8). A black hole costs that much."""
MOST = 8
"""Of a host's addresses: one that has many answers on some of these, or the dial's time is over."""

NO_PORT = getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24)
"""Linux: the port is chosen at `connect`, where one may serve many peers at once; else 28,000 connections are all that an address has. The
number is of <linux/in.h>: Python names it from 3.12 on. Elsewhere the option is unknown, and the port is chosen at once."""
FAMILIES = {socket.AF_INET: "IPv4", socket.AF_INET6: "IPv6"}

Address = tuple[socket.AddressFamily, tuple[object, ...]]


class SourceFailed(OSError):
    """It can't dial that host: no such address here, no port left, or another family. It says nothing of the host."""


async def reach(host: str, port: int, source: Source = ANY, *, addresses: Sequence[str] = ()) -> socket.socket:
    """A connected socket, non-blocking, without Nagle's delay; the caller's to close. Takes as long as the system does: bound it.

    A source with an address of one family dials that family alone. `addresses`: those of the host that may be dialled, and no look-up;
    empty: whatever the system says.

    Raises:
        SourceFailed: it was the source, with each of the host's addresses.
        OSError: no address answered (the first one's error), or there is none.
    """
    if addresses:
        return await _first(_fitting(source, [(_family(each), (each, port)) for each in addresses]), source)
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise socket.gaierror(error.errno, f"the name has no address ({error.strerror})") from None
    return await _first(_fitting(source, [(family, address) for family, _, _, _, address in found]), source)


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _fitting(source: Source, found: list[Address]) -> list[Address]:
    """Those that the source can dial."""
    fitting = [(family, address) for family, address in found if local(source, family)] if source.addresses else found
    if found and not fitting:
        have = " or ".join(name for family, name in FAMILIES.items() if local(source, family))
        raise SourceFailed(errno.EAFNOSUPPORT, f"the name has no {have} address, and the source {source} dials from no other")
    return fitting


def local(source: Source, family: socket.AddressFamily) -> str:
    """The source's address of this family; empty: it has none."""
    return {socket.AF_INET: source.address, socket.AF_INET6: source.address6}.get(family, "")


def outward() -> tuple[str, str]:
    """The IPv4 and IPv6 address that the system chooses towards the Internet; empty: it has no way there. No packet leaves."""
    found = []
    for family, address in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as sock:
                sock.connect((address, 25))
                found.append(str(sock.getsockname()[0]))
        except OSError:
            found.append("")
    return found[0], found[1]


def check_addresses(sources: Iterable[Source]) -> None:
    """Binds each address, and lets go. Blocks, for microseconds.

    Raises:
        SettingsInvalid: with every address that is not this machine's.
    """
    mistakes = []
    for source in sources:
        for family, key in ((socket.AF_INET, "address"), (socket.AF_INET6, "address6")):
            if not (address := local(source, family)):
                continue
            try:
                with socket.socket(family, socket.SOCK_STREAM) as sock:
                    sock.bind((address, 0))
            except OSError as error:
                cure = f"{_words(error)}: write one that `ip address` shows, or give it to an interface first"
                mistakes.append(Mistake(f"sources.{source}.{key}", f'"{address}"', cure))
    if mistakes:
        raise SettingsInvalid(mistakes)


def _bind(sock: socket.socket, source: Source, family: socket.AddressFamily) -> None:
    if not (address := local(source, family)):
        return
    with suppress(OSError):
        sock.setsockopt(socket.IPPROTO_IP, NO_PORT, 1)
    try:
        sock.bind((address, 0))
    except OSError as error:
        raise SourceFailed(error.errno, f"the source {source} can't dial from {address}: {_words(error)}") from None


def _words(error: OSError) -> str:
    return "this machine has no such address" if error.errno == errno.EADDRNOTAVAIL else error.strerror or str(error)


def interleave(addresses: Sequence[Address]) -> list[Address]:
    """In the order given (the system's, RFC 6724), but that families take turns (RFC 8305 4); MOST at the most."""
    if not addresses:
        return []
    first = addresses[0][0]
    mine = [address for address in addresses if address[0] == first]
    others = [address for address in addresses if address[0] != first]
    return [address for pair in zip_longest(mine, others) for address in pair if address is not None][:MOST]


async def _first(addresses: Sequence[Address], source: Source) -> socket.socket:
    """Tries them, each when the one before failed or had NEXT_AFTER; the first that connects wins, the others are closed."""
    waiting = interleave(addresses)
    trying: set[asyncio.Task[socket.socket]] = set()
    failures: list[OSError] = []
    try:
        while waiting or trying:
            if waiting:
                trying.add(asyncio.ensure_future(_connect(*waiting.pop(0), source)))
            done, trying = await asyncio.wait(trying, timeout=NEXT_AFTER if waiting else None, return_when=asyncio.FIRST_COMPLETED)
            if winner := next((task for task in done if task.exception() is None), None):
                trying |= done - {winner}
                return winner.result()
            failures += [error for task in done if isinstance(error := task.exception(), OSError)]
        of_relay = [error for error in failures if not isinstance(error, SourceFailed)]
        raise next(iter(of_relay or failures), socket.gaierror(socket.EAI_NONAME, "the name has no address"))
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


async def _connect(family: socket.AddressFamily, address: tuple[object, ...], source: Source) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _bind(sock, source, family)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRNOTAVAIL and source.addresses and not isinstance(error, SourceFailed):
            words = f"the source {source} has no port left to dial {address[0]} from {local(source, family)}"
            raise SourceFailed(error.errno, words) from None
        if isinstance(error, SourceFailed) or error.errno is None:
            raise
        raise OSError(error.errno, f"{os.strerror(error.errno)} ({address[0]})") from None  # the loop's own words are a programmer's
    except BaseException:
        sock.close()
        raise
    return sock
