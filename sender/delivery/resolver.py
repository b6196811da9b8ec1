"""Looks domains up: dnspython asks, what it heard is kept for as long as its TTL says, and mx.py says what follows from it.

A question that is being asked is not asked a second time beside it, so a thousand domains of one provider cost its hosts one look-up. There
is no task and no timer for what is only known: it is looked at when it is next needed, and the oldest goes when there is too much. While
nobody answers, what was known before goes on being used for an hour (RFC 8767).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from mailgate.telemetry.logs import get_logger
from sender.delivery.mx import Answer, Got, Here, Host, Nowhere, destination, exchanges, failed, literal
from sender.delivery.stub import Stub, is_own
from sender.pool.turns import Turns

KEPT_LEAST, KEPT_MOST = 60.0, 3600.0
"""Seconds that records are kept, whatever their TTL: a TTL of 0 must not cost a look-up a mail, and a day must not hold up who moves."""
NEGATIVE_MOST = 900.0
"""Seconds that "there is none" is kept at the most (RFC 2308 5 would allow hours): whoever mends his domain gets mail soon."""
FAILED_KEPT = 15.0
"""Seconds in which a question that failed is not asked again."""
AT_LEAST = 1.0
"""Seconds that what was found holds, though a part of it should end sooner: whoever asked has to use it."""
STALE = 3600.0
"""Seconds past its time for which an answer is used while nobody gives another."""
MOST = 50_000
"""Answers that are kept: 10,000 domains with hosts of their own. About 1 KB each."""
AT_ONCE = 200
"""Questions under way; others wait. Each has a socket of its own."""
PROMPT, PATIENCE = 64, 0.1
"""Of these, so many that are not older than so many seconds: as for dials (turns.py), as each is a third of a millisecond of work."""

log = get_logger(__name__)

Ask = Callable[[str, str], Awaitable[Answer]]
"""Asks for records of a name (`MX`, `A`, `AAAA`): never raises but for being cancelled."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """Where a domain's mail goes, or that it goes nowhere. `until`: monotonic seconds; it is to be asked anew then."""

    hosts: tuple[Host, ...] | Nowhere
    until: float


@dataclass(frozen=True, slots=True)
class Counts:
    """Since the start, and `known` now."""

    asked: int = 0
    failed: int = 0
    """Of `asked`: no answer that says yes or no."""
    stale: int = 0
    """Of `failed`: what was known before was used."""
    known: int = 0


@dataclass(frozen=True, slots=True)
class _Known:
    """An answer. Not asked again before `until`; its time was over at `fresh`, which is earlier where it is used for want of another."""

    answer: Answer
    until: float
    fresh: float


class Resolver:
    """See the module. `ask`: a Stub's (stub.py). `clock` in monotonic seconds."""

    def __init__(self, ask: Ask, here: Here, *, clock: Callable[[], float] = time.monotonic, most: int = MOST) -> None:
        self._ask, self._here, self._clock, self._most = ask, here, clock, most
        self._known: dict[tuple[str, str], _Known] = {}
        """By name and kind, the oldest first."""
        self._flights: dict[tuple[str, str], asyncio.Task[_Known]] = {}
        self._places, self._turns = asyncio.Semaphore(AT_ONCE), Turns(PROMPT, PATIENCE)
        self._counts = Counts()

    def __repr__(self) -> str:
        return f"<Resolver known={len(self._known)} asking={len(self._flights)}>"

    def stats(self) -> Counts:
        """As of now."""
        return replace(self._counts, known=len(self._known))

    async def resolve(self, domain: str) -> Resolved:
        """The hosts of a domain, in A-labels and lower case, or of an address literal. Never raises but for being cancelled."""
        try:
            return await self._resolve(domain)
        except Exception:
            log.exception("look_up_failed", domain=domain)
            return Resolved(failed(domain, "a defect of the node: see its log"), self._clock() + FAILED_KEPT)

    async def _resolve(self, domain: str) -> Resolved:
        if (fixed := literal(domain, self._here)) is not None:
            return Resolved(fixed, self._clock() + KEPT_MOST)
        mail = await self._get(domain, "MX")
        listed = exchanges(domain, mail.answer, self._here)
        if isinstance(listed, Nowhere):
            return Resolved(listed, max(mail.until, self._clock() + AT_LEAST))
        questions = [(host, kind) for _, host in listed for kind in ("A", "AAAA")]
        known = await asyncio.gather(*[self._get(host, kind) for host, kind in questions])
        found: dict[str, list[Answer]] = {}
        for (host, _), each in zip(questions, known, strict=True):
            found.setdefault(host, []).append(each.answer)
        hosts = destination(domain, listed, found, self._here, implicit=not mail.answer.exchanges)
        return Resolved(hosts, max(min([mail.until, *[each.until for each in known]]), self._clock() + AT_LEAST))

    async def close(self) -> None:
        """Gives up what is being asked."""
        flights = list(self._flights.values())
        for task in flights:
            task.cancel()
        if flights:
            await asyncio.wait(flights)

    async def _get(self, name: str, kind: str) -> _Known:
        """What is known, or what is asked now, by whomever."""
        known = self._known.get((name, kind))
        if known is not None and self._clock() < known.until:
            return known
        flight = self._flights.get((name, kind))
        if flight is None:
            flight = asyncio.get_running_loop().create_task(self._fly(name, kind), name=f"look up {kind} {name}")
            self._flights[name, kind] = flight
        return await asyncio.shield(flight)

    async def _fly(self, name: str, kind: str) -> _Known:
        try:
            async with self._places, self._turns.one():
                answer = await self._ask(name, kind)
            return self._learn((name, kind), answer, self._clock())
        finally:
            del self._flights[name, kind]

    def _learn(self, key: tuple[str, str], answer: Answer, now: float) -> _Known:
        counts, before = self._counts, self._known.pop(key, None)
        failed, stale = answer.got is Got.FAILED, False
        learnt = _Known(answer, now + kept(answer), now + kept(answer))
        if failed and before is not None and before.answer.got is Got.FOUND and now < before.fresh + STALE:
            learnt, stale = replace(before, until=learnt.until), True
        self._counts = replace(counts, asked=counts.asked + 1, failed=counts.failed + failed, stale=counts.stale + stale)
        if len(self._known) >= self._most:
            del self._known[next(iter(self._known))]
        self._known[key] = learnt
        return learnt


def kept(answer: Answer) -> float:
    """For how many seconds an answer holds."""
    if answer.got is Got.FAILED:
        return FAILED_KEPT
    most = KEPT_MOST if answer.got is Got.FOUND else NEGATIVE_MOST
    return min(max(answer.ttl, KEPT_LEAST), most)


def by_system() -> Resolver:
    """With the system's name servers, for whoever was not told others."""
    return Resolver(Stub().ask, Here(is_own=is_own))
