"""Whether a source's name and address confirm each other in the DNS, as receivers look them up. Pure.

Many receivers want the PTR record of the address that dials them to name a host which has that address again, and the name in EHLO to be
that host (RFC 1912 2.1; RFC 8601 2.7.3, `iprev`); large ones refuse mail where it is not so. A node can't mend it, so it says what to mend.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

from sender.pool.source import Source

Found = tuple[str, ...] | None
"""What the DNS has; empty: it has none. None: nobody answered, which says nothing."""


@dataclass(frozen=True, slots=True)
class Records:
    """What the DNS says: the addresses of a name, and the names that addresses have (PTR), in lower case and without the last dot."""

    forward: Found = None
    reverse: Mapping[str, Found] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What disagrees, each with its cure; `note` says why something could not be looked at, and is no fault."""

    warnings: tuple[str, ...] = ()
    note: str = ""


RESERVED = ("example", "example.com", "example.net", "example.org", "test", "invalid", "localhost", "local", "internal")
"""Domains that no public DNS has (RFC 2606, 6761, 6762): a name below them is of a test, or of a network of one's own."""


def worth_asking(source: Source) -> bool:
    """Somebody outside may see the source, and its name may be in the DNS."""
    domain = "." + source.helo.lower().rstrip(".")
    hidden = all(ip_address(address).is_loopback for address in source.addresses)
    return not hidden and not any(domain.endswith(f".{reserved}") for reserved in RESERVED)


def seen_from_outside(address: str) -> bool:
    """Receivers may see this address: it is not one of a network behind NAT, nor of this machine alone."""
    return ip_address(address).is_global


def to_ask(source: Source, forward: Found) -> tuple[str, ...]:
    """The addresses whose PTR records tell: those that receivers see. Behind NAT the addresses of the name stand in for them."""
    public = tuple(address for address in source.addresses if seen_from_outside(address))
    hidden = len(public) < len(source.addresses)
    stand_in = tuple(address for address in forward or () if seen_from_outside(address)) if hidden else ()
    return tuple(dict.fromkeys(public + stand_in))


def confirm(source: Source, records: Records) -> Confirmed:
    """What receivers may hold against the source. An address that no receiver can see, such as one of the loopback, is passed over."""
    if source.helo.startswith("["):
        return _literal(source)
    hidden = [address for address in source.addresses if not seen_from_outside(address)]
    warnings = [] if hidden else [words for address in source.addresses if (words := _forward(source.helo, address, records.forward))]
    warnings += [
        words for address in to_ask(source, records.forward) if (words := _reverse(source.helo, address, records.reverse.get(address)))
    ]
    behind = [address for address in hidden if not ip_address(address).is_loopback]
    if behind and records.forward == ():
        warnings.append(f"{source.helo} has no address: add an A record with the address that receivers see")
    return Confirmed(tuple(warnings), _note(source.helo, behind, records.forward))


def _literal(source: Source) -> Confirmed:
    inner = source.helo[1:-1]
    address = str(ip_address(inner[5:] if inner[:5].upper() == "IPV6:" else inner))
    outside = [each for each in source.addresses if seen_from_outside(each)]
    if outside and address not in outside:
        return Confirmed((f"it greets as {source.helo} and dials from {' and '.join(outside)}: greet with that, or with a name",))
    if outside:
        return Confirmed((f"it greets as {source.helo}, and many receivers refuse whoever has no name: give it one",))
    return Confirmed()


def _forward(helo: str, address: str, forward: Found) -> str:
    if forward is None or address in forward:
        return ""
    kind = "AAAA" if ":" in address else "A"
    has = f"has {_listed(forward)}" if forward else "has no address"
    return f"{helo} {has}, and not {address}: add the {kind} record, or correct helo"


def _reverse(helo: str, address: str, names: Found) -> str:
    if names is None or helo.lower() in names:
        return ""
    has = f"is {_listed(names)}" if names else "is missing"
    return f"the PTR record of {address} {has}, and not {helo}: ask whose network it is to change it, or correct helo"


def _note(helo: str, behind: Sequence[str], forward: Found) -> str:
    if not behind:
        return ""
    told = f"{helo} has {_listed(forward)}" if forward else "what that is can't be seen from here"
    return f"{' and '.join(behind)} is behind NAT, so receivers see another address: {told}"


def _listed(values: Sequence[str]) -> str:
    return ", ".join(values[:4]) + (", …" if len(values) > 4 else "")  # noqa: PLR2004 - a line of the log
