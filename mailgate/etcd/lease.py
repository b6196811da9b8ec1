"""Lease: kept alive each third of its time, and granted anew when it has run out.

etcd gives a lease its whole time again after a change of its leader, or a restart of its own: one that could not be kept alive because etcd
was away is still there when etcd is back. Whether it is, its answer says: a time of 0 or less means that lease and keys are gone.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from datetime import timedelta

from mailgate.errors import Unavailable
from mailgate.etcd.client import Etcd, pause
from mailgate.etcd.failure import EtcdRefused
from mailgate.etcd.trouble import Trouble
from mailgate.telemetry import names
from mailgate.telemetry.logs import get_logger
from mailgate.telemetry.sample import Sample

PART = 3
"""Renewals in a lease's time, so that two may fail."""

log = get_logger(__name__)


class Lease:
    """`run` it. `granted` is called with each new lease's name: whatever lived by the one before is gone, and must be put again."""

    def __init__(self, etcd: Etcd, ttl: timedelta, granted: Callable[[int], None], chance: Callable[[], float] = random.random) -> None:
        self._etcd, self._ttl, self._granted, self._chance = etcd, ttl, granted, chance
        self._id = 0
        self._there = asyncio.Event()
        self._doubted = asyncio.Event()
        self._trouble = Trouble(log, "etcd_lease_not_kept", "etcd_lease_kept")
        self.lost = 0
        """How often it had run out."""

    def __repr__(self) -> str:
        return f"<Lease {self._id:x}>" if self._id else "<Lease (none)>"

    def stats(self) -> Iterable[Sample]:
        """For telemetry."""
        yield Sample(names.ETCD_LEASES_LOST, self.lost)

    async def there(self, within: float) -> int:
        """Its name. Raises Unavailable when there is none for so many seconds."""
        try:
            async with asyncio.timeout(within):
                await self._there.wait()
        except TimeoutError:
            raise Unavailable(f"etcd does not answer ({self._trouble.reason or 'it has granted no lease yet'})") from None
        return self._id

    def doubt(self, lease: int) -> None:
        """A call was told that there is no such lease: look at once."""
        if lease == self._id:
            self._doubted.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            seconds = await self._obtain()
            await self._keep(seconds)
            self._there.clear()
            self.lost += 1
            log.warning("etcd_lease_lost", consequence="what lived by it is put again")

    async def revoke(self, within: float) -> None:
        """End it with all that lives by it. Raises Unavailable, EtcdRefused."""
        self._there.clear()
        lease, self._id = self._id, 0
        if lease:
            await self._etcd.revoke(lease, within)

    async def _obtain(self) -> float:
        """A new one: its seconds."""
        tries = 0
        while True:
            try:
                lease = await self._etcd.grant(self._ttl)
            except (Unavailable, EtcdRefused) as error:
                self._trouble.tell(str(error))
                tries += 1
                await asyncio.sleep(pause(tries, self._chance()))
                continue
            self._trouble.over()
            self._id = lease.id
            self._doubted.clear()
            self._there.set()
            self._granted(lease.id)
            return float(lease.ttl)

    async def _keep(self, seconds: float) -> None:
        """Until it has run out."""
        tries = 0
        while True:
            try:
                async with asyncio.timeout(pause(tries, self._chance()) if tries else seconds / PART):
                    await self._doubted.wait()
            except TimeoutError:
                pass
            self._doubted.clear()
            try:
                if await self._etcd.keep_alive(self._id, seconds / PART) <= 0:
                    return
                tries = 0
                self._trouble.over()
            except (Unavailable, EtcdRefused) as error:
                self._trouble.tell(str(error))
                tries += 1
