"""Which addresses mail may go to when a stranger's DNS names them: public ones. Pure.

Whoever owns a domain chooses where its MX points, and so where this node connects to. An address of the node's own machine or network would
let him speak, with our mail for his words, to what listens there for us alone.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

_UNICAST = IPv6Network("2000::/3")
"""What of IPv6 is routed on the Internet (RFC 4291 2.4, RFC 3587): all else is local, multicast, or mapped."""
_NAT64 = IPv6Network("64:ff9b::/96")
"""RFC 6052: an IPv4 address in its last 32 bits, as DNS64 makes it for networks without IPv4."""


def is_public(text: str) -> bool:
    """It is routed on the Internet.

    False for loopback, private, shared (100.64/10), link-local, multicast, reserved, documentation, unspecified and 0/8; for IPv6 that has
    such an IPv4 inside (mapped, 6to4, NAT64), for Teredo and IPv4-compatible addresses; and for what is no address.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return _public_4(address) if isinstance(address, IPv4Address) else _public_6(address)


def is_literal(text: str) -> bool:
    """It is an address, not a name."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _public_4(address: IPv4Address) -> bool:
    return address.is_global and not (address.is_multicast or address.is_reserved)


def _public_6(address: IPv6Address) -> bool:
    if address.scope_id is not None:
        return False
    inside = address.ipv4_mapped or address.sixtofour
    if inside is None and address in _NAT64:
        inside = IPv4Address(int(address) & 0xFFFF_FFFF)
    if inside is not None:
        return _public_4(inside)
    return address in _UNICAST and address.is_global and address.teredo is None
