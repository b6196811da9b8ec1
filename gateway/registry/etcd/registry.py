"""EtcdRegistry: the port over etcd. Nodes are entries under the lease of the gateway that registered them.

While etcd is away what was known stays known, a node that registers is told to try again, and what is to be removed waits. A gateway that
dies leaves its entries to its lease; the nodes register with others within a second, which take the entries over where they stand.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from types import TracebackType

from gateway.registry.etcd.drains import Drains
from gateway.registry.etcd.holding import Holding
from gateway.registry.etcd.options import RegistryOptions
from gateway.registry.etcd.record import Unreadable, decode, encode
from gateway.registry.etcd.roster import Roster
from gateway.registry.port import ANY, Drain, NodeRecord, Over, check_over
from mailgate.config.secret import HIDDEN
from mailgate.errors import Mistake, SettingsInvalid, Unavailable
from mailgate.etcd.client import Etcd
from mailgate.etcd.entries import may_write, read
from mailgate.etcd.failure import EtcdRefused, Failure
from mailgate.etcd.followed import Change, Followed
from mailgate.etcd.naming import encode as encode_address
from mailgate.telemetry import names
from mailgate.telemetry.logs import get_logger
from mailgate.telemetry.sample import Sample

ANSWER = 4.0
"""Seconds that a registration may take: a node waits for 5 s, and then asks another gateway."""
START = 2.0
"""Seconds that etcd has to let a starting gateway in, before that starts without it."""
GRACE = 3.0
"""Lease times that nodes stay of which etcd has lost too many at once."""
LEAVE = 1.0
"""Seconds that a stopping gateway gives etcd to forget it."""
AGAIN = 2.0
"""Seconds after a fault of ours until etcd is followed again."""

log = get_logger(__name__)


class EtcdRegistry:
    """An asynchronous context manager: the channels to etcd. `run` it; see the port for the rest."""

    def __init__(self, options: RegistryOptions, gateway_id: str, chance: Callable[[], float] = random.random) -> None:
        self._gateway_id = gateway_id
        self._nodes, self._gateways = f"{options.prefix}/nodes/".encode(), f"{options.prefix}/gateways/".encode()
        self._ttl = options.ttl.total_seconds()
        self.etcd = Etcd(options, chance)
        self._holding = Holding(self.etcd, options.ttl, chance)
        self._followed = Followed(self.etcd, self._nodes, self._heard, chance)
        self._own = Followed(self.etcd, self._gateways + gateway_id.encode(), lambda changes, _: self._holding.heard(changes), chance)
        self._drains = Drains(self.etcd, f"{options.prefix}/drains/".encode(), self._tell, chance)
        self._roster = Roster(self._nodes, GRACE * self._ttl)
        self._watchers: set[asyncio.Event] = set()
        self._published = b""
        self._stack = AsyncExitStack()

    def __repr__(self) -> str:
        return f"<EtcdRegistry {self.etcd!r} {self._followed!r} {self._holding!r}>"

    async def __aenter__(self) -> EtcdRegistry:
        await self._stack.enter_async_context(self.etcd)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._stack.aclose()

    def stats(self) -> Iterable[Sample]:
        """For telemetry."""
        yield Sample(names.ETCD_LIVE, int(self._followed.live))
        yield Sample(names.ETCD_LISTS, self._followed.lists)
        yield Sample(names.REGISTRY_HELD, len(self._holding))
        yield Sample(names.REGISTRY_MISSING, self._roster.missing)
        yield Sample(names.REGISTRY_UNREADABLE, self._roster.unreadable)
        yield from self._holding.stats()
        yield from self.etcd.stats()

    async def run(self) -> None:
        """Follow and hold, until cancelled. A fault of ours ends neither the gateway nor this: traffic does not depend on it."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._again(self._followed.run), name="etcd nodes")
            tasks.create_task(self._again(self._holding.run), name="etcd holding")
            tasks.create_task(self._again(self._own.run), name="etcd own entry")
            tasks.create_task(self._again(self._drains.run), name="etcd drains")
            tasks.create_task(self._again(self._forget), name="etcd missing")

    async def register(self, record: NodeRecord, over: Over = ANY) -> NodeRecord:
        """See the port."""

        def make(number: int) -> bytes:
            return encode(replace(record, registration=number), self._gateway_id)

        def may(value: bytes | None) -> None:
            check_over(record, self._read(record.node_id, value), over)

        try:
            number = await self._holding.take(self._key(record), make, may, ANSWER)
        except EtcdRefused as refused:
            raise _refusal(refused) from None
        return replace(record, registration=number)

    async def find(self, node_id: str) -> NodeRecord | None:
        """See the port."""
        try:
            there, _ = await read(self.etcd, self._nodes + node_id.encode(), ANSWER)
        except EtcdRefused as refused:
            raise _refusal(refused) from None
        return None if there is None else self._read(node_id, there.value)

    async def release(self, record: NodeRecord) -> None:
        """See the port."""
        await self._holding.drop(self._key(record), self._value(record), self._ttl, 0.0)

    async def remove(self, record: NodeRecord) -> None:
        """See the port."""
        await self._holding.drop(self._key(record), self._value(record), 0.0, LEAVE)

    async def replaced(self, record: NodeRecord) -> None:
        """See the port."""
        await self._holding.replaced(self._key(record), self._value(record))

    async def watch(self) -> AsyncIterator[tuple[NodeRecord, ...]]:
        """See the port."""
        with self._watching() as changed:
            while True:
                changed.clear()
                if self._followed.lists:
                    yield self._roster.records
                await changed.wait()

    async def drain(self, node_id: str, drain: Drain) -> None:
        """See the port."""
        try:
            await self._drains.put(node_id, drain, ANSWER)
        except EtcdRefused as refused:
            raise _refusal(refused) from None

    async def resume(self, node_id: str) -> bool:
        """See the port."""
        try:
            return await self._drains.delete(node_id, ANSWER)
        except EtcdRefused as refused:
            raise _refusal(refused) from None

    @property
    def drains(self) -> Mapping[str, Drain]:
        """See the port."""
        return self._drains.nodes

    async def watch_drains(self) -> AsyncIterator[Mapping[str, Drain]]:
        """See the port."""
        with self._watching() as changed:
            while True:
                changed.clear()
                if self._drains.known:
                    yield self.drains
                await changed.wait()

    def publish(self, address: str) -> None:
        """See the port."""
        self._published = encode_address(address)
        self._holding.keep(self._gateways + self._gateway_id.encode(), self._published)

    async def withdraw(self) -> None:
        """See the port."""
        if self._published:
            await self._holding.drop(self._gateways + self._gateway_id.encode(), self._published, 0.0, LEAVE)

    # Within

    def _heard(self, changes: Sequence[Change], listed: bool) -> None:
        missing = self._roster.missing
        for node_id, why in self._roster.hear(changes, listed, asyncio.get_running_loop().time()):
            log.warning("registry_entry_unreadable", node=node_id, reason=why, consequence="it is passed over")
        self._holding.heard(changes)
        if self._roster.missing > missing:
            log.warning("registry_lost_many", nodes=self._roster.missing, kept_for=GRACE * self._ttl)
        self._tell()

    @contextmanager
    def _watching(self) -> Iterator[asyncio.Event]:
        changed = asyncio.Event()
        self._watchers.add(changed)
        try:
            yield changed
        finally:
            self._watchers.discard(changed)

    def _tell(self) -> None:
        for changed in self._watchers:
            changed.set()

    async def _forget(self) -> None:
        """What was missing for too long."""
        loop = asyncio.get_running_loop()
        async for _ in self.watch():
            while (due := self._roster.due) is not None:
                await asyncio.sleep(max(0.0, due - loop.time()))
                self._roster.expire(loop.time())
                self._tell()

    async def _again(self, run: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await run()
            except Exception:
                log.exception("registry_failed", retry_after=AGAIN)
            await asyncio.sleep(AGAIN)

    def _key(self, record: NodeRecord) -> bytes:
        return self._nodes + record.node_id.encode()

    def _value(self, record: NodeRecord) -> bytes:
        return encode(record, self._gateway_id)

    def _read(self, node_id: str, value: bytes | None) -> NodeRecord | None:
        try:
            return None if value is None else decode(node_id, value)
        except Unreadable:
            return None


@asynccontextmanager
async def open_registry(options: RegistryOptions, gateway_id: str) -> AsyncIterator[EtcdRegistry]:
    """The registry, after a look whether etcd lets us in.

    One that is away does not keep a gateway from starting: mail is taken all the same, and nodes register when it is back.

    Raises:
        SettingsInvalid: etcd does not take the user, the certificate, or what the user wants; or is none of the authorities'.
    """
    async with EtcdRegistry(options, gateway_id) as registry:
        try:
            await may_write(registry.etcd, f"{options.prefix}/".encode(), START)
        except EtcdRefused as refused:
            raise SettingsInvalid([_mistake(options, refused)]) from None
        except Unavailable as away:
            if "CERTIFICATE_VERIFY_FAILED" in str(away) or "Hostname Verification" in str(away):
                cure = f"the members' certificates are not believed: give the PEM file of their authority, and server_name ({away})"
                raise SettingsInvalid([Mistake("etcd.ca", repr(options.ca), cure)]) from None
            log.warning(
                "etcd_not_reached", reason=str(away), consequence="nodes can't register until it is; the gateway starts all the same"
            )
        yield registry


def _mistake(options: RegistryOptions, refused: EtcdRefused) -> Mistake:
    """Which of the settings etcd does not take."""
    if refused.kind is Failure.CREDENTIALS:
        return Mistake(
            "etcd.password", HIDDEN, f"etcd does not take {options.username!r} with this password ({refused}): mend username or it"
        )
    if refused.kind is Failure.NO_USER:
        return Mistake("etcd.username", '""', "this etcd asks for a user: set username, and password or password_file")
    if refused.kind is Failure.FORBIDDEN:
        cure = f"it may not read and write below {options.prefix}/: grant a role of it readwrite with that prefix"
        return Mistake("etcd.username", repr(options.username), cure)
    return Mistake("etcd.endpoints", repr(list(options.endpoints)), f"etcd refuses: {refused}")


def _refusal(refused: EtcdRefused) -> Unavailable:
    """The operator must mend it, and a node may try again until then."""
    return Unavailable(f"etcd refuses what the registry asks: {refused}")
