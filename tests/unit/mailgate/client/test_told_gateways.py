"""Gateways that are told while a client runs: those that come are used at once, those that go as long as they take calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from mailgate.client.client import GatewayClient
from mailgate.client.discovery import Discovery
from mailgate.client.gateways import SERVICE_CONFIG, Gateways
from mailgate.client.mail_client import MailClient
from mailgate.client.views import Gap
from mailgate.errors import Unavailable
from tests.unit.mailgate.client.conftest import mail, until
from tests.unit.mailgate.client.toy_gateway import KEY, ToyGateway

Pair = tuple[ToyGateway, ToyGateway]


class Told:
    """Tells what a test says."""

    def __init__(self) -> None:
        self._lists: asyncio.Queue[tuple[str, ...]] = asyncio.Queue()

    def __repr__(self) -> str:
        return "a test"

    def tell(self, *gateways: ToyGateway, further: tuple[str, ...] = ()) -> None:
        """These and no others."""
        self._lists.put_nowait((*(gateway.address for gateway in gateways), *further))

    async def addresses(self) -> AsyncGenerator[tuple[str, ...], None]:
        while True:
            yield await self._lists.get()


@asynccontextmanager
async def following(told: Told) -> AsyncIterator[MailClient]:
    """A client of what is told."""

    def make(address: str) -> GatewayClient:
        return GatewayClient(address, KEY, further=(("grpc.service_config", SERVICE_CONFIG),))

    client = MailClient("127.0.0.1:1")
    client._begin(Gateways((), cast(Discovery, told), make))
    async with client:
        yield client


def ready(client: MailClient) -> set[str]:
    return {gateway.address for gateway in client._gateways.all if gateway.ready}


async def test_a_call_waits_for_the_first(pair: Pair):
    """As it does for one that is away; what is no address is passed over."""
    told = Told()
    async with following(told) as client:
        with pytest.raises(Unavailable, match="none of a test"):
            await client.send(mail(), within=0.05)
        sending = asyncio.ensure_future(client.send(mail(), within=10))
        await asyncio.sleep(0.02)
        told.tell(pair[0], further=("no address", "127.0.0.1:0"))
        await sending
        assert len(pair[0].stored) == 1
        assert len(client._gateways.all) == 1


async def test_a_watch_and_a_stream_use_those_that_come(pair: Pair):
    """A Gap tells of the new one in a watch, a stream sends to it."""
    told = Told()
    told.tell(pair[0])
    async with following(told) as client, client.watch() as events:
        more = asyncio.Event()

        async def mails() -> AsyncIterator[object]:
            yield mail("first")
            await more.wait()
            for number in range(50):
                yield mail(str(number))
                await asyncio.sleep(0.001)

        stream = client.stream(mails())  # type: ignore[arg-type]
        await anext(stream)
        told.tell(*pair)
        while not isinstance(heard := await anext(events), Gap):
            pass
        assert heard == Gap(pair[1].address)
        pair[1].publish("x")
        while (heard := await anext(events)) and (isinstance(heard, Gap) or heard.metadata.get("subject") != "x"):
            pass
        await until(lambda: all(leg.talking for leg in stream._legs) and len(stream._legs) == 2)
        more.set()
        assert len([outcome async for outcome in stream]) == 50
        assert pair[1].stored


async def test_one_that_is_told_no_more_is_used_while_it_takes_calls(pair: Pair, monkeypatch: pytest.MonkeyPatch):
    """Etcd's trouble is not its own. Not ready for long enough, it is forgotten; told again, it is known again."""
    told = Told()
    told.tell(*pair)
    async with following(told) as client:
        await until(lambda: len(ready(client)) == 2)
        told.tell()
        await asyncio.sleep(0.05)
        for _ in range(4):
            await client.send(mail(), within=10)
        assert all(each.stored for each in pair)
        await pair[0].stop()
        await until(lambda: ready(client) == {pair[1].address})
        told.tell(pair[1])
        await asyncio.sleep(0.05)
        assert len(client._gateways.all) == 2, "it may be back, and only it knows some keys"
        monkeypatch.setattr("mailgate.client.gateways.FORGET", 0.0)
        told.tell(pair[1])
        await until(lambda: len(client._gateways.all) == 1)
        await pair[0].start()
        told.tell(*pair)
        await until(lambda: len(ready(client)) == 2)
