"""Tells whoever watches what has become durable. Watchers are bounded; a call that waits for its mail is one kind of watcher."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from gateway.events.descriptions import Descriptions, enrich
from gateway.events.options import EventOptions
from gateway.ledger.fact import Fact
from gateway.ledger.port import MailRecord
from mailgate.errors import MailgateError, Unavailable
from mailgate.mail import Event, EventType
from mailgate.telemetry import names
from mailgate.telemetry.sample import Sample

Describe = Callable[[Iterable[bytes]], Awaitable[Mapping[bytes, MailRecord]]]
"""`Ledger.describe`."""

MAX_FRAME = 500
"""Events of one read: some 200 KB, and one question to the ledger."""

TOO_MANY_WAIT = 5.0
"""Seconds that a caller is told to wait where too many watch: somebody has to end a call first."""

_UNDECIDED = frozenset({EventType.ACCEPTED, EventType.RESENT})

_Key = bytes | str
"""What a watcher listens to: one mail, or all of a tenant's."""


class Watcher:
    """One WatchEvents call. `async with` it, then `read` until that raises; whoever does not read ends as too slow."""

    def __init__(self, hub: Hub, key: _Key, tenant: str, max_waiting: int) -> None:
        self._hub, self._key, self.tenant, self._max = hub, key, tenant, max_waiting
        self._facts: deque[Fact] = deque()
        self._more = asyncio.Event()
        self._end: MailgateError | None = None

    async def __aenter__(self) -> Watcher:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._hub._forget(self._key, self)

    async def read(self) -> Sequence[Event]:
        """Wait for events, and give at most MAX_FRAME in the order in which they became durable.

        Raises:
            Unavailable: the watcher was too slow, or the gateway stops; what was not read is not told again.
        """
        await self._more.wait()
        if self._end is not None:
            raise self._end
        facts = [self._facts.popleft() for _ in range(min(len(self._facts), MAX_FRAME))]
        if not self._facts:
            self._more.clear()
        return await self._hub._enrich(facts)

    def _tell(self, fact: Fact) -> None:
        if fact.tenant != self.tenant or self._end is not None:
            return
        if len(self._facts) >= self._max:
            text = (
                f"more than {self._max:,} events were waiting to be read here and are lost to this call: read faster, or watch single mails"
            )
            self._hub.dropped += 1
            self._finish(Unavailable(text))
            return
        self._facts.append(fact)
        self._more.set()

    def _finish(self, error: MailgateError) -> None:
        self._end = error
        self._facts.clear()
        self._more.set()


class Waiting:
    """A call that waits for its mail: done when each recipient had an attempt that came to something, or is beyond attempts."""

    def __init__(self, hub: Hub, mail_id: bytes, recipients: int) -> None:
        self._hub, self._mail_id = hub, mail_id
        self._open = set(range(recipients))
        self._over = asyncio.Event()

    async def __aenter__(self) -> Waiting:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._hub._forget(self._mail_id, self)

    def found(self, indexes: Iterable[int]) -> None:
        """These had their attempt before."""
        self._open.difference_update(indexes)
        if not self._open:
            self._over.set()

    async def attempted(self, seconds: float) -> bool:
        """Wait, at most so long. False: it elapsed, or the gateway stops, before every recipient had its attempt."""
        try:
            async with asyncio.timeout(max(seconds, 0)):
                await self._over.wait()
        except TimeoutError:
            pass
        return not self._open

    def _tell(self, fact: Fact) -> None:
        if fact.type in _UNDECIDED:
            return
        self.found((fact.index,))

    def _finish(self, _error: MailgateError) -> None:
        self._over.set()


class Hub:
    """One a gateway. `publish` never fails and costs next to nothing when nobody listens."""

    def __init__(self, describe: Describe, options: EventOptions | None = None) -> None:
        self._describe, self._options = describe, options or EventOptions()
        self._descriptions = Descriptions()
        self._watchers: Counter[str] = Counter()
        """By tenant."""
        self._listeners: dict[_Key, list[Watcher | Waiting]] = {}
        self._closed: MailgateError | None = None
        self.dropped = 0

    def __repr__(self) -> str:
        return f"<Hub, {sum(map(len, self._listeners.values()))} listening, {self.dropped} dropped>"

    @property
    def listening(self) -> bool:
        """Somebody listens: worth making facts for."""
        return bool(self._listeners)

    def publish(self, facts: Iterable[Fact]) -> None:
        """Tell these, which are durable."""
        listeners = self._listeners
        if not listeners:
            return
        find = listeners.get
        for fact in facts:
            for listener in find(fact.mail_id, ()):
                listener._tell(fact)
            for listener in find(fact.tenant, ()):
                listener._tell(fact)

    def watch(self, tenant: str, mail_id: bytes | None = None) -> Watcher:
        """Listen from now on to a tenant's mails, or to one of them. Leave the watcher's context to stop.

        Raises:
            Unavailable: too many watch already.
        """
        options = self._options
        if self._watchers[tenant] >= options.max_watchers_per_tenant:
            raise Unavailable(f"{self._watchers[tenant]} calls of this tenant watch already, as many as may: end one", TOO_MANY_WAIT)
        if self._watchers.total() >= options.max_watchers:
            raise Unavailable(f"{self._watchers.total()} calls watch this gateway already, as many as may: try again later", TOO_MANY_WAIT)
        key = tenant if mail_id is None else mail_id
        watcher = Watcher(self, key, tenant, options.max_waiting)
        self._watchers[tenant] += 1
        self._listen(key, watcher)
        return watcher

    def wait(self, mail_id: bytes, recipients: int) -> Waiting:
        """Listen for the first attempts of a mail that is yet to be accepted."""
        waiting = Waiting(self, mail_id, recipients)
        self._listen(mail_id, waiting)
        return waiting

    def close(self) -> None:
        """The gateway stops: waits are over with the states as they are, watchers are told to watch elsewhere."""
        self._closed = Unavailable("the gateway stops: watch again, here or at another one")
        for listener in [each for listeners in self._listeners.values() for each in listeners]:
            listener._finish(self._closed)

    def stats(self) -> Iterable[Sample]:
        """For telemetry."""
        yield Sample(names.WATCHERS, sum(map(len, self._listeners.values())))
        yield Sample(names.WATCHERS_DROPPED, self.dropped)

    def _listen(self, key: _Key, listener: Watcher | Waiting) -> None:
        self._listeners.setdefault(key, []).append(listener)
        if self._closed is not None:
            listener._finish(self._closed)

    def _forget(self, key: _Key, listener: Watcher | Waiting) -> None:
        listeners = self._listeners.get(key, [])
        if listener in listeners:
            listeners.remove(listener)
            if isinstance(listener, Watcher):
                self._watchers -= Counter([listener.tenant])
            if not listeners:
                del self._listeners[key]

    async def _enrich(self, facts: Sequence[Fact]) -> Sequence[Event]:
        mail_ids = {fact.mail_id for fact in facts}
        records = self._descriptions.known(mail_ids)
        if missing := mail_ids.difference(records):
            fresh = await self._describe(missing)
            self._descriptions.learn(fresh)
            records.update(fresh)
        return enrich(facts, records)
