"""Looks up, at the start and each hour, whether receivers can confirm the sources of this node; says what they will not like."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from typing import Protocol

from mailgate.telemetry.logs import get_logger
from sender.delivery.confirm import Confirmed, Found, Records, confirm, to_ask, worth_asking
from sender.delivery.mx import Answer, Got
from sender.delivery.sources import Sources
from sender.pool.source import Source

HOUR = 3600.0
"""Seconds between two looks: records change seldom, and no mail waits for what is found."""
AGAIN = 300.0
"""Seconds, where a name server did not answer."""

log = get_logger(__name__)


class Dns(Protocol):
    """A Stub, as it is needed here."""

    async def prepare(self) -> None:
        """Before the first question."""
        ...

    async def ask(self, name: str, kind: str) -> Answer:
        """The records of `A`, `AAAA` or `PTR`."""
        ...


class Confirming:
    """What is found is in the log when it is new, and in the standings of `sources`."""

    def __init__(self, sources: Sources, dns: Dns, random: Callable[[], float]) -> None:
        self._sources, self._dns, self._random = sources, dns, random
        self._told: dict[str, Confirmed] = {}
        self.changed = asyncio.Event()
        """To be set when the node has other sources."""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.changed.clear()
            asked = [standing.source for standing in self._sources.standings if worth_asking(standing.source)]
            if asked:
                await self._dns.prepare()
            answered = [await self.look(source) for source in asked]
            wait = (HOUR if all(answered) else AGAIN) * (0.9 + 0.2 * self._random())
            with suppress(TimeoutError):
                async with asyncio.timeout(wait if asked else None):
                    await self.changed.wait()

    async def look(self, source: Source) -> bool:
        """Look this one up. False: not all was answered; what was known of it stays, where that would be less."""
        forward = await self._addresses(source.helo) if not source.helo.startswith("[") else ()
        reverse = {address: await self._names(address) for address in to_ask(source, forward)}
        answered = forward is not None and None not in reverse.values()
        confirmed = confirm(source, Records(forward, reverse))
        if answered or confirmed.warnings:
            self._tell(source, confirmed)
        return answered

    def _tell(self, source: Source, confirmed: Confirmed) -> None:
        before = self._told.get(source.name, Confirmed())
        self._told[source.name] = confirmed
        self._sources.warn(source.name, confirmed.warnings)
        for words in confirmed.warnings:
            if words not in before.warnings:
                log.warning("source_unconfirmed", source=source.name, helo=source.helo, what=words)
        if confirmed.note and confirmed.note != before.note:
            log.info("source_behind_nat", source=source.name, what=confirmed.note)
        if before.warnings and not confirmed.warnings:
            log.info("source_confirmed", source=source.name, helo=source.helo)

    async def _addresses(self, name: str) -> Found:
        found: list[str] = []
        for kind in ("A", "AAAA"):
            answer = await self._dns.ask(name, kind)
            if answer.got is Got.FAILED:
                return None
            found += answer.addresses
        return tuple(found)

    async def _names(self, address: str) -> Found:
        answer = await self._dns.ask(ip_address(address).reverse_pointer, "PTR")
        return None if answer.got is Got.FAILED else answer.names
