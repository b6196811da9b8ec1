"""From DNS answers to the hosts that take a domain's mail, best first; or why it goes nowhere. Pure: what is random is given.

The cases, in their order (RFC 5321 5.1, RFC 7505):
- the look-up of MX failed for now → deferred, 4.4.3;
- the domain does not exist → bounced, 5.1.2;
- the only MX is the root → the domain takes no mail: bounced, 5.1.10;
- no MX → the domain itself is the host;
- an MX is this node, by name or address → it and all that are not better are out; nothing left → bounced, 5.4.6;
- a host's address is one that mail may not go to (public.py) → that address is out, and the host with its last one;
- nothing is left → deferred if a look-up of an address failed for now, else bounced: 5.4.4, without any MX 5.1.2.

Hosts of the same preference come in an order of their own for each node, which stays the same while the node lives: thousands of nodes
share the load of a site, and a node keeps its connections when a look-up is renewed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import blake2b
from typing import NamedTuple

from mailgate.verdict import Outcome, Phase, Reply
from sender.delivery.public import is_literal, is_public
from sender.smtp.verdicts import plain

MOST_HOSTS = 10
"""Of a domain's MX, best first: who has not taken a mail on ten hosts is asked again later."""
MOST_ADDRESSES = 8
"""Of a host: as many as a dial tries."""


class Got(IntEnum):
    """What a look-up came to."""

    FOUND = 1
    NOTHING = 2
    """The name has no such records."""
    NO_NAME = 3
    """The name does not exist."""
    FAILED = 4
    """Nobody knows now: no answer, or one that says so."""


class Exchange(NamedTuple):
    """A record of MX; the host in lower case without the last dot, empty: the root."""

    preference: int
    host: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What DNS said to one question: of MX `exchanges`, of A and AAAA `addresses`, of PTR `names`."""

    got: Got
    exchanges: tuple[Exchange, ...] = ()
    addresses: tuple[str, ...] = ()
    ttl: float = 0.0
    """Seconds, as the records have it."""
    why: str = ""
    """With FAILED: in words."""
    names: tuple[str, ...] = ()
    """In lower case, without the last dot."""


class Host(NamedTuple):
    """Where a domain's mail may be handed off, and which of its addresses may be dialled."""

    name: str
    preference: int
    addresses: tuple[str, ...]


class Nowhere(NamedTuple):
    """The verdict of every recipient of the domain."""

    outcome: Outcome
    reply: Reply


@dataclass(frozen=True, slots=True)
class Here:
    """What this node is, and may. `salt` is random: the order of equal hosts."""

    names: frozenset[str] = frozenset()
    """What it calls itself (EHLO), in lower case."""
    salt: bytes = b""
    is_own: Callable[[str], bool] = field(default=lambda _address: False)
    """An address is this machine's."""
    private: bool = False
    """For tests: mail may go to any address, also to private and own ones."""

    def may_dial(self, address: str) -> bool:
        """Mail may go there."""
        return self.private or (is_public(address) and not self.is_own(address))


def exchanges(domain: str, answer: Answer, here: Here) -> tuple[Exchange, ...] | Nowhere:
    """The hosts whose addresses are to be looked up, best first; the domain itself where it has no MX."""
    if answer.got is Got.FAILED:
        return failed(domain, answer.why)
    if answer.got is Got.NO_NAME:
        return _bounced("5.1.2", f"the domain {domain} does not exist", "unknown_domain")
    listed = [exchange for exchange in answer.exchanges if exchange.host]
    if answer.exchanges and not listed:
        return _bounced("5.1.10", f"the domain {domain} takes no mail (null MX)", "unknown_domain")
    return _before_us(domain, _in_order(listed or [Exchange(0, domain)], here), lambda exchange: exchange.host in here.names)


