"""MailStream over gateways that refuse, break, stop and come back: each item has one outcome, and each mail is stored once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from mailgate.client import Batch, BatchEntry, BatchReceipt, MailClient, Outcome, Receipt
from mailgate.errors import Invalid, StorageBroken, TooLarge, Unanswered, Unauthenticated, Unavailable
from mailgate.mail import Address, Attachment, Mail
from mailgate.rpc.channel import MAX_MESSAGE_BYTES
from tests.unit.mailgate.client.conftest import mail, until
from tests.unit.mailgate.client.toy_gateway import KEY, Break, Lose, ToyGateway

Pair = tuple[ToyGateway, ToyGateway]


async def collect(stream: AsyncIterator[Outcome]) -> list[Outcome]:
    """All outcomes, by the number of their item."""
    return sorted([outcome async for outcome in stream], key=lambda outcome: outcome.number)


def stored(pair: Pair) -> list[str]:
    return sorted(pair[0].mails + pair[1].mails)


async def test_every_item_has_its_outcome(client: MailClient, pair: Pair) -> None:
    """Mails, mails with a key of the caller's, batches; from an ordinary iterable too."""
    batch = Batch(mail("batch", to=""), [BatchEntry(to=(Address("c@example.com"),)), BatchEntry()])
    outcomes = await collect(client.stream([mail("one"), (mail("two"), "my-key"), batch]))
    assert [outcome.number for outcome in outcomes] == [0, 1, 2]
    assert isinstance(outcomes[0].result, Receipt)
    assert outcomes[1].idempotency_key == "my-key"
    assert outcomes[2].item is batch
    assert isinstance(outcomes[2].result, BatchReceipt)
    assert [type(result) for result in outcomes[2].result.results] == [Receipt, Invalid]
    assert stored(pair) == ["batch", "one", "two"]


async def test_an_error_of_a_mail_is_a_value(client: MailClient, pair: Pair) -> None:
    """What the gateway refuses, what cannot be encoded, and what is too large to be sent at all; the others go on."""
    large = Mail(Address("a@example.com"), attachments=(Attachment(bytes(MAX_MESSAGE_BYTES)),))
    outcomes = await collect(client.stream([mail("x", to=""), mail("good"), mail("\udcff"), large, mail("good")]))
    assert [type(outcome.result) for outcome in outcomes] == [Invalid, Receipt, Invalid, TooLarge, Receipt]
    assert stored(pair) == ["good", "good"]


async def test_both_gateways_have_a_part(client: MailClient, pair: Pair) -> None:
    """A stream of many mails goes to all of them."""
    outcomes = await collect(client.stream(mail(f"{number:03}") for number in range(300)))
    assert stored(pair) == [f"{number:03}" for number in range(300)]
    assert all(isinstance(outcome.result, Receipt) for outcome in outcomes)
    assert all(each.stored for each in pair)


@pytest.mark.parametrize("fault", [Break, Lose])
async def test_a_broken_call_sends_again_what_has_no_receipt(client: MailClient, pair: Pair, fault: object) -> None:
    """To the gateway that may have it, with the same keys: stored once, answered once, however often it breaks."""
    for each in pair:
        each.faults.extend([None, fault, None, None, fault, fault, None])
    outcomes = await collect(client.stream((mail(f"{number:03}") for number in range(100)), window=20))
    assert [outcome.number for outcome in outcomes] == list(range(100))
    assert all(isinstance(outcome.result, Receipt) for outcome in outcomes)
    assert stored(pair) == [f"{number:03}" for number in range(100)]


async def test_what_broken_storage_may_have_stays_with_its_gateway(client: MailClient, pair: Pair) -> None:
    """A commit that failed may be there when the gateway is back: no other one is given the mail."""
    for each in pair:
        each.faults.extend([StorageBroken("fsync failed")] * 5)
    outcomes = await collect(client.stream(mail(f"{number:03}") for number in range(20)))
    assert all(isinstance(outcome.result, Receipt) for outcome in outcomes)
    assert stored(pair) == [f"{number:03}" for number in range(20)]


async def test_a_gateway_that_stops_for_good_leaves_doubts_as_outcomes(client: MailClient, pair: Pair) -> None:
    """What it may have is Unanswered, with its key; everything else goes to the other one."""
    pair[0].hold.clear()

    async def source() -> AsyncIterator[Mail]:
        for number in range(30):
            yield mail(f"{number:03}")
            await asyncio.sleep(0.002)
        await pair[0].stop()

    outcomes = await collect(client.stream(source(), patience=0.5))
    doubtful = [outcome for outcome in outcomes if isinstance(outcome.result, Unanswered)]
    assert doubtful
    assert all(isinstance(each.result, Unanswered) and each.result.idempotency_key == each.idempotency_key for each in doubtful)
    assert all(isinstance(outcome.result, Receipt) for outcome in outcomes if outcome not in doubtful)
    assert len(pair[1].stored) == 30 - len(doubtful)


