"""MailClient over gateways that refuse, break, stop and come back: a mail is stored once, or the caller is told what is not known."""

from __future__ import annotations

import asyncio
import io
import json
import os
import random
import time

import pytest

import mailgate.client
from mailgate.client import Attachment, BatchEntry, Gap, MailClient, Receipt
from mailgate.client.retries import LONGEST, pause
from mailgate.errors import (
    ContentMissing,
    Invalid,
    KeyReused,
    NotFound,
    ScopeMissing,
    SettingsInvalid,
    StorageBroken,
    StorageFull,
    Unanswered,
    Unauthenticated,
    Unavailable,
)
from mailgate.mail import Address
from tests.unit.mailgate.client.conftest import mail, until
from tests.unit.mailgate.client.toy_gateway import KEY, Break, Lose, ToyGateway

Pair = tuple[ToyGateway, ToyGateway]


async def test_calls_go_round_the_gateways(client: MailClient, pair: Pair) -> None:
    """Each in its turn, each with a key of its own."""
    for number in range(6):
        receipt = await client.send(mail(str(number)))
        assert not receipt.replayed
    assert [len(each.stored) for each in pair] == [3, 3]
    assert len({*pair[0].stored, *pair[1].stored}) == 6


async def test_a_refusal_for_now_goes_elsewhere_at_once(client: MailClient, pair: Pair) -> None:
    """Nothing was stored there: the other one is asked, and the first is left alone as long as it asked."""
    for each in pair:
        each.faults.append(Unavailable("the gateway stops", 30.0))
    pair[1].faults.clear()
    for number in range(4):
        await client.send(mail(str(number)))
    assert pair[1].mails == ["0", "1", "2", "3"]
    assert pair[0].calls == ["SendMail"]


async def test_refused_by_all_waits_as_long_as_they_ask(client: MailClient, pair: Pair) -> None:
    """And not beyond the deadline: the refusal itself is told then, with its time to wait."""
    for each in pair:
        each.faults.append(Unavailable("full", 0.05))
    began = time.monotonic()
    await client.send(mail())
    assert time.monotonic() - began >= 0.05
    for each in pair:
        each.faults.append(StorageFull("the disk is full", 40.0))
    with pytest.raises(StorageFull, match="the disk is full") as caught:
        await client.send(mail(), within=30)
    assert caught.value.retry_after == 40.0
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("fault", [Break, Lose, StorageBroken("fsync failed")])
async def test_a_broken_call_is_tried_again_there_alone(client: MailClient, pair: Pair, fault: object) -> None:
    """With the same key: stored once, whether the first try had been stored or not."""
    for each in pair:
        each.faults.append(fault)
    receipt = await client.send(mail("once"))
    assert receipt.replayed is (fault is not Lose)
    assert sorted(len(each.stored) for each in pair) == [0, 1]
    assert sorted(len(each.calls) for each in pair) == [0, 2]


async def test_a_doubt_outlives_a_refusal(client: MailClient, pair: Pair) -> None:
    """A gateway that broke the call and then says «later» may have stored it: no other gateway gets the mail."""
    for each in pair:
        each.faults.extend([Break, Unavailable("it starts", 0.01), Unavailable("it starts", 0.01), None])
    assert (await client.send(mail("once"))).replayed
    assert sorted(len(each.stored) for each in pair) == [0, 1]


async def test_a_gateway_that_does_not_come_back_leaves_the_doubt(pair: Pair) -> None:
    """Unanswered, with the key; when the gateway is back the same key finds out."""
    one, _ = pair
    async with MailClient(one.address, KEY) as client:
        one.faults.append(Break)
        sending = asyncio.create_task(client.send(mail("once"), within=1.5))
        await until(lambda: one.stored)
        await one.stop()
        with pytest.raises(Unanswered) as caught:
            await sending
        key = caught.value.idempotency_key
        assert list(one.stored) == [key]
        await one.start()
        assert (await client.send(mail("once"), key)).replayed
        assert one.mails == ["once"]


async def test_a_call_waits_for_its_gateway_to_come_back(pair: Pair) -> None:
    """Broken by a stop, answered after the start."""
    one, _ = pair
    async with MailClient(one.address, KEY) as client:
        one.faults.append(Break)
        sending = asyncio.create_task(client.send(mail("once"), within=30))
        await until(lambda: one.stored)
        await one.stop()
        await asyncio.sleep(0.2)
        await one.start()
        assert (await sending).replayed
    assert one.mails == ["once"]


async def test_a_key_of_the_callers_stays_at_one_gateway(client: MailClient, pair: Pair) -> None:
    """Called anew it is found there; and another mail under it is refused."""
    for number in range(10):
        key = f"order-{number}"
        assert not (await client.send(mail(key), key)).replayed
        assert (await client.send(mail(key), key)).replayed
        with pytest.raises(KeyReused):
            await client.send(mail("another"), key)
    assert sum(len(each.stored) for each in pair) == 10
    assert all(each.stored for each in pair)


