"""MailService over a real door: every answer, and every bad input, as a caller in any language meets it."""

from __future__ import annotations

import asyncio
import threading
from hashlib import sha256

import grpc
import pytest

from gateway.admission.tenants import KeyOptions, TenantOptions, Tenants
from gateway.ledger.fact import Fact
from gateway.ledger.port import Change, Conclusion
from mailgate import errors
from mailgate.api.mail.v1 import mail_pb2, mail_service_pb2
from mailgate.ids import format_id, parse_id
from mailgate.mail import AttemptRecord, EventType, RecipientState
from mailgate.rpc.jobs import decode_body
from mailgate.rpc.status import from_rpc_error, from_status
from tests.contract.builders import accepted, deferred

SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def mail(*to, **more):
    fields = {"parts": mail_pb2.Parts(subject="Hi", text="Hello")} if "raw" not in more else {}
    if to:
        fields["to"] = [mail_pb2.Address(email=email) for email in to]
    return mail_pb2.Mail(**{"from_address": mail_pb2.Address(email="news@example.com"), **fields, **more})


def send(*to, wait=None, validate_only=False, **more):
    request = mail_service_pb2.SendMailRequest(mail=mail(*to, **more), validate_only=validate_only)
    if wait is not None:
        request.wait.FromMilliseconds(int(wait * 1000))
    return request


def batch(*entries, **more):
    return mail_service_pb2.BatchSendMailRequest(shared=mail(**more), entries=entries)


def entry(*to):
    return mail_service_pb2.BatchEntry(to=[mail_pb2.Address(email=email) for email in to])


async def refusal(call):
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call
    return from_rpc_error(failed.value)


async def waiting_jobs(gateway):
    taking = asyncio.ensure_future(gateway.queue.take(lambda _lane, _key: 1000))
    for _ in range(3):
        await asyncio.sleep(0)
    if taking.done():
        return list(taking.result())
    taking.cancel()
    return []


# ---------------------------------------------------------------------------------------------------------------- sending


async def test_a_mail_is_stored_and_queued(gateway, as_):
    """The receipt's id is GetMail's."""
    answer = await gateway.mail.SendMail(send("a@example.org", "b@example.org"), **as_("both"))
    (job,) = await waiting_jobs(gateway)
    assert [r.email for r in decode_body(job.envelope + job.content).envelope.recipients] == ["a@example.org", "b@example.org"]
    shown = await gateway.mail.GetMail(mail_service_pb2.GetMailRequest(mail_id=answer.receipt.mail_id), **as_("both"))
    assert (shown.mail_id, shown.lane, len(shown.recipients)) == (answer.receipt.mail_id, mail_pb2.LANE_TRANSACTIONAL, 2)
    assert [(count.state, count.count) for count in shown.counts] == [(mail_pb2.RECIPIENT_STATE_QUEUED, 2)]
    assert {recipient.wait_reason for recipient in shown.recipients} == {"queued, no node (relay)"}


async def test_every_recipient_that_is_shown_says_why_it_waits(gateway, as_):
    """However many jobs the mail has; who waits for a time or is done is told apart by its state."""
    mail = accepted(1_790_000_000_000, recipients=40, jobs=20, route="relay")
    await gateway.ledger.accept([mail])
    await gateway.ledger.record([deferred(mail.jobs[0], 10, 2000, still=[0])])
    shown = await gateway.mail.GetMail(mail_service_pb2.GetMailRequest(mail_id=format_id(mail.mail.id)), **as_("both"))
    reasons = [recipient.wait_reason for recipient in shown.recipients]
    assert reasons[0] == "deferred, no node (relay)"
    assert reasons[20] == ""
    assert [*reasons[1:20], *reasons[21:]] == ["queued, no node (relay)"] * 38


async def test_validation_alone_stores_nothing(gateway, as_):
    """And names the recipients."""
    answer = await gateway.mail.SendMail(send("a@example.org", validate_only=True), **as_("send"))
    assert (answer.receipt.mail_id, [each.email for each in answer.receipt.recipients]) == ("", ["a@example.org"])
    assert await waiting_jobs(gateway) == []


