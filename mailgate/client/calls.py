"""Calls: one call over the gateways, tried again until its deadline where that is safe."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from mailgate.client.client import GatewayClient
from mailgate.client.gateways import Gateway, Gateways
from mailgate.client.retries import pause
from mailgate.errors import ContentMissing, MailgateError, Unanswered, Unavailable

T = TypeVar("T")

Call = Callable[[GatewayClient, float], Awaitable[T]]
"""One try at a gateway, with the seconds that it may take."""

SHORTEST = 0.001
"""Seconds that a try may take at least: gRPC wants a deadline in the future."""


class Calls:
    """See MailClient for the rules."""

    def __init__(self, gateways: Gateways) -> None:
        self._gateways = gateways

    async def read(self, call: Call[T], within: float) -> T:
        """A call that stores nothing: any gateway may be asked, any time."""
        return await self._again(lambda end: self._gateways.free(end, reading=True), call, within)

    async def read_from(self, gateway: Gateway, call: Call[T], within: float) -> T:
        """The same of one gateway. Raises Unavailable when it is not there."""

        async def same(end: float) -> Gateway:
            if not await self._gateways.back(gateway, end, reading=True):
                raise Unavailable(f"the gateway at {gateway.address} does not answer")
            return gateway

        return await self._again(same, call, within)

    async def _again(self, choose: Callable[[float], Awaitable[Gateway]], call: Call[T], within: float) -> T:
        end = asyncio.get_running_loop().time() + within
        last: MailgateError | None = None
        tries = 0
        while True:
            try:
                gateway = await choose(end)
            except Unavailable:
                if last is not None:
                    raise last from None
                raise
            tries += 1
            try:
                return await _attempt(gateway, call, end)
            except (Unanswered, Unavailable) as error:
                last = error
                await _wait(tries, error, end)

    async def write(self, call: Call[T], within: float, key: str, *, own: bool) -> T:
        """A call with an idempotency key. `own`: the caller's, which prefers one gateway to others.

        Raises:
            Unanswered: the gateway that may have stored it did not come back in time.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + within
        last: Unavailable | None = None
        lacking: frozenset[Gateway] = frozenset()
        tries = 0
        while True:
            try:
                gateway = self._gateways.pick(key if own else "", but=lacking) or await self._gateways.free(
                    end, key if own else "", but=lacking
                )
            except Unavailable:
                if last is not None:
                    raise last from None
                raise
            tries += 1
            try:
                return await call(gateway.client, max(end - loop.time(), SHORTEST))
            except Unanswered as error:
                error.idempotency_key = key
                return await self._find_out(gateway, call, end, error)
            except Unavailable as error:
                last = error
                rest(gateway, tries, error)
            except ContentMissing:
                lacking |= {gateway}
                if self._gateways.pick(but=lacking) is None:
                    raise

    async def _find_out(self, gateway: Gateway, call: Call[T], end: float, doubt: Unanswered) -> T:
        """The call may have been stored: only this gateway knows. Whatever it refuses for now, the doubt remains."""
        tries = 1
        await _wait(tries, doubt, end)
        while True:
            if not await self._gateways.back(gateway, end):
                raise doubt
            tries += 1
            try:
                return await _attempt(gateway, call, end)
            except Unanswered:
                await _wait(tries, doubt, end)
            except Unavailable as error:
                rest(gateway, tries, error)


def rest(gateway: Gateway, tries: int, error: Unavailable | Unanswered) -> None:
    """It has asked not to be called for a while, or broke."""
    asked = error.retry_after if isinstance(error, Unavailable) else 0.0
    until = asyncio.get_running_loop().time() + pause(tries, random.random(), asked)  # noqa: S311
    gateway.rests_until = max(gateway.rests_until, until)


def _attempt(gateway: Gateway, call: Call[T], end: float) -> Awaitable[T]:
    return call(gateway.client, max(end - asyncio.get_running_loop().time(), SHORTEST))


async def _wait(tries: int, error: MailgateError, end: float) -> None:
    """Until the next try. Raises `error` when the deadline comes first."""
    loop = asyncio.get_running_loop()
    seconds = pause(tries, random.random(), getattr(error, "retry_after", 0.0))  # noqa: S311
    if loop.time() + seconds >= end:
        raise error
    await asyncio.sleep(seconds)
