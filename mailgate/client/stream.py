"""MailStream: items in, outcomes out, over all gateways at once. What the caller holds; the legs do the work (leg.py)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from contextlib import aclosing
from types import TracebackType

from mailgate.client.encode import batch_request, encoded, send_request
from mailgate.client.gateways import NEVER, Gateways
from mailgate.client.leg import Entry, Leg, unknown
from mailgate.client.views import Batch, Item, Outcome
from mailgate.errors import Invalid, MailgateError, TooLarge, Unavailable
from mailgate.mail import BatchReceipt, Mail, Receipt
from mailgate.rpc.channel import MAX_MESSAGE_BYTES

GOODBYE = 2.0
"""Seconds for gateways to end their calls when all is said."""

BREATH = 16
"""Items taken of a source that never waits before everybody else has a turn: encoding one takes some 30 µs."""


class MailStream:
    """An asynchronous iterator over the Outcome of each item, and a context manager; leaving it, or its client, ends it.

    There is a leg to each gateway, and an item goes to whichever has room. A mail's error is an outcome, not an exception. What a gateway
    refuses for now goes to another one, or waits. When a leg breaks, what has no receipt is sent again with the same keys, to that
    gateway alone; if it is away for `patience` seconds, the outcome is Unanswered. When no gateway is there for as long, everything that
    was taken gets its outcome, and then Unavailable is raised.

    At most `window` items, and `octets` of them, are taken from the source without their outcome being taken here: memory is bounded by
    them, and a source is not read ahead of a gateway that takes no more. Raised are errors of the stream as a whole, such as
    Unauthenticated, and what the source raises, after the outcomes of what was taken.
    """

    def __init__(
        self,
        gateways: Gateways,
        items: AsyncIterable[Item] | Iterable[Item],
        new_key: Callable[[], str],
        *,
        window: int,
        octets: int,
        patience: float,
        over: Callable[[MailStream], None],
    ) -> None:
        if window < 1:
            raise ValueError(f"window = {window}: at least one item must be under way")
        self._items, self._new_key, self._over = items, new_key, over
        self._window, self._max_octets = window, octets
        self._gateways, self._patience = gateways, patience
        self._legs = [Leg(gateway, gateways, self, patience) for gateway in gateways.all]
        self._tasks: list[asyncio.Task[None]] = []
        """The source's, and then one for each leg."""
        self._growing: asyncio.Task[None] | None = None
        self._free: deque[Entry] = deque()
        self._unsettled: dict[int, Entry] = {}
        self._outcomes: deque[tuple[Outcome, int]] = deque()
        self._held = self._octets = self._count = 0
        self._ended = self._closed = False
        self._failure: BaseException | None = None
        self._bell = asyncio.Event()

    def __repr__(self) -> str:
        return f"<MailStream {self._count} taken, {len(self._unsettled)} without outcome{', ended' if self.done else ''}>"

    async def __aenter__(self) -> MailStream:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    def __aiter__(self) -> MailStream:
        return self

    async def __anext__(self) -> Outcome:
        found = await self.take(1)
        if not found:
            raise StopAsyncIteration
        return found[0]

    async def take(self, most: int = 1000, *, wait: bool = True) -> list[Outcome]:
        """Up to so many outcomes, at least one; none: the stream is over. With `wait` False none is: there are none now."""
        if not self._tasks and not self._closed:
            self._tasks = [asyncio.create_task(self._pull(), name="stream source")]
            self._tasks += [asyncio.create_task(leg.run(), name=f"stream {leg!r}") for leg in self._legs]
            self._growing = asyncio.create_task(self._grow(), name="stream gateways")
        while not self._outcomes:
            if self._closed or self.done:
                await self.aclose()
                failure, self._failure = self._failure, None
                if failure is not None:
                    raise failure
                return []
            if not wait:
                return []
            await self.heard()
        found: list[Outcome] = []
        while self._outcomes and len(found) < most:
            outcome, octets = self._outcomes.popleft()
            self._held -= 1
            self._octets -= octets
            found.append(outcome)
        self.ring()
        return found

    async def aclose(self) -> None:
        """End it. What has no outcome yet may have been stored."""
        if self._closed:
            return
        self._closed = True
        self.ring()
        if self.done and (leaving := [task for leg, task in zip(self._legs, self._tasks[1:], strict=False) if leg.talking]):
            await asyncio.wait(leaving, timeout=GOODBYE)
        tasks = [*self._tasks, *filter(None, [self._growing])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._over(self)

    # What the legs use

    @property
    def done(self) -> bool:
        """Every item has its outcome, and no more will come."""
        return self._ended and not self._unsettled

    def next_free(self) -> Entry | None:
        """An item that any gateway may have."""
        return self._free.popleft() if self._free else None

    def give_back(self, entry: Entry) -> None:
        """It was certainly not stored where it was: another gateway may have it."""
        self._free.appendleft(entry)
        self.ring()

    def settle(self, entry: Entry, result: Receipt | BatchReceipt | MailgateError) -> None:
        """Its outcome."""
        if self._unsettled.pop(entry.number, None) is not None:
            self._outcomes.append((Outcome(entry.number, entry.item, entry.key, result), entry.octets))
            self.ring()

    def fail(self, error: BaseException) -> None:
        """Nothing more can be done: an outcome for everything that was taken, then the error."""
        self._failure = self._failure or error
        self._ended = True
        for entry in tuple(self._unsettled.values()):
            self.settle(entry, unknown(entry, str(error)) if entry.sent else Unavailable(f"it was not sent: {error}"))
        self._free.clear()
        self.ring()

    def leg_gave_up(self) -> None:
        """One that has no gateway for too long. When it is the last one, the stream fails."""
        if all(leg.gave_up for leg in self._legs):
            self.fail(Unavailable("no gateway was there for the time that the stream has patience"))

    async def heard(self) -> None:
        """Wait until something is different."""
        await self._bell.wait()

    def ring(self) -> None:
        """Something is different."""
        bell, self._bell = self._bell, asyncio.Event()
        bell.set()

    async def _grow(self) -> None:
        """Legs to gateways that are told later."""
        loop = asyncio.get_running_loop()
        while not self._closed:
            known = [leg.gateway for leg in self._legs]
            found = await self._gateways.others(known, NEVER if known else loop.time() + self._patience)
            for gateway in found:
                leg = Leg(gateway, self._gateways, self, self._patience)
                self._legs.append(leg)
                self._tasks.append(asyncio.create_task(leg.run(), name=f"stream {leg!r}"))
            if not found:
                self.fail(Unavailable(f"no gateway was told for the time that the stream has patience ({self._gateways!r})"))
                return

    # The source

    async def _pull(self) -> None:
        """The only one that reads the source: a generator must not be cancelled because some call broke."""
        try:
            async with aclosing(_asynchronous(self._items)) as items:
                async for item in items:
                    if self._ended:  # it has failed meanwhile
                        return
                    self._add(self._entry(item))
                    if self._count % BREATH == 0:
                        await asyncio.sleep(0)
                    while self._held >= self._window or self._octets >= self._max_octets:
                        await self.heard()
        except Exception as error:  # the caller's own: told when all else is
            self._failure = self._failure or error
        self._ended = True
        self.ring()

    def _add(self, entry: Entry) -> None:
        self._unsettled[entry.number] = entry
        self._held += 1
        self._octets += entry.octets
        if entry.fault is not None:
            self.settle(entry, entry.fault)
        else:
            self._free.append(entry)
            self.ring()

    def _entry(self, item: Item) -> Entry:
        number, key = self._count, ""
        self._count += 1
        if isinstance(item, tuple):
            item, key = item
        key = key or (item.idempotency_key if isinstance(item, Batch) else "") or self._new_key()
        entry = Entry(number, item, key)
        try:
            encoded(lambda: _fill(entry))
        except Invalid as error:
            entry.fault = error
        return entry


def _fill(entry: Entry) -> None:
    request = entry.request
    request.sequence = entry.number
    if isinstance(entry.item, Mail):
        request.send.CopyFrom(send_request(entry.item, entry.key))
    else:
        request.batch.CopyFrom(batch_request(entry.item.shared, entry.item.entries, entry.key))
    entry.octets = request.ByteSize()
    if entry.octets > MAX_MESSAGE_BYTES:
        entry.fault = TooLarge.field("request", f"it has {entry.octets:,} octets, a message may have {MAX_MESSAGE_BYTES:,}")


async def _asynchronous(items: AsyncIterable[Item] | Iterable[Item]) -> AsyncGenerator[Item, None]:
    if isinstance(items, AsyncGenerator):
        async with aclosing(items):
            async for item in items:
                yield item
    elif isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item