async def test_a_wait_ends_with_the_first_attempt(gateway, as_):
    """And shows what it came to."""
    call = gateway.mail.SendMail(send("a@example.org", wait=15), **as_("both"))
    (job,) = await gateway.queue.take(lambda _lane, _key: 10)
    attempt = AttemptRecord(1, code=250)
    change = Change((0,), RecipientState.DELIVERED, attempt)
    await gateway.ledger.record([Conclusion(job.fence, 7, (change,))])
    gateway.hub.publish([Fact("acme", job.id[:16], 0, 2, EventType.DELIVERED, RecipientState.DELIVERED, 7, attempt)])
    receipt = (await call).receipt
    assert (receipt.wait_elapsed, receipt.recipients[0].state) == (False, mail_pb2.RECIPIENT_STATE_DELIVERED)
    assert receipt.recipients[0].last_attempt.code == 250


async def test_a_wait_ends_before_the_calls_deadline(gateway, as_):
    """With OK, since the mail is durable: an answer at all is one before the deadline. A busy machine may miss it, but not each time."""
    for _ in range(5):
        try:
            answer = await gateway.mail.SendMail(send("a@example.org", wait=60), **as_("both", timeout=1.0))
            break
        except grpc.aio.AioRpcError as error:
            assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED  # noqa: PT017
    assert answer.receipt.wait_elapsed
    assert answer.receipt.recipients[0].state == mail_pb2.RECIPIENT_STATE_QUEUED


async def test_a_batch_answers_for_each_entry(gateway, as_):
    """The good ones are stored; a bad one has a whole status of its own."""
    answer = await gateway.mail.BatchSendMail(batch(entry("a@example.org"), entry("nonsense"), entry("b@example.org")), **as_("send"))
    kinds = [result.WhichOneof("outcome") for result in answer.results]
    assert kinds == ["receipt", "error", "receipt"]
    error = from_status(answer.results[1].error)
    assert error.violations[0].field == "entries[1].to[0].email"
    assert len(await waiting_jobs(gateway)) == 2
    assert parse_id(answer.batch_id, "batch_id")


@pytest.mark.parametrize(
    ("header", "passed_on"),
    [
        (SAMPLED, SAMPLED),
        ("01" + SAMPLED[2:] + "-of-a-later-version", SAMPLED),
        (SAMPLED[:-1] + "0", ""),
        ("rubbish", ""),
        ("", ""),
    ],
)
async def test_a_callers_trace_goes_on_with_the_job(gateway, as_, header, passed_on):
    """A gateway that exports no spans does not cut a sampled trace; what nobody samples makes no job larger."""
    call = as_("both")
    call["metadata"] += (("traceparent", header),)
    await gateway.mail.SendMail(send("a@example.org"), **call)
    await gateway.mail.BatchSendMail(batch(entry("b@example.org")), **call)
    jobs = await waiting_jobs(gateway)
    assert len(jobs) == 2
    assert {decode_body(job.envelope + job.content).envelope.traceparent for job in jobs} == {passed_on}


# -------------------------------------------------------------------------------------------------------------- bad input

LONG = "a@" + "x" * 300 + ".example"


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (send("nonsense"), "mail.to[0].email"),
        (send(LONG), "mail.to[0].email"),
        (send("l" * 65 + "@example.org"), "mail.to[0].email"),
        (send("a@example.org\r\nRCPT TO:<b@example.org>"), "mail.to[0].email"),
        (send("a@example.org", headers=[mail_pb2.Header(name="X-A", value="1\r\nBcc: b@example.org")]), "mail.headers[0].value"),
        (send("a@example.org", headers=[mail_pb2.Header(name="Bcc", value="b@example.org")]), "mail.headers[0].name"),
        (send("a@example.org", parts=mail_pb2.Parts(subject="a\nb", text="x")), "mail.parts.subject"),
        (send("a@example.org", parts=mail_pb2.Parts()), "mail.parts"),
        (send("a@example.org", lane=9), "mail.lane"),
        (send("a@example.org", route="none"), "mail.route"),
        (send("a@example.org", wait=-1), "wait"),
        (send(), "mail.to"),
        (mail_service_pb2.SendMailRequest(), "mail"),
    ],
)
async def test_a_fault_names_its_field_and_stores_nothing(gateway, as_, request_, field):
    """INVALID_ARGUMENT with BadRequest."""
    error = await refusal(gateway.mail.SendMail(request_, **as_("send")))
    assert type(error) is errors.Invalid
    assert [violation.field for violation in error.violations] == [field]
    assert await waiting_jobs(gateway) == []


