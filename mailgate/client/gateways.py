"""Gateways: those that a client knows, which of them takes calls now, and whose turn it is.

Each has a channel of its own, because a key is known only to the gateway that has its mail: who tries again must be able to say where.
Inside a channel gRPC's `round_robin` with client health checking connects again by itself, and shows a gateway that says NOT_SERVING, as
one does when it stops, as not ready (seen after 3 ms; asking for the state costs 0.4 µs).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from zlib import crc32

import grpc

from mailgate.client.client import GatewayClient
from mailgate.errors import Unavailable
from mailgate.rpc.address import split_address
from mailgate.rpc.tls import TlsOptions

SERVICE_CONFIG = json.dumps(
    {"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": "mailgate.api.mail.v1.MailService"}}
)

NEVER = float("inf")


class Gateway:
    """One of them. `client` makes its calls."""

    def __init__(self, client: GatewayClient) -> None:
        self.client = client
        self.address = client.address
        self.rests_until = 0.0
        """On the loop's clock: it asked not to be called before."""

    @property
    def ready(self) -> bool:
        """Connected, and its health says SERVING."""
        return self.client.state() is grpc.ChannelConnectivity.READY


class Gateways:
    """An asynchronous context manager: opens the channels, and follows their states as long as it lasts."""

    def __init__(self, clients: Sequence[GatewayClient]) -> None:
        self.all = tuple(map(Gateway, clients))
        if not self.all:
            raise ValueError("no address: give at least one gateway's")
        self._turn = 0
        self._changed = asyncio.Event()
        self._closed = False
        self._followers: list[asyncio.Task[None]] = []
        self._stack = AsyncExitStack()

    def __repr__(self) -> str:
        return ", ".join(f"{each.address}{'' if each.ready else ' (not ready)'}" for each in self.all)

    async def __aenter__(self) -> Gateways:
        for gateway in self.all:
            await self._stack.enter_async_context(gateway.client)
        self._followers = [asyncio.create_task(self._follow(gateway), name=f"follow {gateway.address}") for gateway in self.all]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._closed = True
        self._changed.set()
        for follower in self._followers:
            follower.cancel()
        await asyncio.gather(*self._followers, return_exceptions=True)
        await self._stack.aclose()

    def pick(self, key: str = "", *, but: frozenset[Gateway] = frozenset(), reading: bool = False) -> Gateway | None:
        """One that takes calls now: with `key` always the same one while it does, otherwise each in its turn. None: there is none.

        `reading`: one that has refused mail for now will do.
        """
        now = asyncio.get_running_loop().time()
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
            hopeless = not reading and all(each.rests_until >= until for each in others)
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
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()


def gateways_at(addresses: Sequence[str], key: str, tls: TlsOptions | None) -> Gateways:
    """Those of these addresses, each once.

    Raises:
        SettingsInvalid: an address is not `host:port`.
    """
    for address in addresses:
        if "/" not in address and not address.startswith("unix:"):
            split_address(address, "addresses")
    further = (("grpc.service_config", SERVICE_CONFIG),)
    return Gateways([GatewayClient(address, key, tls, further=further) for address in dict.fromkeys(addresses)])