async def test_a_gateway_that_says_not_serving_gets_no_new_calls(client: MailClient, pair: Pair) -> None:
    """Until it serves again."""
    await pair[0].serving(False)
    await until(lambda: not client._gateways.all[0].ready)
    for number in range(4):
        await client.send(mail(str(number)))
    assert not pair[0].calls
    await pair[0].serving(True)
    await until(lambda: client._gateways.all[0].ready)
    for number in range(4):
        await client.send(mail(str(number)))
    assert len(pair[0].stored) == 2


async def test_a_gateway_that_is_gone_costs_no_call(client: MailClient, pair: Pair) -> None:
    """The others take all, and it is used again when it is back."""
    await pair[0].stop()
    await until(lambda: not client._gateways.all[0].ready)
    await asyncio.gather(*(client.send(mail(str(number))) for number in range(20)))
    assert len(pair[1].stored) == 20
    await pair[0].start()
    assert await client._gateways.back(client._gateways.all[0])
    await client.send(mail())
    await client.send(mail())
    assert pair[0].stored


async def test_nobody_there_stored_nothing() -> None:
    """Unavailable, which says so, at the deadline."""
    async with MailClient(["127.0.0.1:1", "127.0.0.1:2"], KEY) as client:
        with pytest.raises(Unavailable, match="nothing was stored"):
            await client.send(mail(), within=0.2)
        with pytest.raises(Unavailable):
            await client.get(bytes(16), within=0.2)


@pytest.mark.parametrize("error", [Invalid.field("mail.to[3].email", "no"), ScopeMissing("send"), NotFound("x")])
async def test_what_is_final_is_not_tried_again(client: MailClient, pair: Pair, error: Exception) -> None:
    """It comes as it is, with its fields."""
    for each in pair:
        each.faults.append(error)
    with pytest.raises(type(error)) as caught:
        await client.send(mail())
    assert sum(len(each.calls) for each in pair) == 1
    if isinstance(error, Invalid):
        assert isinstance(caught.value, Invalid)
        assert caught.value.violations == error.violations


async def test_a_value_that_cannot_be_encoded_is_invalid(client: MailClient, pair: Pair) -> None:
    """Half a surrogate pair, as `os.fsdecode` makes them."""
    with pytest.raises(Invalid, match="cannot be encoded"):
        await client.send(mail("\udcff"))
    assert not pair[0].calls + pair[1].calls


async def test_a_batch_is_tried_again_like_a_mail(client: MailClient, pair: Pair) -> None:
    """Each entry once; an entry's error is its result."""
    for each in pair:
        each.faults.append(Break)
    entries = (BatchEntry(to=(Address(f"{number}@example.com"),) if number != 1 else ()) for number in range(3))
    batch_id, results = await client.send_batch(mail("all", to=""), entries)
    assert batch_id == bytes(16)
    assert [isinstance(result, Receipt) and result.replayed for result in results] == [True, False, True]
    assert isinstance(results[1], Invalid)
    assert sorted(len(each.stored) for each in pair) == [0, 2]


async def test_validating_is_a_read(client: MailClient, pair: Pair) -> None:
    """A broken call is tried anywhere: nothing is stored."""
    for each in pair:
        each.faults.append(Lose)
    assert (await client.send(mail(), validate_only=True)).mail_id == b""
    assert sorted(call for each in pair for call in each.calls) == ["SendMail"] * 3
    assert not any(each.stored for each in pair)


async def test_a_mail_is_found_wherever_it_is(client: MailClient, pair: Pair) -> None:
    """Whichever gateway took it; NotFound when none has it, Unavailable when one that may have it is away."""
    receipts = [await client.send(mail(str(number))) for number in range(4)]
    pair[0].stored, pair[1].stored = {}, {**pair[0].stored, **pair[1].stored}
    for receipt in receipts:
        assert (await client.get(receipt.mail_id)).mail_id == receipt.mail_id
    assert [each.index async for each in client.recipients(receipts[0].mail_id)] == [0, 1, 2, 3, 4]
    with pytest.raises(NotFound):
        await client.get(bytes(16))
    await pair[0].stop()
    with pytest.raises(Unavailable, match="one does not answer"):
        await client.get(bytes(16), within=0.5)


async def test_a_watch_tells_the_events_of_all_gateways(client: MailClient, pair: Pair) -> None:
    """Once entered nothing is missed."""
    async with client.watch() as events:
        pair[0].publish("x")
        pair[1].publish("y")
        told = [await anext(events), await anext(events)]
    assert {event.metadata["subject"] for event in told if not isinstance(event, Gap)} == {"x", "y"}