async def test_many_faults_travel(gateway, as_):
    """Fifty long ones fit into what peers accept of trailers."""
    error = await refusal(gateway.mail.SendMail(send(*[f"nonsense {i} " + "ü" * 80 for i in range(60)]), **as_("send")))
    assert type(error) is errors.Invalid
    assert len(error.violations) > 5


async def test_ten_thousand_and_one_recipients_are_too_many(gateway, as_):
    """And ten thousand are not."""
    too_many = send(*[f"u{i}@example.org" for i in range(10_001)])
    error = await refusal(gateway.mail.SendMail(too_many, **as_("send")))
    assert (type(error), error.violations[0].field) == (errors.TooLarge, "mail.to")
    del too_many.mail.to[10_000:]
    receipt = (await gateway.mail.SendMail(too_many, **as_("both"))).receipt
    page = mail_service_pb2.ListRecipientsRequest(mail_id=receipt.mail_id, page_size=5000)
    seen = []
    while True:
        answer = await gateway.mail.ListRecipients(page, **as_("both"))
        seen += [recipient.index for recipient in answer.recipients]
        if not answer.next_page_token:
            break
        assert len(answer.recipients) == 1000
        page.page_token = answer.next_page_token
    assert seen == list(range(10_000))


async def test_a_large_mail_is_taken_without_holding_up_others(gateway, as_, monkeypatch):
    """To parse it and to check it is a thread's work: while that stands still, a small mail goes all its way."""
    request = send("large@example.org", raw=b"From: news@example.com\r\n\r\n" + b"x" * (49 * 2**20))
    begun, go_on = threading.Semaphore(0), threading.Event()
    offload = gateway.shell.offload

    async def held(work):
        def in_its_time():
            begun.release()
            assert go_on.wait(60)
            return work()

        return await offload(in_its_time)

    monkeypatch.setattr(gateway.shell, "offload", held)
    call = gateway.channel.unary_unary("/mailgate.api.mail.v1.MailService/SendMail")
    large = asyncio.ensure_future(call(request.SerializeToString(), **as_("send", timeout=60)))
    assert await asyncio.to_thread(begun.acquire, timeout=30)
    await gateway.mail.SendMail(send("small@example.org"), **as_("send"))
    (job,) = await waiting_jobs(gateway)
    assert [each.email for each in decode_body(job.envelope + job.content).envelope.recipients] == ["small@example.org"]
    go_on.set()
    await large
    assert begun.acquire(blocking=False), "it was not checked in a thread"
    assert len(await waiting_jobs(gateway)) == 1


async def test_sixty_megabytes_are_too_large(gateway, as_):
    """GRPC lets them through; admission says how much is allowed."""
    request = send("a@example.org", raw=b"From: news@example.com\r\n\r\n" + b"x" * (60 * 10**6))
    error = await refusal(gateway.mail.SendMail(request, **as_("send")))
    assert (type(error), error.violations[0].field) == (errors.TooLarge, "mail.content")
    assert "52,428,800" in str(error)


@pytest.mark.parametrize(
    ("request_", "field"),
    [(batch(), "entries"), (batch(entry("a@example.org"), to=[mail_pb2.Address(email="b@example.org")]), "shared.to")],
)
async def test_a_fault_of_a_whole_batch_fails_the_call(gateway, as_, request_, field):
    """Nothing is stored."""
    error = await refusal(gateway.mail.BatchSendMail(request_, **as_("send")))
    assert [violation.field for violation in error.violations] == [field]
    assert await waiting_jobs(gateway) == []


async def test_too_many_entries(gateway, as_):
    """10,001."""
    request = batch(*[entry("a@example.org")] * 10_001)
    assert type(await refusal(gateway.mail.BatchSendMail(request, **as_("send")))) is errors.TooLarge


