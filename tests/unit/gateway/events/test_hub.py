"""The hub: everything to whom it concerns, in order; nothing grows without bound; nobody's facts are not even looked at."""

from __future__ import annotations

import asyncio

import pytest

from gateway.events.descriptions import Descriptions
from gateway.events.hub import MAX_FRAME, Hub
from gateway.events.options import EventOptions
from gateway.ledger.fact import Fact
from gateway.ledger.port import MailRecord
from mailgate.errors import Unavailable
from mailgate.mail import AttemptRecord, EventType, Lane, OnDoubt, RecipientState

M1, M2 = b"1" * 16, b"2" * 16


def record(mail_id, tenant="t", emails=("a@b.c", "b@b.c")):
    return MailRecord(mail_id, tenant, b"b" * 16, 0, 0, Lane.BULK, OnDoubt.HOLD, ("tag",), {"k": "v"}, emails)


def fact(mail_id=M1, index=0, sequence=2, tenant="t", kind=EventType.DELIVERED, attempt=None):
    return Fact(tenant, mail_id, index, sequence, kind, RecipientState.DELIVERED, 7, attempt)


class Ledger:
    def __init__(self, *records) -> None:
        self.records, self.asked = {each.id: each for each in records}, []

    async def describe(self, mail_ids):
        asked = set(mail_ids)
        self.asked.append(asked)
        return {mail_id: self.records[mail_id] for mail_id in asked if mail_id in self.records}


async def test_events_come_in_order_and_complete():
    """What the fact has, and what the ledger's record adds."""
    hub = Hub(Ledger(record(M1), record(M2)).describe)
    async with hub.watch("t") as watcher:
        attempt = AttemptRecord(1)
        hub.publish([fact(M1, 1, 2, attempt=attempt), fact(M2, 0, 3)])
        hub.publish([fact(M1, 0, 4)])
        events = await watcher.read()
    assert [(e.mail_id, e.recipient_index, e.sequence, e.email) for e in events] == [
        (M1, 1, 2, "b@b.c"),
        (M2, 0, 3, "a@b.c"),
        (M1, 0, 4, "a@b.c"),
    ]
    first = events[0]
    assert (first.tenant, first.batch_id, first.tags, first.metadata, first.attempt, first.time_ms) == (
        "t",
        b"b" * 16,
        ("tag",),
        {"k": "v"},
        attempt,
        7,
    )


async def test_a_watcher_hears_only_its_tenant_and_its_mail():
    """Another tenant's facts reach nobody, even under a known mail id."""
    hub = Hub(Ledger(record(M1), record(M2)).describe)
    async with hub.watch("t") as all_of_t, hub.watch("t", M1) as only_m1, hub.watch("u", M1) as stranger:
        hub.publish([fact(M2), fact(M1, tenant="u"), fact(M1)])
        assert [e.mail_id for e in await all_of_t.read()] == [M2, M1]
        assert [e.tenant for e in await only_m1.read()] == ["t"]
        assert [e.tenant for e in await stranger.read()] == ["u"]


async def test_a_mail_is_described_once():
    """Not at each of its ten thousand facts."""
    ledger = Ledger(record(M1))
    hub = Hub(ledger.describe)
    async with hub.watch("t") as watcher:
        for _ in range(3):
            hub.publish([fact()])
            await watcher.read()
    assert ledger.asked == [{M1}]


async def test_a_forgotten_mail_still_has_its_events():
    """Without the address, which nobody knows any more."""
    hub = Hub(Ledger().describe)
    async with hub.watch("t") as watcher:
        hub.publish([fact()])
        (event,) = await watcher.read()
    assert (event.email, event.batch_id, event.type) == ("", None, EventType.DELIVERED)


async def test_frames_are_bounded_and_nothing_is_lost_between_them():
    """The rest comes with the next read."""
    hub = Hub(Ledger(record(M1)).describe)
    async with hub.watch("t") as watcher:
        hub.publish([fact(sequence=n) for n in range(MAX_FRAME + 3)])
        first, second = await watcher.read(), await watcher.read()
    assert [e.sequence for e in (*first, *second)] == list(range(MAX_FRAME + 3))
    assert len(first) == MAX_FRAME


async def test_a_slow_watcher_ends_with_a_clear_error_and_others_go_on():
    """It does not grow."""
    hub = Hub(Ledger(record(M1)).describe, EventOptions(max_waiting=5))
    async with hub.watch("t") as slow:
        hub.publish([fact()] * 6)
        async with hub.watch("t") as fresh:
            hub.publish([fact()])
            assert len(await fresh.read()) == 1
        for _ in range(2):
            with pytest.raises(Unavailable, match="more than 5 events"):
                await slow.read()
    assert [s.value for s in hub.stats() if s.metric.name == "mailgate_watchers_dropped_total"] == [1]