async def test_a_watch_goes_on_after_a_break_and_says_so(client: MailClient, pair: Pair) -> None:
    """A Gap with the gateway's address, then its events again."""
    async with client.watch() as events:
        pair[0].publish("before")
        assert not isinstance(await anext(events), Gap)
        await pair[0].stop()
        await pair[0].start()
        assert await anext(events) == Gap(pair[0].address)
        pair[0].publish("after")
        event = await anext(events)
        assert not isinstance(event, Gap)
        assert event.metadata["subject"] == "after"


async def test_a_watch_of_a_mail_asks_who_has_it(client: MailClient, pair: Pair) -> None:
    """And no other; of a mail that nobody has it is NotFound."""
    receipt = await client.send(mail())
    holder = pair[0] if pair[0].stored else pair[1]
    async with client.watch(receipt.mail_id) as events:
        assert [len(each.watchers) for each in pair] == [int(each is holder) for each in pair]
        holder.publish("x")
        assert not isinstance(await anext(events), Gap)
    with pytest.raises(NotFound):
        await anext(client.watch(bytes(16)))


async def test_a_wrong_key_ends_a_watch_at_once(pair: Pair) -> None:
    """It is no gap."""
    async with MailClient([each.address for each in pair], "wrong") as client:
        with pytest.raises(Unauthenticated):
            await anext(client.watch())


async def test_nobody_to_watch_is_told(pair: Pair) -> None:
    """At the deadline."""
    async with MailClient("127.0.0.1:1", KEY) as client:
        with pytest.raises(Unavailable):
            await anext(client.watch(within=0.2))


@pytest.mark.parametrize("form", ["bytes", "path", "file", "pipe", "chunks"])
async def test_a_cut_upload_goes_on_where_it_was_cut(client: MailClient, pair: Pair, form: str, tmp_path) -> None:
    """Whatever it is read from; every gateway has it in the end, and no octet twice."""
    data = os.urandom(1_500_000)
    for each in pair:
        each.cut_uploads_at = [300_000, 1_000_000]
    path = tmp_path / "file"
    path.write_bytes(data)

    async def chunks():
        for start in range(0, len(data), 70_000):
            yield data[start : start + 70_000]

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    source = {"bytes": data, "path": path, "file": io.BytesIO(data), "pipe": Pipe(data), "chunks": chunks()}[form]
    digest = await client.upload(source)
    assert [each.contents[digest] for each in pair] == [data, data]
    calls = [each.calls.count("UploadContent") for each in pair]
    assert await client.upload(data) == digest
    assert [each.calls.count("UploadContent") for each in pair] == [count + 1 for count in calls]


async def test_an_upload_needs_one_gateway(client: MailClient, pair: Pair) -> None:
    """The one that is there takes it; a mail that names it finds it there."""
    await pair[0].stop()
    digest = await client.upload(b"octets")
    await pair[0].start()
    assert await client._gateways.back(client._gateways.all[0])
    for number in range(4):
        one = mail(str(number))
        await client.send(type(one)(one.from_address, to=one.to, content=one.content, attachments=(Attachment(b"", digest=digest),)))
    assert len(pair[1].stored) == 4
    pair[1].contents.clear()
    with pytest.raises(ContentMissing):
        await client.send(type(one)(one.from_address, to=one.to, content=one.content, attachments=(Attachment(b"", digest=digest),)))


async def test_nothing_can_be_uploaded_too(client: MailClient) -> None:
    """An empty file is a file."""
    assert (await client.upload(b"")).startswith("sha256:e3b0c442")


async def test_a_gateway_of_this_machine_is_found_by_its_file(pair: Pair, tmp_path) -> None:
    """As `mailgate up` leaves it; without one the cure is told."""
    with pytest.raises(Unavailable, match="mailgate up"):
        MailClient.local(tmp_path)
    (tmp_path / "client.json").write_text(json.dumps({"address": pair[0].address, "key": KEY, "inbox": ""}))
    async with MailClient.local(str(tmp_path)) as client:
        assert (await client.send(mail())).mail_id


def test_public_names_are_there() -> None:
    """All that `__all__` lists, in order."""
    assert list(mailgate.client.__all__) == sorted(mailgate.client.__all__)
    assert all(hasattr(mailgate.client, name) for name in mailgate.client.__all__)


def test_addresses_are_checked_and_keys_not_shown() -> None:
    """At once, before anything is opened."""
    with pytest.raises(SettingsInvalid):
        MailClient("no port", KEY)
    with pytest.raises(ValueError, match="no address"):
        MailClient([], KEY)
    assert "geheim" not in repr(MailClient("h:1", "mg_geheim"))


def test_pauses_double_and_honour_what_was_asked() -> None:
    """At least what the gateway asked for, at most half more than that or the longest."""
    for tries in range(1, 200):
        chance = random.random()
        assert 0.05 <= pause(tries, chance) <= LONGEST * 1.5
        assert 7.0 <= pause(tries, chance, 7.0) <= 10.5
    assert pause(2, 0.0) == 2 * pause(1, 0.0)
