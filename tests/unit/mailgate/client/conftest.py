"""Toy gateways, and a client of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from mailgate.client import Address, Mail, MailClient, Parts
from tests.unit.mailgate.client.toy_gateway import KEY, ToyGateway


def mail(subject: str = "Hi", to: str = "b@example.com") -> Mail:
    """One."""
    return Mail(Address("a@example.com"), to=(Address(to),) if to else (), content=Parts(subject, "text"))


async def until(true: Callable[[], object]) -> None:
    """Look every few milliseconds, as long as the test may last."""
    while not true():  # noqa: ASYNC110
        await asyncio.sleep(0.005)


@pytest.fixture
async def pair() -> AsyncIterator[tuple[ToyGateway, ToyGateway]]:
    """Two gateways, open."""
    both = await ToyGateway().start(), await ToyGateway().start()
    yield both
    for each in both:
        each.hold.set()
        await each.stop()


@pytest.fixture
async def client(pair: tuple[ToyGateway, ToyGateway]) -> AsyncIterator[MailClient]:
    """Of both, connected."""
    async with MailClient([each.address for each in pair], KEY) as opened:
        for gateway in opened._gateways.all:
            assert await opened._gateways.back(gateway, float("inf"))
        yield opened
