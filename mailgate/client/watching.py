"""Watch: the events of all gateways as one, begun again when a call breaks, with a mark where something may be missing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from types import TracebackType

from mailgate.client.client import GatewayClient
from mailgate.client.gateways import NEVER, Gateway, Gateways
from mailgate.client.retries import pause
from mailgate.client.views import Gap
from mailgate.errors import MailgateError, Unanswered, Unavailable
from mailgate.mail import Event

AHEAD = 1000
"""Events kept for a caller that is slow; beyond them gateways are not read, and end the watch of a caller that stays behind: a Gap."""

COMPANY = 1.0
"""Seconds that entering waits for gateways beyond the first one."""


class Watch:
    """An asynchronous context manager and iterator over events. Once entered (iterating enters too), nothing is missed without a Gap.

    A gateway tells what happens from now on; it does not go back. When its call breaks, a new one is begun, and a Gap is told first: ask
    `get` for the mails that you follow. Gateways that are away when the watch is entered are told by a Gap when they come.

    Raises what a gateway refuses, such as NotFound or ScopeMissing.
    """

    def __init__(
        self,
        gateways: Gateways,
        mail_id: bytes | None,
        holder: Callable[[], Awaitable[GatewayClient]] | None,
        within: float,
        *,
        over: Callable[[Watch], None],
    ) -> None:
        """`holder` finds the one gateway that has the mail; None: all are watched."""
        self._gateways, self._mail_id, self._holder, self._within, self._over = gateways, mail_id, holder, within, over
        self._told: asyncio.Queue[Event | Gap | MailgateError] = asyncio.Queue(AHEAD)
        self._tasks: list[asyncio.Task[None]] = []
        self._begun: dict[Gateway, asyncio.Event] = {}
        self._entered = self._closed = False

    async def __aenter__(self) -> Watch:
        """Raises Unavailable when no gateway is there, and what one refuses."""
        if not self._tasks and not self._closed:
            try:
                await self._enter()
            except BaseException:
                await self.aclose()
                raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    def __aiter__(self) -> Watch:
        return self

    async def __anext__(self) -> Event | Gap:
        await self.__aenter__()
        if self._closed:
            raise StopAsyncIteration
        told = await self._told.get()
        if isinstance(told, MailgateError):
            await self.aclose()
            raise told
        return told

    async def aclose(self) -> None:
        """End it."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._over(self)

    async def _enter(self) -> None:
        end = asyncio.get_running_loop().time() + self._within
        holder = None if self._holder is None else await self._holder()
        for gateway in await self._gateways.others((), end):
            if holder is None or gateway.client is holder:
                self._begin(gateway)
        if not self._begun:
            raise Unavailable(f"no gateway is known ({self._gateways!r})")
        waits = [asyncio.create_task(event.wait()) for event in self._begun.values()]
        loop = asyncio.get_running_loop()
        try:
            await asyncio.wait([*waits, *self._tasks], timeout=end - loop.time(), return_when=asyncio.FIRST_COMPLETED)
            if any(event.is_set() for event in self._begun.values()):
                await asyncio.wait(waits, timeout=COMPANY)
        finally:
            for wait in waits:
                wait.cancel()
        self._entered = True
        if holder is None:
            self._tasks.append(asyncio.create_task(self._grow(), name="watch others"))
        if not any(event.is_set() for event in self._begun.values()):
            refused = None if self._told.empty() else self._told.get_nowait()
            raise refused if isinstance(refused, MailgateError) else Unavailable(f"no gateway answers ({self._gateways!r})")

    def _begin(self, gateway: Gateway) -> None:
        self._begun[gateway] = asyncio.Event()
        self._tasks.append(asyncio.create_task(self._follow(gateway), name=f"watch {gateway.address}"))

    async def _grow(self) -> None:
        """Gateways that are told later."""
        while True:
            for gateway in await self._gateways.others(self._begun):
                self._begin(gateway)

    async def _follow(self, gateway: Gateway) -> None:
        """Watch one gateway for ever."""
        tries = 0
        while True:
            await self._gateways.back(gateway, NEVER, reading=True)
            tries += 1
            try:
                async with gateway.client.watch(self._mail_id, within=self._within) as events:
                    late = self._entered or self._begun[gateway].is_set()
                    self._begun[gateway].set()
                    if late:
                        await self._told.put(Gap(gateway.address))
                    async for event in events:
                        tries = 0
                        await self._told.put(event)
            except (Unanswered, Unavailable):
                pass
            except MailgateError as error:
                await self._told.put(error)
                return
            await asyncio.sleep(pause(tries, random.random()))  # noqa: S311