async def test_a_restart_in_the_middle_loses_and_doubles_nothing(pair: Pair) -> None:
    """One gateway only: the stream waits for it."""
    one, _ = pair

    async def source() -> AsyncIterator[Mail]:
        for number in range(60):
            if number == 30:
                await one.stop()
                await asyncio.sleep(0.1)
                await one.start()
            yield mail(f"{number:03}")

    async with MailClient(one.address, KEY) as client:
        outcomes = await collect(client.stream(source()))
    assert all(isinstance(outcome.result, Receipt) for outcome in outcomes)
    assert one.mails == [f"{number:03}" for number in range(60)]


async def test_a_draining_gateway_hands_its_part_over(client: MailClient, pair: Pair) -> None:
    """What it refuses after the word was not stored: the other one has it, and nothing is lost."""
    stream = client.stream(slowly(80, pair))
    outcomes = await collect(stream)
    assert all(isinstance(outcome.result, Receipt) for outcome in outcomes)
    assert stored(pair) == [f"{number:03}" for number in range(80)]
    assert len(pair[1].stored) > len(pair[0].stored)


async def slowly(count: int, pair: Pair) -> AsyncIterator[Mail]:
    for number in range(count):
        if number == count // 4:
            pair[0].draining.set()
            await pair[0].serving(False)
        yield mail(f"{number:03}")
        await asyncio.sleep(0.001)


async def test_a_refusal_for_now_is_tried_again(client: MailClient, pair: Pair) -> None:
    """After the time that the gateway asked for, or elsewhere."""
    for each in pair:
        each.faults.extend([Unavailable("full", 0.02)] * 3)
    outcomes = await collect(client.stream([mail(str(number)) for number in range(10)]))
    assert all(isinstance(outcome.result, Receipt) for outcome in outcomes)
    assert len(stored(pair)) == 10


async def test_a_refusal_without_end_becomes_the_outcome(pair: Pair) -> None:
    """When the patience is over."""
    pair[0].faults.extend([Unavailable("full", 0.05)] * 1000)
    async with MailClient(pair[0].address, KEY) as client:
        (outcome,) = await collect(client.stream([mail()], patience=0.3))
    assert isinstance(outcome.result, Unavailable)
    assert not pair[0].stored


async def test_the_window_bounds_what_is_taken_from_the_source(client: MailClient, pair: Pair) -> None:
    """While nobody reads outcomes, or no gateway reads mails, the source is not read."""
    taken = 0

    async def source() -> AsyncIterator[Mail]:
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield mail(str(number))

    async with client.stream(source(), window=10) as stream:
        await anext(stream)
        await until(lambda: taken >= 10)
        await asyncio.sleep(0.1)
        assert taken <= 12
    for each in pair:
        each.hold.clear()
    taken = 0
    async with client.stream(source(), window=10) as stream:
        waiting = asyncio.ensure_future(anext(stream))
        await until(lambda: taken >= 10)
        await asyncio.sleep(0.1)
        assert taken <= 11
        waiting.cancel()


async def test_octets_bound_it_too(client: MailClient) -> None:
    """Large mails are not gathered by the thousand."""
    taken = 0

    async def source() -> AsyncIterator[Mail]:
        nonlocal taken
        while True:
            taken += 1
            yield Mail(Address("a@example.com"), to=(Address("b@example.com"),), attachments=(Attachment(bytes(100_000)),))

    async with client.stream(source(), window_octets=1_000_000) as stream:
        await anext(stream)
        await asyncio.sleep(0.2)
        assert taken <= 13


async def test_what_refuses_the_stream_is_raised_after_all_outcomes(pair: Pair) -> None:
    """A wrong key is no outcome of a mail; still nobody is left without one."""
    async with MailClient(pair[0].address, "wrong") as client:
        stream, outcomes = client.stream([mail(str(number)) for number in range(5)]), []
        with pytest.raises(Unauthenticated):  # noqa: PT012 - the loop ends by it
            while True:
                outcomes.append(await anext(stream))
        assert all(isinstance(outcome.result, Unanswered | Unavailable) for outcome in outcomes)
        assert not pair[0].stored


async def test_no_gateway_at_all_ends_the_stream(pair: Pair) -> None:
    """When its patience is over: what was taken was not sent."""
    async with MailClient("127.0.0.1:1", KEY) as client:
        stream = client.stream([mail()], patience=0.2)
        assert isinstance((await anext(stream)).result, Unavailable)
        with pytest.raises(Unavailable):
            await anext(stream)
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


async def test_an_error_of_the_source_comes_last(client: MailClient, pair: Pair) -> None:
    """What it gave before has its outcome."""

    async def source() -> AsyncIterator[Mail]:
        yield mail("good")
        raise LookupError("the database is away")

    stream = client.stream(source())
    assert isinstance((await anext(stream)).result, Receipt)
    with pytest.raises(LookupError):
        await anext(stream)


async def test_leaving_a_stream_ends_its_source_and_its_calls(client: MailClient, pair: Pair) -> None:
    """By `async with`, or with the client."""
    ended = asyncio.Event()

    async def source() -> AsyncIterator[Mail]:
        try:
            while True:
                yield mail()
                await asyncio.sleep(0.001)
        finally:
            ended.set()

    async with client.stream(source()) as stream:
        await anext(stream)
    await asyncio.wait_for(ended.wait(), 5)
    assert not client._open


async def test_an_empty_stream_is_over(client: MailClient) -> None:
    """At once."""
    assert not await collect(client.stream([]))
