"""The same call again: what a caller is told, and that nothing is stored twice."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gateway.ledger.fact import Fact
from gateway.ledger.port import Change, Conclusion
from mailgate.errors import Invalid, KeyReused
from mailgate.ids import job_id
from mailgate.job import Fence
from mailgate.mail import Address, AttemptRecord, BatchEntry, EventType, Receipt, RecipientState
from tests.unit.gateway.admission.test_admit import ENTRY, MAIL, SHARED, counted, desk, taken

__all__ = ["desk"]
OTHER = replace(MAIL, tags=("other",))


def conclude(desk, receipt: Receipt, *indexes: int):
    """These recipients of the mail were delivered."""
    change = Change(indexes, RecipientState.DELIVERED, AttemptRecord(1))
    left = tuple(index for index in range(2) if index not in indexes)
    fence = Fence(job_id(receipt.mail_id, 0), 1)
    remaining = replace(desk.ledger._jobs[fence.job_id].job, recipients=left, partial=True) if left else None
    return desk.ledger.record([Conclusion(fence, 1, (change,), remaining, None if remaining is None else 10**15)])


async def test_the_first_receipt_is_given_again(desk, tenant):
    """With the time of the first call, and marked; the queue got one job, the counter one mail."""
    first = await desk.admission.send(tenant, MAIL, key="order-1")
    again = await desk.admission.send(tenant, MAIL, key="order-1", traceparent="00-1-2-01", deadline=2000.0)
    assert again == replace(first, replayed=True)
    assert not first.replayed
    assert len(await taken(desk)) == 1
    assert counted(desk, "mailgate_mails_accepted_total")[("transactional",)] == 1
    assert counted(desk, "mailgate_mails_replayed_total")[()] == 1
    assert counted(desk, "mailgate_bytes_in_flight")[()] == 0


async def test_another_mail_with_the_key_is_refused(desk, tenant):
    """And nothing of it is stored; the key goes on to belong to the first."""
    first = await desk.admission.send(tenant, MAIL, key="order-1")
    with pytest.raises(KeyReused, match="'order-1' belongs to another mail"):
        await desk.admission.send(tenant, OTHER, key="order-1")
    assert len(desk.ledger._mails) == 1
    assert (await desk.admission.send(tenant, MAIL, key="order-1")).mail_id == first.mail_id
    assert counted(desk, "mailgate_mails_refused_total") == {("IDEMPOTENCY_KEY_REUSED",): 1}


async def test_a_thousand_calls_at_once_store_one_mail(desk, tenant):
    """Equal receipts, one of them not replayed."""
    receipts = await asyncio.gather(*[desk.admission.send(tenant, MAIL, key="order-1") for _ in range(1000)])
    assert [receipt.replayed for receipt in receipts].count(False) == 1
    assert len({(receipt.mail_id, receipt.accept_ms) for receipt in receipts}) == 1
    assert len(await taken(desk)) == 1


async def test_a_key_is_kept_until_a_day_after_the_ttl(desk, tenant):
    """To the millisecond."""
    await desk.admission.send(tenant, replace(MAIL, ttl_ms=5000), key="order-1")
    ((accepted,),) = desk.ledger.accepts
    assert accepted.claim is not None
    assert accepted.claim.until_ms == accepted.mail.accept_ms + 5000 + 24 * 3_600_000


async def test_no_key_no_claim(desk, tenant):
    """The same mail twice is two mails."""
    first, second = [await desk.admission.send(tenant, MAIL) for _ in range(2)]
    assert first.mail_id != second.mail_id
    assert [each.claim for accepted in desk.ledger.accepts for each in accepted] == [None, None]


@pytest.mark.parametrize("field", ["idempotency_key", "entries[1].idempotency_key"])
async def test_a_key_that_is_too_long(desk, tenant, field):
    """Names the field; an entry's fails that entry alone."""
    long = "k" * 257
    if field == "idempotency_key":
        for call in (desk.admission.send(tenant, MAIL, key=long), desk.admission.send_batch(tenant, SHARED, [ENTRY], key=long)):
            with pytest.raises(Invalid, match=r"^idempotency_key: 257 octets, at most 256"):
                await call
        assert desk.ledger.accepts == []
    else:
        _, (good, bad) = await desk.admission.send_batch(tenant, SHARED, [ENTRY, replace(ENTRY, idempotency_key=long)])
        assert isinstance(good, Receipt)
        assert isinstance(bad, Invalid)
        assert bad.violations[0].field == field


async def test_a_replay_waits_for_what_is_not_attempted_yet(desk, tenant):
    """What had its attempt before is not waited for again."""
    first = await desk.admission.send(tenant, MAIL, key="order-1")
    await conclude(desk, first, 0)
    call = asyncio.ensure_future(desk.admission.send(tenant, MAIL, key="order-1", wait=60))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not call.done()
    await conclude(desk, first, 1)
    desk.hub.publish([Fact("acme", first.mail_id, 1, 2, EventType.DELIVERED, RecipientState.DELIVERED, 1)])
    again = await call
    assert (again.mail_id, again.replayed, again.wait_elapsed) == (first.mail_id, True, False)
    assert [recipient.state for recipient in again.recipients] == [RecipientState.DELIVERED] * 2


async def test_a_replay_of_a_mail_that_is_over_does_not_wait(desk, tenant):
    """Nothing is told of it any more."""
    first = await desk.admission.send(tenant, MAIL, key="order-1")
    await conclude(desk, first, 0, 1)
    again = await asyncio.wait_for(desk.admission.send(tenant, MAIL, key="order-1", wait=60), 5)
    assert not again.wait_elapsed
    assert [recipient.state for recipient in again.recipients] == [RecipientState.DELIVERED] * 2


async def test_a_batch_is_replayed_entry_by_entry(desk, tenant):
    """A whole one with the first call's batch id."""
    entries = [BatchEntry(to=(Address(f"{name}@example.net"),)) for name in "abc"]
    batch_id, first = await desk.admission.send_batch(tenant, SHARED, entries, key="news-1")
    again_id, again = await desk.admission.send_batch(tenant, SHARED, entries, key="news-1")
    assert again_id == batch_id
    assert again == [replace(receipt, replayed=True) for receipt in first]
    assert len(await taken(desk)) == 3
    _, (same, changed, fresh, more) = await desk.admission.send_batch(
        tenant, SHARED, [entries[0], entries[2], replace(entries[1], idempotency_key="b"), entries[1]], key="news-1"
    )
    assert same == replace(first[0], replayed=True)
    assert isinstance(changed, KeyReused)
    assert isinstance(fresh, Receipt)
    assert isinstance(more, Receipt)
    assert not fresh.replayed
    assert not more.replayed
    assert len(await taken(desk)) == 2


async def test_an_entry_and_a_mail_share_the_keys_of_the_tenant(desk, tenant):
    """They are not the same mail, so one of them is refused."""
    await desk.admission.send(tenant, MAIL, key="news-1/0")
    _, (refused,) = await desk.admission.send_batch(tenant, SHARED, [ENTRY], key="news-1")
    assert isinstance(refused, KeyReused)


async def test_a_call_that_was_cut_off_is_replayed(desk, tenant):
    """The mail was handed to the ledger: it is stored though nobody heard, and the next call hears of it."""
    desk.ledger.gate.clear()
    call = asyncio.ensure_future(desk.admission.send(tenant, MAIL, key="order-1"))
    await desk.ledger.called.wait()
    call.cancel()
    desk.ledger.gate.set()
    again = await desk.admission.send(tenant, MAIL, key="order-1")
    assert again.replayed
    assert len(await taken(desk)) == 1