async def test_close_ends_watchers_and_those_to_come():
    """Each is told to watch elsewhere."""
    hub = Hub(Ledger().describe)
    async with hub.watch("t") as watcher:
        reading = asyncio.ensure_future(watcher.read())
        await asyncio.sleep(0)
        hub.close()
        with pytest.raises(Unavailable, match="stops"):
            await reading
    async with hub.watch("t") as late:
        with pytest.raises(Unavailable, match="stops"):
            await late.read()
    async with hub.wait(M1, 1) as waiting:
        assert not await waiting.attempted(60)


async def test_who_left_is_forgotten():
    """Also when a read was cancelled."""
    hub = Hub(Ledger().describe)
    async with hub.watch("t") as watcher, hub.watch("t", M1), hub.wait(M1, 1):
        assert hub.listening
        reading = asyncio.ensure_future(watcher.read())
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert next(s.value for s in hub.stats()) == 3
    assert not hub.listening
    hub.publish([fact()])


async def test_no_tenant_has_more_watchers_than_its_share_and_all_no_more_than_the_gateway():
    """Of all its mails or of single ones, slow ones too; whoever leaves makes place, and calls that wait for their mail are not counted."""
    hub = Hub(Ledger().describe, EventOptions(max_watchers=4, max_watchers_per_tenant=3, max_waiting=1))
    async with hub.watch("t"), hub.watch("t", M1), hub.wait(M1, 1), hub.wait(M2, 1):
        async with hub.watch("t") as slow:
            hub.publish([fact(sequence=n) for n in range(2)])
            with pytest.raises(Unavailable, match="were waiting"):
                await slow.read()
            with pytest.raises(Unavailable, match="3 calls of this tenant") as refused:
                hub.watch("t", M2)
            assert refused.value.retry_after > 0
            async with hub.watch("u"):
                with pytest.raises(Unavailable, match="4 calls watch this gateway"):
                    hub.watch("v")
        for _ in range(3):
            async with hub.watch("t", M2):
                pass
    assert not hub.listening
    assert next(s.value for s in hub.stats()) == 0


@pytest.mark.parametrize(
    "kind", [EventType.DELIVERED, EventType.DEFERRED, EventType.BOUNCED, EventType.EXPIRED, EventType.IN_DOUBT, EventType.DEAD]
)
async def test_a_wait_counts_attempts_that_came_to_something(kind):
    """Each recipient once."""
    hub = Hub(Ledger().describe)
    async with hub.wait(M1, 2) as waiting:
        hub.publish([fact(index=0, kind=kind), fact(index=0, kind=kind), fact(M2, index=1, kind=kind)])
        assert not await waiting.attempted(0)
        hub.publish([fact(index=1, kind=kind)])
        assert await waiting.attempted(0)


@pytest.mark.parametrize("kind", [EventType.ACCEPTED, EventType.RESENT])
async def test_a_wait_does_not_count_what_is_no_outcome(kind):
    """The attempt is still to come, or comes again."""
    hub = Hub(Ledger().describe)
    async with hub.wait(M1, 1) as waiting:
        hub.publish([fact(kind=kind)])
        assert not await waiting.attempted(0)


def test_descriptions_are_bounded_by_addresses():
    """The oldest go first; one that alone exceeds the bound is kept while it is the newest."""
    descriptions = Descriptions(max_emails=5)
    ids = [bytes([n]) * 16 for n in range(4)]
    for mail_id in ids[:3]:
        descriptions.learn({mail_id: record(mail_id)})
    assert set(descriptions.known(ids)) == set(ids[1:3])
    descriptions.known([ids[1]])
    descriptions.learn({ids[3]: record(ids[3])})
    assert set(descriptions.known(ids)) == {ids[1], ids[3]}
    descriptions.learn({ids[0]: record(ids[0], emails=("a@b.c",) * 50)})
    assert set(descriptions.known(ids)) == {ids[0]}


async def test_what_nobody_listens_to_is_not_even_made():
    """A generator of facts is not begun, so that a quiet gateway makes none."""
    hub = Hub(Ledger().describe)
    facts = (fact(sequence=n) for n in range(3))
    hub.publish(facts)
    assert [each.sequence for each in facts] == [0, 1, 2]