def destination(
    domain: str, listed: Sequence[Exchange], found: Mapping[str, Sequence[Answer]], here: Here, *, implicit: bool = False
) -> tuple[Host, ...] | Nowhere:
    """The hosts with the addresses that may be dialled, best first. `found`: by host, the answers for A and AAAA."""
    addresses = {name: [address for answer in answers for address in answer.addresses] for name, answers in found.items()}

    def is_us(exchange: Exchange) -> bool:
        return not here.private and any(map(here.is_own, addresses.get(exchange.host, ())))

    left = _before_us(domain, tuple(listed), is_us)
    if isinstance(left, Nowhere):
        return left
    hosts = [Host(name, preference, tuple(filter(here.may_dial, addresses.get(name, ())))[:MOST_ADDRESSES]) for preference, name in left]
    usable = tuple(host for host in hosts if host.addresses)
    return usable or _unusable(domain, left, found, implicit=implicit)


def literal(domain: str, here: Here) -> tuple[Host, ...] | Nowhere | None:
    """The host of `[192.0.2.1]` or `[IPv6:2001:db8::1]` (RFC 5321 4.1.3) in the place of a domain. None: it is a name."""
    if not domain.startswith("["):
        return None
    address = domain.strip("[]").removeprefix("IPv6:").removeprefix("ipv6:")
    if not is_literal(address):
        return _bounced("5.1.2", f"{domain} names no address", "unknown_domain")
    if not here.may_dial(address):
        return _bounced("5.4.4", f"mail does not go to {domain}: {_REFUSED}", "dns")
    return (Host(address, 0, (address,)),)


_REFUSED = "the address is private or this node's own"


def _in_order(listed: Sequence[Exchange], here: Here) -> tuple[Exchange, ...]:
    """Each host once, at its best preference."""
    best: dict[str, int] = {}
    for preference, host in listed:
        best[host] = min(preference, best.get(host, preference))

    def rank(host: str) -> tuple[int, bytes, str]:
        return best[host], blake2b(host.encode(), key=here.salt, digest_size=8).digest(), host

    return tuple(Exchange(best[host], host) for host in sorted(best, key=rank)[:MOST_HOSTS])


def _before_us(domain: str, listed: tuple[Exchange, ...], is_us: Callable[[Exchange], bool]) -> tuple[Exchange, ...] | Nowhere:
    """RFC 5321 5.1: without ourselves and all that are not better than we are, since those would send the mail back to us."""
    ours = min((exchange.preference for exchange in listed if is_us(exchange)), default=None)
    left = tuple(exchange for exchange in listed if ours is None or exchange.preference < ours)
    return left or _bounced("5.4.6", f"mail for {domain} loops back to this node", "dns")


def _unusable(domain: str, left: Sequence[Exchange], found: Mapping[str, Sequence[Answer]], *, implicit: bool) -> Nowhere:
    answers = [answer for _, host in left for answer in found.get(host, ())]
    if why := next((answer.why or "no answer" for answer in answers if answer.got is Got.FAILED), None):
        return failed(domain, why)
    if any(answer.addresses for answer in answers):
        return _bounced("5.4.4", f"no server of {domain} is one that mail may go to: {_REFUSED}", "dns")
    if implicit:
        return _bounced("5.1.2", f"the domain {domain} has neither MX nor address", "unknown_domain")
    return _bounced("5.4.4", f"no MX of {domain} has an address", "dns")


def failed(domain: str, why: str) -> Nowhere:
    """The verdict where nobody knows now."""
    return Nowhere(Outcome.DEFERRED, _reply("4.4.3", f"the servers of {domain} cannot be looked up now ({why})", "dns"))


def _bounced(code: str, text: str, bounce_class: str) -> Nowhere:
    return Nowhere(Outcome.BOUNCED, _reply(code, text, bounce_class))


def _reply(code: str, text: str, bounce_class: str) -> Reply:
    return Reply(Phase.CONNECT, 0, code, plain(text.encode()), bounce_class)
