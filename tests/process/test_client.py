"""The SDK before real gateways that are killed, stopped and started again: nothing is lost, nothing is stored twice."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator

import pytest

from benchmarks.peers.fleet import KEY, Fleet
from benchmarks.peers.process import wait_until
from benchmarks.peers.witness import Witness
from mailgate.client import (
    Address,
    Attachment,
    BlockingMailClient,
    Mail,
    MailClient,
    OnDoubt,
    Outcome,
    Parts,
    Receipt,
    RecipientState,
)

COUNT = 1500


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witness]:
    """A receiver that keeps the record."""
    with Witness(tmp_path_factory.mktemp("witness")) as running:
        yield running


@pytest.fixture(scope="module")
def pair(witness: Witness, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Fleet, Fleet]]:
    """Two gateways, each with a ledger and a node of its own."""
    with (
        Fleet(tmp_path_factory.mktemp("one"), witness.port, senders=1) as one,
        Fleet(tmp_path_factory.mktemp("two"), witness.port, senders=1) as two,
    ):
        yield one, two


def mail(name: str) -> Mail:
    """To a recipient of its own; HOLD, so that a receiver that sees it twice was given two mails."""
    to = (Address(f"{name}@example.net"),)
    return Mail(Address("a@example.com"), to=to, content=Parts("Hi", "text"), on_doubt=OnDoubt.HOLD)


async def killing(fleet: Fleet, name: str) -> AsyncIterator[Mail]:
    """COUNT mails, between which the gateway is killed twice and started again."""
    for number in range(COUNT):
        if number in (COUNT // 3, 2 * COUNT // 3):
            fleet.gateway.kill()
            fleet.gateway.start()
        yield mail(f"{name}.{number}")


def check_delivery(witness: Witness, fleets: tuple[Fleet, ...], name: str) -> None:
    """When all is done, each recipient was sent to once, or is in doubt; nobody twice."""
    doubts: set[str] = set()
    for fleet in fleets:
        with fleet.door() as door:
            wait_until(lambda door=door: door.waiting() == 0, f"it does not drain\n{fleet.tails()}", 60)
            doubts.update(email for doubt in door.doubts() for email in doubt.emails)
    times = Counter(recipient for seen in witness.seen() for recipient in seen.recipients if recipient.startswith(f"{name}."))
    assert not {recipient for recipient, count in times.items() if count > 1}
    assert {*times, *(email for email in doubts if email.startswith(f"{name}."))} == {
        f"{name}.{number}@example.net" for number in range(COUNT)
    }


async def test_a_stream_survives_kills_of_its_gateway(pair: tuple[Fleet, Fleet], witness: Witness) -> None:
    """It waits for it, and sends again what has no receipt."""
    fleet, _ = pair
    async with MailClient(fleet.address, KEY) as client:
        outcomes: list[Outcome] = [outcome async for outcome in client.stream(killing(fleet, "stream"))]
    receipts = [outcome.result for outcome in outcomes if isinstance(outcome.result, Receipt)]
    assert len(receipts) == len({receipt.mail_id for receipt in receipts}) == COUNT
    await asyncio.to_thread(check_delivery, witness, (fleet,), "stream")


async def test_calls_survive_kills_of_their_gateway(pair: tuple[Fleet, Fleet], witness: Witness) -> None:
    """Each is tried again there, with its key, until it is answered."""
    fleet, _ = pair
    source = killing(fleet, "call")
    receipts: list[Receipt] = []
    lock = asyncio.Lock()

    async def caller(client: MailClient) -> None:
        while True:
            async with lock:
                one = await anext(source, None)
            if one is None:
                return
            receipts.append(await client.send(one, within=60))

    async with MailClient(fleet.address, KEY) as client, asyncio.TaskGroup() as tasks:
        for _ in range(32):
            tasks.create_task(caller(client))
    assert len({receipt.mail_id for receipt in receipts}) == COUNT
    await asyncio.to_thread(check_delivery, witness, (fleet,), "call")


async def test_a_gateway_that_stops_hands_its_part_over(pair: tuple[Fleet, Fleet], witness: Witness) -> None:
    """SIGTERM in the middle of a stream over two: the other one takes the rest, and every mail has its receipt."""
    one, two = pair

    async def source() -> AsyncIterator[Mail]:
        stopping = None
        for number in range(COUNT):
            if number == COUNT // 3:
                stopping = asyncio.create_task(asyncio.to_thread(one.gateway.stop))
            yield mail(f"handed.{number}")
            await asyncio.sleep(0.001)
        assert stopping is not None
        assert await stopping == 0

    async with MailClient([one.address, two.address], KEY) as client:
        outcomes = [outcome async for outcome in client.stream(source())]
        receipts = [outcome.result for outcome in outcomes if isinstance(outcome.result, Receipt)]
        assert len(receipts) == len({receipt.mail_id for receipt in receipts}) == COUNT, [
            outcome for outcome in outcomes if not isinstance(outcome.result, Receipt)
        ][:3]
        await asyncio.to_thread(one.gateway.start)
        await asyncio.to_thread(one.wait_ready)
        assert (await client.get(receipts[0].mail_id)).total == 1
    await asyncio.to_thread(check_delivery, witness, pair, "handed")


async def test_a_file_is_uploaded_once_and_named(pair: tuple[Fleet, Fleet], witness: Witness) -> None:
    """Three mebibytes, at both gateways; mails that name it carry it."""
    data = os.urandom(3_000_000)
    one = mail("file")
    async with MailClient([each.address for each in pair], KEY) as client:
        digest = await client.upload(data)
        named = Mail(one.from_address, to=one.to, content=one.content, attachments=(Attachment(b"", "file.bin", digest=digest),))
        for _ in range(2):
            receipt = await client.send(named, wait=20)
            assert receipt.recipients[0].state is RecipientState.DELIVERED
        assert await client.upload(data) == digest
    sizes = [seen.octets for seen in witness.seen() if "file@example.net" in seen.recipients]
    assert len(sizes) == 2
    assert min(sizes) > len(data) * 4 / 3


def test_a_script_sends_and_hears(pair: tuple[Fleet, Fleet]) -> None:
    """The blocking client, with a wait, a stream and events."""
    with BlockingMailClient([each.address for each in pair], KEY) as client:
        assert client.send(mail("script"), wait=20).recipients[0].state is RecipientState.DELIVERED
        outcomes = list(client.stream(mail(f"script.{number}") for number in range(300)))
        assert len({outcome.result.mail_id for outcome in outcomes if isinstance(outcome.result, Receipt)}) == 300
        receipt = client.send(mail("watched"))
        assert client.get(receipt.mail_id).total == 1