async def test_another_tenants_domain_is_forbidden(gateway, as_):
    """In From, in the return path and in the From of a raw message."""
    for more in (
        {"from_address": mail_pb2.Address(email="a@other.example")},
        {"return_path": "a@other.example"},
        {"raw": b"From: a@other.example\r\n\r\nhi"},
    ):
        error = await refusal(gateway.mail.SendMail(send("a@example.org", **more), **as_("send")))
        assert type(error) is errors.SenderDomainForbidden
    assert await waiting_jobs(gateway) == []


async def test_a_deadline_in_the_past_stores_nothing(gateway, as_):
    """The client's own gRPC notices it first; what the gateway notices is in test_admit.py."""
    await refusal(gateway.mail.SendMail(send("a@example.org"), **as_("send", timeout=-1.0)))
    await asyncio.sleep(0.05)
    assert await waiting_jobs(gateway) == []


def in_flight(gateway) -> float:
    """Octets of mails that are being taken."""
    return sum(sample.value for sample in gateway.admission.stats() if sample.metric.name == "mailgate_bytes_in_flight")


async def test_a_call_cut_in_the_middle_is_whole_or_nothing(gateway, as_):
    """Calls are cancelled at any moment: what was stored is queued too, and no octets stay in flight."""
    calls = [gateway.mail.SendMail(send(f"u{i}@example.org", wait=10), **as_("both")) for i in range(60)]
    for number, call in enumerate(calls):
        if number % 3 == 0:
            await asyncio.sleep(0.001)
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    async with asyncio.timeout(20):
        while gateway.hub.listening or in_flight(gateway):  # noqa: ASYNC110 - what was begun ends by itself
            await asyncio.sleep(0.01)
    queued = await waiting_jobs(gateway)
    assert sum(count.ready for count in await gateway.ledger.counts(())) == len(queued)


async def test_a_stopping_gateway_refuses_with_a_time_to_wait(gateway, as_):
    """UNAVAILABLE with RetryInfo."""
    gateway.admission.drain()
    error = await refusal(gateway.mail.SendMail(send("a@example.org"), **as_("send")))
    assert type(error) is errors.Unavailable
    assert error.retry_after > 0


# ---------------------------------------------------------------------------------------------------------------- reading


@pytest.mark.parametrize("mail_id", ["", "nonsense", "0192f0c1-0000-7000-8000-00000000000g"])
async def test_what_is_no_id_is_invalid(gateway, as_, mail_id):
    """Not NOT_FOUND: it can never be found."""
    error = await refusal(gateway.mail.GetMail(mail_service_pb2.GetMailRequest(mail_id=mail_id), **as_("read")))
    assert [violation.field for violation in error.violations] == ["mail_id"]


async def test_another_tenants_mail_is_not_there(gateway, as_):
    """Neither to get, nor to page through, nor to watch."""
    receipt = (await gateway.mail.SendMail(send("a@example.org"), **as_("send"))).receipt
    for call in (
        gateway.mail.GetMail(mail_service_pb2.GetMailRequest(mail_id=receipt.mail_id), **as_("other")),
        gateway.mail.ListRecipients(mail_service_pb2.ListRecipientsRequest(mail_id=receipt.mail_id), **as_("other")),
        gateway.mail.WatchEvents(mail_service_pb2.WatchEventsRequest(mail_id=receipt.mail_id), **as_("other")).read(),
    ):
        assert type(await refusal(call)) is errors.NotFound


@pytest.mark.parametrize(
    ("change", "field"), [({"page_size": -1}, "page_size"), ({"page_token": "x"}, "page_token"), ({"page_token": "²"}, "page_token")]
)
async def test_bad_pages(gateway, as_, change, field):
    """Sizes and tokens."""
    receipt = (await gateway.mail.SendMail(send("a@example.org"), **as_("both"))).receipt
    request = mail_service_pb2.ListRecipientsRequest(mail_id=receipt.mail_id, **change)
    error = await refusal(gateway.mail.ListRecipients(request, **as_("both")))
    assert [violation.field for violation in error.violations] == [field]


