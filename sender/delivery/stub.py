"""A question to the name servers, by dnspython; and which addresses are this machine's. What follows from an answer is not decided here."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Iterable, Sequence
from functools import cached_property
from ipaddress import ip_address
from typing import TYPE_CHECKING

from sender.delivery.mx import Answer, Exchange, Got

if TYPE_CHECKING:
    import dns.asyncresolver
    import dns.message
    import dns.name
    import dns.resolver

PORT = 53
TRY, WHOLE = 2.0, 5.0
"""Seconds for one name server, and for a question with all of them and all aliases."""
ALIASES = 8
"""CNAMEs that are followed from answer to answer; within one answer dnspython follows 16."""
CURE = 'write the address of a name server, such as "9.9.9.9", "127.0.0.1:5353" or "[2620:fe::fe]:53"'
_WITH_PORT = re.compile(r"(?:\[(?P<six>[^\]]*)\]|(?P<four>[^:]*))(?::(?P<port>\d{1,5}))?")
_NOBODY = "240.0.0.1"
"""RFC 1112 4: no machine has it."""


class Stub:
    """Asks these name servers, the next where one is silent or refuses; over TCP what is too large for UDP. Empty: the system's.

    dnspython is only loaded with the first question: a node without an MX route does without its 90 ms.
    """

    def __init__(self, nameservers: Sequence[str] = ()) -> None:
        self._nameservers = [parse_nameserver(text) for text in nameservers]

    async def prepare(self) -> None:
        """Load dnspython beside the loop. Who does not call this loads it with the first question."""
        await asyncio.to_thread(_load)

    async def ask(self, name: str, kind: str) -> Answer:
        """The records of `kind` (`MX`, `A`, `AAAA`, `PTR`), aliases followed. Within WHOLE seconds; raises only when cancelled."""
        import dns.exception
        import dns.name
        import dns.resolver

        try:
            wanted = dns.name.from_text(name)
        except dns.exception.DNSException:
            return Answer(Got.NO_NAME)
        try:
            async with asyncio.timeout(WHOLE):
                return await self._follow(wanted, kind)
        except dns.resolver.NXDOMAIN as error:
            return Answer(Got.NO_NAME, ttl=_negative_ttl(error))
        except (TimeoutError, dns.exception.DNSException, OSError) as error:
            self.__dict__.pop("_resolver", None)  # the system's name servers may be others by now
            return Answer(Got.FAILED, why=_why(error))

    @cached_property
    def _resolver(self) -> dns.asyncresolver.Resolver:
        import dns.asyncresolver
        import dns.nameserver

        resolver = dns.asyncresolver.Resolver(configure=not self._nameservers)
        if self._nameservers:
            resolver.nameservers = [dns.nameserver.Do53Nameserver(address, port) for address, port in self._nameservers]
        resolver.timeout, resolver.lifetime = TRY, WHOLE
        resolver.use_edns(0, payload=1232)  # DNS flag day 2020: larger answers are fragmented, and come by TCP instead
        return resolver

    async def _follow(self, name: dns.name.Name, kind: str) -> Answer:
        """A resolver follows aliases itself; an authoritative server leaves off where its zone ends."""
        ttl = float("inf")
        for _ in range(ALIASES):
            answer = await self._resolver.resolve(name, kind, raise_on_no_answer=False, search=False)
            ttl = min(ttl, answer.chaining_result.minimum_ttl)
            if answer.rrset is not None:
                return _found(kind, answer, ttl)
            if answer.canonical_name == name or answer.response.authority:
                return Answer(Got.NOTHING, ttl=ttl)
            name = answer.canonical_name
        return Answer(Got.FAILED, why=f"more than {ALIASES} aliases (CNAME) one after the other")


def _load() -> None:
    import dns.asyncresolver  # noqa: F401


def _found(kind: str, answer: dns.resolver.Answer, ttl: float) -> Answer:
    if kind == "MX":
        exchanges = [Exchange(record.preference, record.exchange.to_text().lower().rstrip(".")) for record in answer]
        return Answer(Got.FOUND, exchanges=tuple(exchanges), ttl=ttl)
    if kind == "PTR":
        return Answer(Got.FOUND, names=tuple([record.target.to_text().lower().rstrip(".") for record in answer]), ttl=ttl)
    return Answer(Got.FOUND, addresses=tuple([record.address for record in answer]), ttl=ttl)


def _negative_ttl(error: dns.resolver.NXDOMAIN) -> float:
    """RFC 2308 5, as the SOA beside it says."""
    responses: dict[dns.name.Name, dns.message.QueryMessage] = error.kwargs.get("responses") or {}
    return float(min([response.resolve_chaining().minimum_ttl for response in responses.values()], default=0))


def _why(error: Exception) -> str:
    """In words; what the last of the name servers answered, such as SERVFAIL, or how it failed."""
    import dns.message
    import dns.resolver

    if isinstance(error, TimeoutError | dns.resolver.LifetimeTimeout):
        return f"no name server answered within {WHOLE:g} s"
    if isinstance(error, dns.resolver.NoResolverConfiguration):
        return "the system has no name servers: set nameservers under [sender]"
    if isinstance(error, dns.resolver.NoNameservers) and error.kwargs.get("errors"):
        last = error.kwargs["errors"][-1][3]
        if isinstance(last, dns.message.ChainTooLong):
            return "aliases (CNAME) lead in a circle"
        return last if isinstance(last, str) else type(last).__name__
    return type(error).__name__


def parse_nameserver(text: str) -> tuple[str, int]:
    """The address and port of `9.9.9.9`, `9.9.9.9:53`, `2620:fe::fe` or `[2620:fe::fe]:53`.

    Raises:
        ValueError: it is none; the text of the error is the cure.
    """
    found = _WITH_PORT.fullmatch(text.strip())
    address, port = (found["six"] or found["four"], found["port"]) if found else (text.strip(), None)
    try:
        ip_address(address)
        number = int(port or PORT)
    except ValueError:
        raise ValueError(CURE) from None
    if not 0 < number < 65536:  # noqa: PLR2004 - the ports that there are
        raise ValueError(CURE)
    return address, number


def own_names(given: Iterable[str]) -> frozenset[str]:
    """These, as far as they are names, and this host's; in lower case."""
    return frozenset([name.lower() for name in (*given, socket.gethostname()) if name])


def is_own(address: str) -> bool:
    """It is one that only this machine has: the system lets a socket be bound to it. A few microseconds, no packet."""
    given = ip_address(address)
    given = getattr(given, "ipv4_mapped", None) or given
    if given.is_loopback or given.is_unspecified or given.is_multicast:  # these every machine can be bound to
        return False
    return _binds(str(given)) and not _binds(_NOBODY)  # where anything may be bound (ip_nonlocal_bind), this says nothing


def _binds(address: str) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.bind((address, 0))
    except OSError:
        return False
    return True
