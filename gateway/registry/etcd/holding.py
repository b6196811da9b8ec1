"""Holding: what this gateway keeps in etcd under its lease, and what it still has to take away.

Every put and delete compares first: a value has the registration's number in it, so that "still the value that I put" means that nobody has
registered since. So all of them may be tried again, and one that was hung can't undo what another took over.

A put whose answer was lost may be taken at any time later, when nobody here holds it: it is seen in what is followed, and taken away.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from mailgate.errors import Unavailable
from mailgate.etcd.client import Etcd, pause
from mailgate.etcd.entries import Condition, Entry, delete_if, holds, put_if, read, unchanged
from mailgate.etcd.failure import EtcdRefused, Failure
from mailgate.etcd.followed import Change
from mailgate.etcd.lease import Lease
from mailgate.etcd.trouble import Trouble
from mailgate.telemetry.logs import get_logger
from mailgate.telemetry.sample import Sample

MOST_DOUBTFUL = 1000
"""Puts without an answer that are remembered; the oldest have been taken or never will be."""
WAKING = 0.1
"""Seconds after the loss of a lease until its entries are put again: a gateway that was stopped for so long hears first which of its nodes'
streams have broken, and what others have registered meanwhile."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Held:
    """A value that this gateway keeps, and the revision of its last put (0: etcd has not had it yet)."""

    value: bytes
    revision: int = 0
    own: bool = False
    """No other gateway has a say in it."""