async def test_watching_begins_with_an_empty_frame_and_misses_nothing(gateway, as_):
    """Of all the tenant's mails, or of one; never of another tenant's."""
    everything = gateway.mail.WatchEvents(mail_service_pb2.WatchEventsRequest(), **as_("both"))
    stranger = gateway.mail.WatchEvents(mail_service_pb2.WatchEventsRequest(), **as_("other"))
    assert len((await everything.read()).events) == 0
    await stranger.read()
    first = (await gateway.mail.SendMail(send("a@example.org", tags=["t"], metadata={"k": "v"}), **as_("both"))).receipt
    only = gateway.mail.WatchEvents(mail_service_pb2.WatchEventsRequest(mail_id=first.mail_id), **as_("both"))
    assert len((await only.read()).events) == 0
    await gateway.mail.SendMail(send("b@example.org"), **as_("both"))
    mail_id = parse_id(first.mail_id, "")
    gateway.hub.publish([Fact("acme", mail_id, 0, 2, EventType.DELIVERED, RecipientState.DELIVERED, 5, AttemptRecord(1, code=250))])
    seen = []
    while len(seen) < 3:
        seen += (await everything.read()).events
    kinds = [(event.email, event.type, event.recipient_sequence) for event in seen]
    assert kinds == [
        ("a@example.org", mail_pb2.EVENT_TYPE_ACCEPTED, 1),
        ("b@example.org", mail_pb2.EVENT_TYPE_ACCEPTED, 1),
        ("a@example.org", mail_pb2.EVENT_TYPE_DELIVERED, 2),
    ]
    assert (list(seen[0].tags), dict(seen[0].metadata), seen[2].attempt.code) == (["t"], {"k": "v"}, 250)
    assert [event.event_id for event in (await only.read()).events] == [f"{first.mail_id}.0.2"]
    for call in (everything, only, stranger):
        call.cancel()


async def test_a_watcher_whose_key_is_revoked_hears_no_more(gateway, as_):
    """UNAUTHENTICATED in the place of the next event; who watches with another key goes on."""
    revoked = gateway.mail.WatchEvents(mail_service_pb2.WatchEventsRequest(), **as_("read"))
    other = gateway.mail.WatchEvents(mail_service_pb2.WatchEventsRequest(), **as_("both"))
    for watch in (revoked, other):
        await watch.read()
    gateway.tenants.become(Tenants({"acme": TenantOptions(("example.com",), (KeyOptions(f"sha256:{sha256(b'both').hexdigest()}"),))}))
    await gateway.mail.SendMail(send("a@example.org"), **as_("both"))
    assert isinstance(await refusal(revoked.read()), errors.Unauthenticated)
    assert len((await other.read()).events) == 1


async def test_a_stop_ends_watchers_with_a_word(gateway, as_):
    """UNAVAILABLE: watch elsewhere."""
    watch = gateway.mail.WatchEvents(mail_service_pb2.WatchEventsRequest(), **as_("read"))
    await watch.read()
    gateway.hub.close()
    assert "stops" in str(await refusal(watch.read()))


async def test_a_watcher_that_left_is_forgotten(gateway, as_):
    """Its queue does not grow behind its back."""
    watch = gateway.mail.WatchEvents(mail_service_pb2.WatchEventsRequest(), **as_("read"))
    await watch.read()
    assert gateway.hub.listening
    watch.cancel()
    async with asyncio.timeout(5):
        while gateway.hub.listening:  # noqa: ASYNC110 - the server learns of it by itself
            await asyncio.sleep(0.01)


async def test_one_watcher_too_many_is_refused_with_a_time_to_wait(gateway, as_):
    """UNAVAILABLE before the first frame; the others go on, and mail is taken."""
    watches = []
    for _ in range(3):
        watches.append(gateway.mail.WatchEvents(mail_service_pb2.WatchEventsRequest(), **as_("both")))
        await watches[-1].read()
    error = await refusal(gateway.mail.WatchEvents(mail_service_pb2.WatchEventsRequest(), **as_("both")).read())
    assert type(error) is errors.Unavailable
    assert "of this tenant" in str(error)
    assert error.retry_after > 0
    await gateway.mail.SendMail(send("a@example.org"), **as_("both"))
    assert len((await watches[0].read()).events) == 1
    for watch in watches:
        watch.cancel()
