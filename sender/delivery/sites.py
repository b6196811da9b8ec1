"""Which site a domain belongs to, and which hosts take its mail: what was looked up, for as long as it holds. Pure: time is given.

A *site* is what limits apply to: a provider of the shaping table, else the alphabetically first of the best hosts. A *destination* is where
connections lead: a set of hosts. Many domains have one destination, and a site may have many (a provider that gives each customer a host
name of his own). What is known costs memory and nothing else; ten thousand domains of hosts of their own take some 10 MB.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple
from weakref import WeakValueDictionary

from sender.delivery.mx import Host, Nowhere

MOST = 50_000
"""Domains that are known; the oldest goes first, and is looked up again when it is needed."""
SHUT_AFTER = 60.0
"""Seconds for which a way that nobody uses, and that has no connection, is kept: it may be needed again."""

ProviderOf = Callable[[str, tuple[str, ...]], str | None]
"""From a domain and its best hosts to the provider that the shaping table has for them."""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Destination:
    """Where mail of a domain goes.

    Domains with the same hosts and site share the object; where one of them was looked up later, and the hosts have other addresses by now,
    they share the way of the newer one (directions.py).
    """

    site: str
    name: str
    """Of this set of hosts: the first of the best ones, and a hash where there are more."""
    hosts: tuple[Host, ...]
    """Best first; not empty."""
    learnt: int = field(default=0, compare=False)
    """The greater of two of one name and site is the newer one, whatever domain it was looked up for."""


class _Known(NamedTuple):
    found: Destination | Nowhere
    until: float


class Sites:
    """See the module."""

    def __init__(self, provider_of: ProviderOf = lambda _domain, _hosts: None, most: int = MOST) -> None:
        self._provider_of, self._most = provider_of, most
        self._known: dict[str, _Known] = {}
        self._newest: WeakValueDictionary[tuple[str, str], Destination] = WeakValueDictionary()
        """By site and name."""
        self._learnt = 0

    def __repr__(self) -> str:
        return f"<Sites domains={len(self._known)} destinations={len(self._newest)}>"

    def __len__(self) -> int:
        return len(self._known)

    def get(self, domain: str, now: float) -> Destination | Nowhere | None:
        """What is known. None: it is to be looked up. Must be cheap: asked for every job."""
        known = self._known.get(domain)
        return known.found if known is not None and now < known.until else None

    def learn(self, domain: str, hosts: tuple[Host, ...] | Nowhere, until: float) -> Destination | Nowhere:
        """What a look-up came to."""
        found = hosts if isinstance(hosts, Nowhere) else self._destination(domain, hosts)
        if self._known.pop(domain, None) is None and len(self._known) >= self._most:
            del self._known[next(iter(self._known))]
        self._known[domain] = _Known(found, until)
        return found

    def forget(self) -> None:
        """There is another shaping table: sites may have other names. Connections are not concerned."""
        self._known.clear()

    def _destination(self, domain: str, hosts: tuple[Host, ...]) -> Destination:
        names = best_of(hosts)
        site = self._provider_of(domain, names) or first_of(hosts)
        of_hosts = site == (self._provider_of("", names) or first_of(hosts))
        name = name_of(hosts, "" if of_hosts else site)
        newest = self._newest.get((site, name))
        if newest is not None and newest.hosts == hosts:
            return newest
        self._learnt += 1
        made = self._newest[site, name] = Destination(site, name, hosts, self._learnt)
        return made


def first_of(hosts: tuple[Host, ...]) -> str:
    """The alphabetically first of the best."""
    return min(best_of(hosts))


def best_of(hosts: tuple[Host, ...]) -> tuple[str, ...]:
    """Names of those that mail goes to while they are well: who only has a provider for its backup is not the provider's."""
    return tuple([host.name for host in hosts if host.preference == hosts[0].preference])


def name_of(hosts: tuple[Host, ...], site: str = "") -> str:
    """The same for the same hosts in the same order of preference, whatever the numbers and the addresses.

    `site`: of domains that the table of providers gives to another one than their hosts, whose limits are not theirs.
    """
    first = first_of(hosts)
    if len(hosts) == 1 and not site:
        return first
    ranks = {preference: rank for rank, preference in enumerate(sorted({host.preference for host in hosts}))}
    text = " ".join([*sorted(f"{ranks[host.preference]}:{host.name}" for host in hosts), *filter(None, [site])])
    return f"{first}~{blake2b(text.encode(), digest_size=4).hexdigest()}"


class InUse:
    """The ways out that are open in the pool, and when each was last seen with work or a connection."""

    def __init__(self) -> None:
        self._seen: dict[str, float] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._seen

    def __len__(self) -> int:
        return len(self._seen)

    def used(self, key: str, now: float) -> None:
        """It has work, or gets it."""
        self._seen[key] = now

    def shut(self, key: str) -> None:
        """It is not open any more."""
        self._seen.pop(key, None)

    def idle(self, busy: Callable[[str], bool], now: float) -> list[str]:
        """Those that are to be shut: `busy` said no for SHUT_AFTER seconds. Ask it each second or so."""
        for key in self._seen:
            if busy(key):
                self._seen[key] = now
        return [key for key, seen in self._seen.items() if now - seen >= SHUT_AFTER]
