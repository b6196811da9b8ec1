"""Sources: the identities that a node sends from. An address to dial from, and the name to greet with. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from mailgate.errors import Mistake
from mailgate.route import DEFAULT_POOL

MAX_HELO = 253
"""Octets of a name in the DNS (RFC 1035 2.3.4), which RFC 5321 4.5.3.1.2 does not exceed."""

_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
HELO_CURE = 'write the full name that the address has in the DNS, such as "mx7.example.com", or an address literal, "[192.0.2.7]"'


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """`[sources.NAME]`: an identity that this node sends from, and receivers keep a reputation of.

    No other node may use the name, unless its mail leaves from the same address.
    """

    helo: str
    """The name in EHLO: a host name of two labels or more, or an address literal (RFC 5321 4.1.3). Its A or AAAA record and the PTR record
    of the address should name each other; the node warns where they do not."""
    address: str = ""
    """The IPv4 address to dial from, one of this machine's. Without one, IPv4 is not dialled from this source."""
    address6: str = ""
    """The same for IPv6. One of the two, or both."""
    pool: str = DEFAULT_POOL
    """Routes name a pool, `sources = "marketing"`, and their mail is spread over its sources. Routes that name none use the pool
    `default`, where there is one; else the system chooses the address, and `sender.helo` is the name."""
    weight: int = 1
    """Its share of the pool's mail, against the others'."""

    def mistakes(self, key: str) -> Iterator[Mistake]:
        """What is wrong with it by itself. Whether the machine has the addresses is found at the start."""
        if not (self.address or self.address6):
            yield Mistake(key, "(as set)", 'name what to dial from: address = "192.0.2.7", address6 = "2001:db8::7", or both')
        for name, kind in (("address", IPv4Address), ("address6", IPv6Address)):
            said = getattr(self, name)
            if said and (cure := _fault_of_address(said, kind)):
                yield Mistake(f"{key}.{name}", f'"{said}"', cure)
        if self.helo is not None and not is_helo(self.helo):  # None: it is missing, which is told already
            yield Mistake(f"{key}.helo", f'"{self.helo}"', HELO_CURE)
        if not self.pool:
            yield Mistake(f"{key}.pool", '""', f'name a pool, or leave it out for "{DEFAULT_POOL}"')


@dataclass(frozen=True, slots=True)
class Source:
    """A source with its name. ANY, without a name, leaves the address to the system."""

    name: str = ""
    helo: str = ""
    """Empty: the dialer's."""
    address: str = ""
    address6: str = ""
    pool: str = ""
    weight: int = 1

    def __str__(self) -> str:
        return self.name or "(any)"

    @property
    def addresses(self) -> tuple[str, ...]:
        """Those that it has, IPv4 first."""
        return tuple(filter(None, (self.address, self.address6)))


ANY = Source()


def default_source(helo: str, address: str, address6: str) -> Source:
    """What receivers see of a node that leaves the address to the system: its name, and what that mostly chooses."""
    return Source("(any)", helo, address, address6)


def read_sources(options: Mapping[str, SourceOptions]) -> tuple[Source, ...]:
    """The sources of `[sources]`, by name."""
    return tuple(
        Source(name, each.helo, _normal(each.address), _normal(each.address6), each.pool, each.weight)
        for name, each in sorted(options.items())
    )


def mistakes_between(options: Mapping[str, SourceOptions]) -> Iterator[Mistake]:
    """What is wrong with names, and with addresses that two sources share: to receivers these are one, and limits are per source."""
    owners: dict[str, str] = {}
    for name, each in sorted(options.items()):
        if not _NAME.fullmatch(name):
            yield Mistake(f"sources.{name}", "(its name)", "write letters, digits, dots, hyphens and underscores, at most 64")
        for field in ("address", "address6"):
            address = _normal(getattr(each, field))
            if address and (first := owners.setdefault(address, name)) != name:
                cure = (
                    f"sources.{first} has this address already: to receivers both are one, so keep it in one, and name its pool in routes"
                )
                yield Mistake(f"sources.{name}.{field}", f'"{address}"', cure)


def pool_of(sources: Sequence[Source], asked: str) -> tuple[Source, ...]:
    """The sources for a route that asks for this pool ("": for none). Empty: the node has no such pool."""
    found = tuple(source for source in sources if source.pool == (asked or DEFAULT_POOL))
    return found or (() if asked else (ANY,))


def is_helo(name: str) -> bool:
    """A Domain of two labels or more whose last is no number, or an address literal (RFC 5321 4.1.2, 4.1.3)."""
    if name.startswith("["):
        return _is_literal(name)
    labels = name.split(".")
    return len(name) <= MAX_HELO and len(labels) > 1 and all(map(_LABEL.fullmatch, labels)) and not labels[-1].isdigit()


def _is_literal(name: str) -> bool:
    inner, closed = name[1:-1], name.endswith("]")
    six = inner[:5].upper() == "IPV6:"
    kind = IPv6Address if six else IPv4Address
    try:
        kind(inner[5:] if six else inner)
    except ValueError:
        return False
    return closed and "%" not in inner


def _fault_of_address(said: str, kind: type[IPv4Address | IPv6Address]) -> str:
    version = 4 if kind is IPv4Address else 6
    try:
        address = ip_address(said)
    except ValueError:
        return f"write an IPv{version} address of this machine, without a port"
    if address.version != version:
        return f"this is an IPv{address.version} address: it belongs into {'address6' if address.version != 4 else 'address'}"  # noqa: PLR2004
    mapped = isinstance(address, IPv6Address) and (address.ipv4_mapped is not None or address.scope_id is not None)
    if address.is_unspecified or address.is_multicast or mapped:
        return "name one address of this machine: leave the source out where the system may choose"
    return ""


def _normal(said: str) -> str:
    """An address as it is compared; what is no address is as it is."""
    try:
        return str(ip_address(said)) if said else ""
    except ValueError:
        return said
