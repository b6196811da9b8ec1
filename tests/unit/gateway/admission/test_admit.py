"""The way in, on a clock of the test's: durable before the answer, nothing after a refusal, and no error once it is durable."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from random import Random
from types import SimpleNamespace

import pytest

from gateway.admission.admit import Admission
from gateway.admission.desk import ON_LOOP_OCTETS
from gateway.admission.drafting import Drafter
from gateway.admission.limits import Limits
from gateway.events.hub import Hub
from gateway.ledger.fact import Fact
from gateway.ledger.memory import MemoryLedger
from gateway.queue.memory import MemoryQueue
from mailgate.errors import DeadlinePassed, Invalid, SenderDomainForbidden, StorageFull, Unavailable
from mailgate.mail import Address, BatchEntry, EventType, Lane, Mail, Parts, Receipt, RecipientState
from mailgate.rpc.jobs import encode_content, encode_envelope

MAIL = Mail(Address("news@example.com"), to=(Address("a@example.net"), Address("b@example.net")), content=Parts("Hi", "text"))
SHARED = replace(MAIL, to=())
ENTRY = BatchEntry(to=(Address("a@example.net"),))


class Shell:
    """A clock that stands still unless told, randomness that counts, and threads that are none."""

    def __init__(self) -> None:
        self.now, self.offloaded, self.dice = 1000.0, 0, Random(7)
        self.tasks = []

    def now_ms(self):
        return 1_700_000_000_000

    def clock(self):
        return self.now

    def random(self, octets):
        return self.dice.randbytes(octets)

    async def offload(self, work):
        self.offloaded += 1
        return work()

    async def finish(self, work):
        task = asyncio.ensure_future(work)
        self.tasks.append(task)
        return await asyncio.shield(task)


class Ledger(MemoryLedger):
    """The reference, that can be held up and made to fail."""

    def __init__(self) -> None:
        super().__init__()
        self.accepts, self.error, self.blind = [], None, False
        self.gate, self.called = asyncio.Event(), asyncio.Event()
        self.gate.set()

    def accept(self, accepted):
        self.accepts.append(list(accepted))
        self.called.set()
        return self._accept(accepted)

    async def _accept(self, accepted):
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return await super().accept(accepted)

    async def recipients(self, mail_id, after, limit):
        if self.blind:
            raise RuntimeError("no answer")
        return await super().recipients(mail_id, after, limit)


@pytest.fixture
def desk(routes, limits):
    return make(routes, limits)


def make(routes, limits, files_of=lambda ledger: ledger.files):
    """An admission and what is around it."""
    shell, ledger, queue = Shell(), Ledger(), MemoryQueue()
    files = files_of(ledger)
    hub = Hub(ledger.describe)
    drafter = Drafter(routes, limits, encode_envelope, encode_content)
    admission = Admission(ledger=ledger, queue=queue, files=files, hub=hub, drafter=drafter, shell=shell)
    return SimpleNamespace(shell=shell, ledger=ledger, queue=queue, files=files, hub=hub, admission=admission)


async def taken(desk):
    return list(await desk.queue.take(lambda _lane, _key: 1000))


def counted(desk, name):
    return {tuple(s.labels.values()): s.value for s in desk.admission.stats() if s.metric.name == name}


async def test_a_mail_is_durable_and_queued_when_the_receipt_comes(desk, tenant):
    """And counted by its lane."""
    receipt = await desk.admission.send(tenant, MAIL)
    view = await desk.ledger.mail("acme", receipt.mail_id)
    assert view.counts == {RecipientState.QUEUED: 2}
    assert [job.recipients for job in await taken(desk)] == [(0, 1)]
    assert (receipt.accept_ms, receipt.recipients, receipt.wait_elapsed) == (1_700_000_000_000, (), False)
    assert counted(desk, "mailgate_mails_accepted_total")[("transactional",)] == 1
    assert counted(desk, "mailgate_recipients_accepted_total")[("transactional",)] == 2
    assert counted(desk, "mailgate_bytes_in_flight")[()] == 0


async def test_the_answer_waits_for_the_ledger(desk, tenant):
    """Not a moment sooner; and the queue gets nothing that is not durable."""
    desk.ledger.gate.clear()
    call = asyncio.ensure_future(desk.admission.send(tenant, MAIL))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not call.done()
    assert counted(desk, "mailgate_bytes_in_flight")[()] > 0
    assert not [job for lane in desk.queue._ready.values() for jobs in lane.values() for job in jobs]
    desk.ledger.gate.set()
    await call


async def test_validation_stores_nothing(desk, tenant):
    """It says what would be."""
    receipt = await desk.admission.send(tenant, MAIL, validate_only=True)
    assert receipt.mail_id == b""
    assert [recipient.email for recipient in receipt.recipients] == ["a@example.net", "b@example.net"]
    assert desk.ledger.accepts == []
    with pytest.raises(Invalid):
        await desk.admission.send(tenant, SHARED, validate_only=True)


async def test_a_deadline_in_the_past_stores_nothing(desk, tenant):
    """Also one that passes while the mail is checked."""
    with pytest.raises(DeadlinePassed):
        await desk.admission.send(tenant, MAIL, deadline=999.0)
    with pytest.raises(DeadlinePassed):
        await desk.admission.send_batch(tenant, SHARED, [ENTRY], deadline=1000.0)
    offload = desk.shell.offload

    async def slow(work):
        desk.shell.now += 10
        return await offload(work)

    desk.shell.offload = slow
    with pytest.raises(DeadlinePassed):
        await desk.admission.send(tenant, replace(MAIL, content=Parts("", "x" * (ON_LOOP_OCTETS + 1))), deadline=1005.0)
    assert desk.ledger.accepts == []
    assert counted(desk, "mailgate_mails_refused_total")[("DEADLINE_EXCEEDED",)] == 3
    assert counted(desk, "mailgate_bytes_in_flight")[()] == 0


async def test_large_work_is_off_the_loop(desk, tenant):
    """Octets or recipients; small work is not, since a thread costs more than the check."""
    await desk.admission.send(tenant, MAIL)
    await desk.admission.send_batch(tenant, SHARED, [ENTRY] * 100)
    assert desk.shell.offloaded == 0
    await desk.admission.send(tenant, replace(MAIL, content=Parts("", "x" * (ON_LOOP_OCTETS + 1))))
    await desk.admission.send(tenant, replace(MAIL, to=tuple(Address(f"u{i}@example.net") for i in range(1001))))
    await desk.admission.send_batch(tenant, SHARED, [ENTRY] * 1001)
    assert desk.shell.offloaded == 3


async def test_a_refusal_is_counted_by_its_reason_and_stores_nothing(desk, tenant):
    """Invalid, forbidden."""
    with pytest.raises(Invalid):
        await desk.admission.send(tenant, SHARED)
    with pytest.raises(SenderDomainForbidden):
        await desk.admission.send(tenant, replace(MAIL, from_address=Address("a@elsewhere.example")))
    assert desk.ledger.accepts == []
    assert counted(desk, "mailgate_mails_refused_total") == {("INVALID_ARGUMENT",): 1, ("SENDER_DOMAIN_FORBIDDEN",): 1}


async def test_a_full_disk_is_the_callers_to_know(desk, tenant):
    """Nothing is queued, and the octets are given back."""
    desk.ledger.error = StorageFull("full")
    with pytest.raises(StorageFull):
        await desk.admission.send(tenant, MAIL)
    desk.ledger.error = None
    await desk.admission.send(tenant, MAIL)
    assert len(await taken(desk)) == 1
    assert counted(desk, "mailgate_bytes_in_flight")[()] == 0


async def test_a_draining_gateway_takes_no_mail(desk, tenant):
    """Another one does."""
    desk.admission.drain()
    for call in (desk.admission.send(tenant, MAIL), desk.admission.send_batch(tenant, SHARED, [ENTRY])):
        with pytest.raises(Unavailable, match="stops"):
            await call
    assert desk.ledger.accepts == []


async def test_octets_in_flight_are_bounded(routes, tenant):
    """One mail always passes, or a small bound would shut the door; what comes beside it waits outside."""
    desk = make(routes, Limits(max_in_flight_bytes=3000))
    desk.ledger.gate.clear()
    large = replace(MAIL, content=Parts("", "x" * 2900))
    first = asyncio.ensure_future(desk.admission.send(tenant, large))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match=r"at most 3,000") as refused:
        await desk.admission.send(tenant, large)
    assert refused.value.retry_after > 0
    desk.ledger.gate.set()
    await first
    await desk.admission.send(tenant, replace(MAIL, content=Parts("", "x" * 5000)))
    assert counted(desk, "mailgate_bytes_in_flight")[()] == 0


async def test_a_call_cut_while_it_is_stored_is_stored_all_the_same(desk, tenant):
    """It is queued too, and its octets are given back when that is done."""
    desk.ledger.gate.clear()
    call = asyncio.ensure_future(desk.admission.send(tenant, MAIL))
    await desk.ledger.called.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert counted(desk, "mailgate_bytes_in_flight")[()] > 0
    desk.ledger.gate.set()
    await asyncio.gather(*desk.shell.tasks)
    assert len(await taken(desk)) == 1
    assert counted(desk, "mailgate_bytes_in_flight")[()] == 0
    assert counted(desk, "mailgate_mails_accepted_total")[("transactional",)] == 1


async def test_a_call_cut_while_it_is_checked_stores_nothing(desk, tenant):
    """Nobody would ever know of the mail."""
    started = asyncio.Event()

    async def hang(_work):
        started.set()
        await asyncio.Event().wait()

    desk.shell.offload = hang
    call = asyncio.ensure_future(desk.admission.send(tenant, replace(MAIL, content=Parts("", "x" * (ON_LOOP_OCTETS + 1)))))
    await started.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert desk.ledger.accepts == []
    assert counted(desk, "mailgate_bytes_in_flight")[()] == 0


# ---------------------------------------------------------------------------------------------------------------- batches


async def test_the_good_entries_of_a_batch_are_durable_in_one_commit(desk, tenant):
    """And the bad ones have their own error, in their place."""
    bad = BatchEntry(to=(Address("nonsense"),))
    batch_id, results = await desk.admission.send_batch(tenant, SHARED, [ENTRY, bad, ENTRY])
    assert [type(result) for result in results] == [Receipt, Invalid, Receipt]
    (accepted,) = desk.ledger.accepts
    assert [each.mail.id for each in accepted] == [results[0].mail_id, results[2].mail_id]
    assert {each.mail.batch_id for each in accepted} == {batch_id}
    assert len(await taken(desk)) == 2
    assert counted(desk, "mailgate_mails_accepted_total")[("bulk",)] == 2
    assert counted(desk, "mailgate_mails_refused_total") == {("INVALID_ARGUMENT",): 1}


async def test_a_batch_of_bad_entries_alone_touches_no_storage(desk, tenant):
    """The call is OK, and says so of each."""
    _, results = await desk.admission.send_batch(tenant, SHARED, [BatchEntry(), BatchEntry()])
    assert [type(result) for result in results] == [Invalid, Invalid]
    assert desk.ledger.accepts == []


async def test_a_million_entries_are_refused_before_anything_is_done_with_them(desk, tenant):
    """Not even randomness is drawn for them."""
    with pytest.raises(Invalid, match="1,000,000 entries"):
        await desk.admission.send_batch(tenant, SHARED, [BatchEntry()] * 1_000_000)


# ------------------------------------------------------------------------------------------------------------------ waits


def fact(mail_id, index, kind=EventType.DELIVERED, state=RecipientState.DELIVERED):
    return Fact("acme", mail_id, index, 2, kind, state, 0)


async def mail_id_of(desk):
    await desk.ledger.called.wait()
    return desk.ledger.accepts[-1][0].mail.id


async def test_a_wait_ends_when_each_recipient_had_an_attempt(desk, tenant):
    """Deferred is an attempt; sent again is none yet. The receipt has the states as the ledger has them."""
    call = asyncio.ensure_future(desk.admission.send(tenant, MAIL, wait=30.0))
    mail_id = await mail_id_of(desk)
    for _ in range(5):
        await asyncio.sleep(0)
    desk.hub.publish([fact(mail_id, 0), fact(mail_id, 1, EventType.RESENT, RecipientState.QUEUED)])
    await asyncio.sleep(0)
    assert not call.done()
    desk.hub.publish([fact(mail_id, 1, EventType.DEFERRED, RecipientState.DEFERRED)])
    receipt = await call
    assert (receipt.mail_id, receipt.wait_elapsed, len(receipt.recipients)) == (mail_id, False, 2)
    assert not desk.hub.listening


@pytest.mark.parametrize(("wait", "deadline"), [(0.01, None), (60.0, 1000.26), (60.0, 1000.1)])
async def test_a_wait_that_elapses_is_ok(desk, tenant, wait, deadline):
    """After `wait`, or a quarter of a second before the deadline: the mail is durable all the same."""
    receipt = await desk.admission.send(tenant, MAIL, wait=wait, deadline=deadline)
    assert receipt.wait_elapsed
    assert [recipient.state for recipient in receipt.recipients] == [RecipientState.QUEUED] * 2


async def test_nothing_is_an_error_once_the_mail_is_durable(desk, tenant):
    """Not even a ledger that gives no answer."""
    desk.ledger.blind = True
    receipt = await desk.admission.send(tenant, MAIL, wait=0.01)
    assert (bool(receipt.mail_id), receipt.recipients, receipt.wait_elapsed) == (True, (), True)


async def test_a_stopping_gateway_answers_waits_at_once(desk, tenant):
    """With the states as they are."""
    call = asyncio.ensure_future(desk.admission.send(tenant, MAIL, wait=600.0))
    await mail_id_of(desk)
    desk.hub.close()
    assert (await asyncio.wait_for(call, 5)).wait_elapsed


async def test_watchers_hear_of_accepted_mails(desk, tenant):
    """Each recipient's first event, before anything can become of it."""
    async with desk.hub.watch("acme") as watcher:
        receipt = await desk.admission.send(tenant, replace(MAIL, tags=("t",), lane=Lane.BULK))
        events = await watcher.read()
    assert [(e.mail_id, e.recipient_index, e.sequence, e.type, e.email, e.tags) for e in events] == [
        (receipt.mail_id, 0, 1, EventType.ACCEPTED, "a@example.net", ("t",)),
        (receipt.mail_id, 1, 1, EventType.ACCEPTED, "b@example.net", ("t",)),
    ]
