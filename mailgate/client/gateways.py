"""Gateways: those that a client knows, which of them takes calls now, and whose turn it is.

Each has a channel of its own, because a key is known only to the gateway that has its mail: who tries again must be able to say where.
They are given, or told by a Discovery while the client runs: one that is told no more is used on as long as it is ready, since etcd's
trouble is not its own, and is forgotten after a while in which it was not.

Inside a channel gRPC's `round_robin` with client health checking connects again by itself, and shows a gateway that says NOT_SERVING, as
one does when it stops, as not ready (seen after 3 ms; asking for the state costs 0.4 µs).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection, Sequence
from contextlib import aclosing
from types import TracebackType
from zlib import crc32

import grpc

from mailgate.client.client import GatewayClient
from mailgate.client.discovery import Discovery, is_place, place_of
from mailgate.errors import Mistake, SettingsInvalid, Unavailable
from mailgate.etcd.options import EtcdOptions
from mailgate.rpc.address import check_target, split_address
from mailgate.rpc.tls import TlsOptions

SERVICE_CONFIG = json.dumps(
    {"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": "mailgate.api.mail.v1.MailService"}}
)

NEVER = float("inf")

LONGEST_ADDRESS = 300
"""Characters: a name has 253, and a port 5."""

FORGET = 600.0
"""Seconds that a gateway is kept which is told no more and not ready: longer than any call asks one again that may have its mail."""


class Gateway:
    """One of them. `client` makes its calls."""

    def __init__(self, client: GatewayClient) -> None:
        self.client = client
        self.address = client.address
        self.rests_until = 0.0
        """On the loop's clock: it asked not to be called before."""
        self.gone_since = NEVER
        """On the loop's clock: it is told no more."""

    @property
    def ready(self) -> bool:
        """Connected, and its health says SERVING."""
        return self.client.state() is grpc.ChannelConnectivity.READY