class Holding:
    """`run` it, and tell it what is `heard` of the keys."""

    def __init__(self, etcd: Etcd, ttl: timedelta, chance: Callable[[], float] = random.random) -> None:
        self._etcd, self._chance = etcd, chance
        self._ttl = ttl.total_seconds()
        self._lease = Lease(etcd, ttl, self._granted, chance)
        self._held: dict[bytes, Held] = {}
        self._absent: dict[bytes, float] = {}
        """Held keys that are to be put, and when."""
        self._leaving: dict[tuple[bytes, bytes], float] = {}
        """Entries that are to be taken away, and when."""
        self._doubtful: dict[tuple[bytes, bytes], None] = {}
        """Puts under way, and those of which nobody knows whether etcd has taken them, or will. The oldest first."""
        self._bell = asyncio.Event()
        self._replaced: dict[tuple[bytes, bytes], asyncio.Event] = {}
        """Set when another value stands in the place of one that was held."""
        self._trouble = Trouble(log, "etcd_entries_wait", "etcd_entries_went")

    def __repr__(self) -> str:
        return f"<Holding {len(self._held)}, {len(self._absent)} to put, {len(self._leaving)} to take away>"

    def __len__(self) -> int:
        return len(self._held)

    def stats(self) -> Iterable[Sample]:
        """For telemetry."""
        return self._lease.stats()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._lease.run(), name="etcd lease")
            tasks.create_task(self._tend(), name="etcd entries")

    def keep(self, key: bytes, value: bytes) -> None:
        """Put it as soon as etcd can, and keep it there; for a key that is this gateway's alone."""
        self._held[key] = Held(value, own=True)
        self._absent[key] = 0.0
        self._bell.set()

    async def take(self, key: bytes, make: Callable[[int], bytes], may: Callable[[bytes | None], None], within: float) -> int:
        """Put `make(number)` in place of whatever stands there, and keep it. The number, higher than any that the key has had.

        `may` is given what stands there (None: nothing), and raises what it likes where that may not be replaced.

        Raises:
            Unavailable: etcd has not answered. It may hold the entry all the same; then it is taken away.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + within
        while True:
            there, number = await self._next(key, end - loop.time())
            may(None if there is None else there.value)
            value = make(number)
            self._doubt(key, value)
            if revision := await self._put(key, value, unchanged(key, there), end):
                self._holds(key, Held(value, revision))
                return number
            self._doubtful.pop((key, value), None)  # somebody was quicker: it will never be taken

    async def drop(self, key: bytes, value: bytes, after: float, within: float) -> None:
        """Take it away after so many seconds, if it still stands there then. With 0 it is gone on return, unless etcd is away."""
        if self._value(key) == value:
            del self._held[key]
            self._absent.pop(key, None)
        self._leaving[key, value] = asyncio.get_running_loop().time() + after
        if after <= 0:
            with contextlib.suppress(Unavailable, EtcdRefused):  # it is tried again
                await self._delete(key, value, within)
        self._bell.set()

    async def replaced(self, key: bytes, value: bytes) -> None:
        """Wait until another value stands there, though this one was held."""
        if self._value(key) != value:
            return
        event = self._replaced.setdefault((key, value), asyncio.Event())
        try:
            await event.wait()
        finally:
            self._replaced.pop((key, value), None)

    def heard(self, changes: Sequence[Change]) -> None:
        """What etcd says of the keys: entries that are another's now, that are missing, or that nobody here holds."""
        now = asyncio.get_running_loop().time()
        for change in changes:
            key, value, mine = change.key, change.value, self._held.get(change.key)
            if value is not None and (key, value) in self._doubtful:  # not for long, where the put is only under way
                self._leaving.setdefault((key, value), now + self._ttl)
            elif mine is None or change.revision <= mine.revision:
                continue
            elif value is None or (mine.own and value != mine.value):
                self._absent.setdefault(key, now + WAKING)
            elif value != mine.value:
                self._lose(key)
        self._bell.set()

    # Within

    async def _next(self, key: bytes, within: float) -> tuple[Entry | None, int]:
        """What stands there, and a number that no put of this key has had: the revision that the next change of the store will have."""
        there, revision = await read(self._etcd, key, within)
        return there, revision + 1

    def _doubt(self, key: bytes, value: bytes) -> None:
        self._doubtful[key, value] = None
        if len(self._doubtful) > MOST_DOUBTFUL:
            del self._doubtful[next(iter(self._doubtful))]

    def _value(self, key: bytes) -> bytes | None:
        held = self._held.get(key)
        return None if held is None else held.value

    def _holds(self, key: bytes, held: Held) -> None:
        self._doubtful.pop((key, held.value), None)
        self._leaving.pop((key, held.value), None)
        self._absent.pop(key, None)
        before = self._value(key)
        self._held[key] = held
        if before != held.value:
            self._end(key, before)

    def _lose(self, key: bytes) -> None:
        value = self._held.pop(key).value
        self._absent.pop(key, None)
        self._end(key, value)

    def _end(self, key: bytes, value: bytes | None) -> None:
        if value is not None and (waiting := self._replaced.get((key, value))) is not None:
            waiting.set()

    def _granted(self, _lease: int) -> None:
        due = asyncio.get_running_loop().time() + WAKING
        for key in self._held:
            self._absent.setdefault(key, due)
        self._bell.set()

    async def _tend(self) -> None:
        """Put what is missing, take away what is due."""
        loop = asyncio.get_running_loop()
        tries = 0
        while True:
            self._bell.clear()
            try:
                await self._due(loop.time())
            except (Unavailable, EtcdRefused) as error:
                self._trouble.tell(str(error), to_put=len(self._absent), to_take_away=len(self._leaving))
                tries += 1
                await asyncio.sleep(pause(tries, self._chance()))
                continue
            tries = 0
            self._trouble.over()
            try:
                async with asyncio.timeout_at(min((*self._absent.values(), *self._leaving.values()), default=None)):
                    await self._bell.wait()
            except TimeoutError:
                pass

    async def _due(self, now: float) -> None:
        for key in [key for key, due in self._absent.items() if due <= now]:
            await self._put_again(key)
        for key, value in [entry for entry, due in self._leaving.items() if due <= now]:
            await self._delete(key, value, None)

    async def _put_again(self, key: bytes) -> None:
        """Unless another value stands there, which none of ours may replace."""
        held, due = self._held.get(key), self._absent.pop(key, 0.0)
        if held is None:
            return
        try:
            revision = await self._put_held(key, held, asyncio.get_running_loop().time() + self._ttl)
            if self._held.get(key) is not held:
                return  # it was dropped, or taken once more, meanwhile
            if revision:
                self._held[key] = replace(held, revision=revision)
                return
            there, _ = await read(self._etcd, key)
            if there is not None and there.value != held.value and self._held.get(key) is held:
                self._lose(key)
            else:
                self._absent.setdefault(key, due)
        except BaseException:
            self._absent.setdefault(key, due)
            raise

    async def _put_held(self, key: bytes, held: Held, end: float) -> int:
        if held.own:
            return await self._put(key, held.value, None, end)
        return await self._put(key, held.value, unchanged(key, None), end) or await self._put(key, held.value, holds(key, held.value), end)

    async def _put(self, key: bytes, value: bytes, condition: Condition | None, end: float) -> int:
        """Under the lease, if the condition holds, or it is there already under it: its revision; 0: it does not hold.

        Tried until the loop's clock is at `end`.
        """
        loop = asyncio.get_running_loop()
        while True:
            lease = await self._lease.there(end - loop.time())
            try:
                put = await put_if(self._etcd, key, value, lease, condition, end - loop.time())
            except EtcdRefused as refused:
                if refused.kind is not Failure.NO_LEASE:
                    raise
                self._lease.doubt(lease)
                await asyncio.sleep(pause(1, self._chance()))
                continue
            there = put.there
            return there.revision if there is not None and (there.value, there.lease) == (value, lease) else put.revision

    async def _delete(self, key: bytes, value: bytes, within: float | None) -> None:
        await delete_if(self._etcd, key, value, within)
        if self._value(key) != value:
            self._leaving.pop((key, value), None)
            self._doubtful.pop((key, value), None)
