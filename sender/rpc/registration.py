"""Keeps this node registered with one gateway of a list, and moves on when that one is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import grpc

from mailgate import __version__
from mailgate.api.node.v1 import node_registry_service_pb2 as pb
from mailgate.api.node.v1 import node_registry_service_pb2_grpc
from mailgate.errors import SettingsInvalid
from mailgate.rpc.address import is_loopback, split_address
from mailgate.rpc.channel import bearer, open_node_channel
from mailgate.rpc.tls import TlsOptions
from mailgate.telemetry import names
from mailgate.telemetry.logs import get_logger
from mailgate.telemetry.sample import Sample

ANSWER = 5.0
"""Seconds that a gateway has to answer, before the next one is asked."""
FIRST, LONGEST = 0.1, 3.0
"""Seconds between tries; doubled each time up to the longest, and stretched by chance."""
LEAVE = 2.0
"""Seconds to say goodbye."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Self:
    """Who this node is."""

    node_id: str
    boot_id: bytes
    address: str


class Registration:
    """`run` until cancelled; `leave` tells the gateway that no jobs are wanted any more, and ends `run`."""

    def __init__(self, me: Self, gateways: Sequence[str], fleet_token: str, tls: TlsOptions | None, random: Callable[[], float]) -> None:
        self._me, self._gateways, self._token, self._tls, self._random = me, tuple(gateways), fleet_token, tls, random
        self._leaving = asyncio.Event()
        self._left = asyncio.Event()
        self.registered_with = ""

    def stats(self) -> Iterable[Sample]:
        """For telemetry."""
        yield Sample(names.REGISTERED, int(bool(self.registered_with)))

    async def run(self) -> None:
        """Register, again and again."""
        wait, place, told = FIRST, 0, ""
        self._warn_in_clear()
        while not self._leaving.is_set():
            gateway = self._gateways[place % len(self._gateways)]
            try:
                reason = await self._with(gateway)
            except SettingsInvalid as error:  # a file of the certificates is gone, or half written, since the start
                reason = str(error)
            if self.registered_with:
                wait, told = FIRST, ""
                self.registered_with = ""
            if self._leaving.is_set():
                break
            if reason != told:
                log.warning("not_registered", gateway=gateway, reason=reason)
                told = reason
            place += 1
            try:
                async with asyncio.timeout(wait * (0.5 + self._random())):
                    await self._leaving.wait()
            except TimeoutError:
                wait = min(LONGEST, wait * 2)
        self._left.set()

    def _warn_in_clear(self) -> None:
        """Of a token that others could read on its way, and join the fleet with."""
        if not self._token or self._tls is not None:
            return
        for gateway in self._gateways:
            if not is_loopback(split_address(gateway, "sender.gateways")[0]):
                log.warning("token_in_clear", gateway=gateway, consequence="who reads it can join the fleet: set sender.gateway_tls")

    async def leave(self) -> None:
        """Deregister; done when the gateway knows, or has had its time."""
        self._leaving.set()
        try:
            async with asyncio.timeout(LEAVE):
                await self._left.wait()
        except TimeoutError:
            log.warning("left_without_goodbye")

    async def _with(self, gateway: str) -> str:
        """One life of a registration; why it ended. A gateway that hangs is left within 3 s, sooner than its lease ends."""
        async with open_node_channel(gateway, self._tls, "sender.gateway_tls") as channel:
            stub = node_registry_service_pb2_grpc.NodeRegistryServiceStub(channel)  # type: ignore[no-untyped-call]
            call = stub.Register(metadata=bearer(self._token))
            try:
                async with asyncio.timeout(ANSWER):
                    await call.write(self._request())
                    answer = await call.read()
                if answer is grpc.aio.EOF:
                    return f"{(await call.code()).name}: {await call.details()}"
                self.registered_with = gateway
                log.info("registered", gateway=gateway, address=self._me.address)
                return await self._stay(call)
            except TimeoutError:
                return f"no answer within {ANSWER:g} s"
            except asyncio.InvalidStateError:
                return f"{(await call.code()).name}: {await call.details()}"
            except grpc.aio.AioRpcError as error:
                return f"{error.code().name}: {error.details()}"
            finally:
                call.cancel()

    async def _stay(self, call: grpc.aio.StreamStreamCall[pb.RegisterRequest, pb.RegisterResponse]) -> str:
        """Until the stream breaks or the node leaves: then say so, and wait until the gateway has closed the stream."""
        broken = asyncio.ensure_future(call.read())
        leaving = asyncio.ensure_future(self._leaving.wait())
        try:
            await asyncio.wait((broken, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not broken.done():
                await call.write(self._request(leaving=True))
                await call.done_writing()
                await asyncio.wait((broken,), timeout=LEAVE)
                return "this node leaves"
            return "the gateway closed the registration"
        finally:
            for waiting in (broken, leaving):
                waiting.cancel()
            await asyncio.gather(broken, leaving, return_exceptions=True)

    def _request(self, *, leaving: bool = False) -> pb.RegisterRequest:
        me = self._me
        return pb.RegisterRequest(node_id=me.node_id, boot_id=me.boot_id, address=me.address, version=__version__, leaving=leaving)