class Gateways:
    """An asynchronous context manager: opens the channels, and follows their states as long as it lasts."""

    def __init__(
        self,
        clients: Sequence[GatewayClient],
        discovery: Discovery | None = None,
        make: Callable[[str], GatewayClient] | None = None,
    ) -> None:
        """`make` a client for each address that `discovery` tells."""
        self.all = tuple(map(Gateway, clients))
        self._discovery, self._make = discovery, make
        if not self.all and discovery is None:
            raise ValueError("no address: give at least one gateway's")
        self._turn = 0
        self._changed = asyncio.Event()
        self._closed = False
        self._followers: dict[Gateway, asyncio.Task[None]] = {}
        self._discovering: list[asyncio.Task[None]] = []

    def __repr__(self) -> str:
        known = ", ".join(f"{each.address}{'' if each.ready else ' (not ready)'}" for each in self.all)
        return f"{known or 'none'} of {self._discovery!r}" if self._discovery is not None else known

    async def __aenter__(self) -> Gateways:
        for gateway in self.all:
            await self._begin(gateway)
        if self._discovery is not None:
            self._discovering = [asyncio.create_task(self._discover(self._discovery), name="discovery")]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._closed = True
        self._changed.set()
        for task in (*self._discovering, *self._followers.values()):
            task.cancel()
        await asyncio.gather(*self._discovering, *self._followers.values(), return_exceptions=True)
        for gateway in self.all:
            await gateway.client.__aexit__(kind, error, trace)

    def pick(self, key: str = "", *, but: frozenset[Gateway] = frozenset(), reading: bool = False) -> Gateway | None:
        """One that takes calls now: with `key` always the same one while it does, otherwise each in its turn. None: there is none.

        `reading`: one that has refused mail for now will do.
        """
        now = asyncio.get_running_loop().time()
        if not self.all:
            return None
        if key and len(self.all) > 1:
            order: Sequence[Gateway] = sorted(self.all, key=lambda each: crc32(f"{each.address} {key}".encode(errors="replace")))
        else:
            self._turn = turn = (self._turn + 1) % len(self.all)
            order = (*self.all[turn:], *self.all[:turn]) if turn else self.all
        for gateway in order:
            if gateway not in but and (reading or gateway.rests_until <= now) and gateway.ready:
                return gateway
        return None

    async def free(self, until: float, key: str = "", *, but: frozenset[Gateway] = frozenset(), reading: bool = False) -> Gateway:
        """The same; it waits for one, up to `until` (on the loop's clock).

        Raises:
            Unavailable: there was none.
        """
        while (found := self.pick(key, but=but, reading=reading)) is None:
            others = [each for each in self.all if each not in but]
            rests = min((each.rests_until for each in others if each.ready), default=NEVER)
            known = bool(others) or self._discovery is None
            hopeless = not reading and known and all(each.rests_until >= until for each in others)
            if hopeless or (not await self._change(min(until, rests)) and rests >= until):
                raise Unavailable(f"no gateway takes calls now ({self!r}): nothing was stored")
        return found

    async def back(self, gateway: Gateway, until: float = NEVER, *, reading: bool = False) -> bool:
        """Wait until it takes calls; False: it did not, up to `until` (on the loop's clock)."""
        loop = asyncio.get_running_loop()
        while not (gateway.ready and (reading or gateway.rests_until <= loop.time())):
            if loop.time() >= until:
                return False
            await self._change(min(until, gateway.rests_until if gateway.ready else NEVER))
        return True

    async def _change(self, until: float) -> bool:
        """Wait for a change of some gateway's state; False: it is `until`."""
        if self._closed:
            raise RuntimeError("the client was closed while a call was under way")
        try:
            async with asyncio.timeout_at(None if until == NEVER else until):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True

    async def _follow(self, gateway: Gateway) -> None:
        state = gateway.client.state()
        while True:
            await gateway.client.changed(state)
            state = gateway.client.state()
            self._ring()

    def _ring(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def others(self, known: Collection[Gateway], until: float = NEVER) -> tuple[Gateway, ...]:
        """Gateways beyond these; it waits for some, up to `until` (on the loop's clock): then there are none."""
        while not (found := tuple(each for each in self.all if each not in known)):
            if not await self._change(until):
                break
        return found

    async def _begin(self, gateway: Gateway) -> None:
        await gateway.client.__aenter__()
        self._followers[gateway] = asyncio.create_task(self._follow(gateway), name=f"follow {gateway.address}")

    async def _discover(self, discovery: Discovery) -> None:
        async with aclosing(discovery.addresses()) as told:
            async for addresses in told:
                await self._become(addresses)

    async def _become(self, addresses: Collection[str]) -> None:
        """These are told now."""
        assert self._make is not None  # noqa: S101
        now = asyncio.get_running_loop().time()
        for gateway in self.all:
            gateway.gone_since = NEVER if gateway.address in addresses else min(gateway.gone_since, now)
        for gateway in [each for each in self.all if each.gone_since + FORGET < now and not each.ready]:
            self.all = tuple(each for each in self.all if each is not gateway)
            self._followers.pop(gateway).cancel()
            await gateway.client.__aexit__(None, None, None)
        known = {each.address for each in self.all}
        for address in addresses:
            if address not in known and is_address(address):
                gateway = Gateway(self._make(address))
                await self._begin(gateway)
                self.all = (*self.all, gateway)
        self._ring()


def is_address(text: str) -> bool:
    """It is `host:port`: anybody may have written it."""
    try:
        return len(text) <= LONGEST_ADDRESS and split_address(text, "")[1] > 0
    except SettingsInvalid:
        return False


def gateways_at(addresses: Sequence[str], key: str, tls: TlsOptions | None, etcd: EtcdOptions | None = None) -> Gateways:
    """Those of these addresses, each once; or those that `etcd://…`, alone, tells of.

    Raises:
        SettingsInvalid: an address is not `host:port`, or etcd can't be asked.
    """
    further = (("grpc.service_config", SERVICE_CONFIG),)

    def make(address: str) -> GatewayClient:
        return GatewayClient(address, key, tls, further=further)

    if any(map(is_place, addresses)):
        if len(addresses) > 1:
            raise SettingsInvalid([Mistake("addresses", repr(list(addresses)), "etcd tells all gateways: give its address alone")])
        return Gateways((), Discovery(place_of(addresses[0], etcd)), make)
    for address in addresses:
        check_target(address, "addresses")
    return Gateways([make(address) for address in dict.fromkeys(addresses)])
