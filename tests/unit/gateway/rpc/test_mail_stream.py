"""StreamMail over a real door: order, errors that end nothing, bounds, and the end."""

from __future__ import annotations

import asyncio
import gc

import grpc
import pytest

from gateway.rpc import mail_stream
from mailgate import errors
from mailgate.api.mail.v1 import mail_pb2
from mailgate.api.mail.v1.mail_service_pb2 import StreamMailRequest, StreamMailResponse
from mailgate.mail import Mail
from mailgate.rpc.channel import bearer
from mailgate.rpc.status import from_rpc_error, from_status
from tests.unit.gateway.rpc.test_mail_service import batch, entry, send, waiting_jobs

STREAM = "/mailgate.api.mail.v1.MailService/StreamMail"


def message(sequence, *to, key="", **more):
    """A mail in a stream."""
    request = send(*to, **more)
    request.idempotency_key = key
    return StreamMailRequest(sequence=sequence, send=request)


class Client:
    """One call; `receipts` until the stream ends or so many have come."""

    def __init__(self, gateway, key="both") -> None:
        self.call = gateway.mail.StreamMail(metadata=bearer(key), timeout=30)
        self.draining = False

    async def write(self, *messages):
        for each in messages:
            await self.call.write(each)

    async def receipts(self, count=None):
        found = []
        while count is None or len(found) < count:
            frame = await self.call.read()
            if frame is grpc.aio.EOF:
                break
            self.draining |= frame.draining
            found += frame.receipts
        return found

    async def rest(self):
        await self.call.done_writing()
        return await self.receipts()


def held_up(gateway, monkeypatch):
    """The ledger's accept waits for the event that is returned; what was handed to it is in the list."""
    gate, groups, accept = asyncio.Event(), [], gateway.ledger.accept

    def accept_late(accepted):
        groups.append(list(accepted))

        async def late():
            await gate.wait()
            return await accept(accepted)

        return late()

    monkeypatch.setattr(gateway.ledger, "accept", accept_late)
    return gate, groups


async def test_receipts_come_in_the_order_of_the_commits(gateway):
    """Each with its sequence, a mail's or a batch's, and everything is stored and queued."""
    client = Client(gateway)
    await client.write(
        message(7, "a@example.org"),
        StreamMailRequest(sequence=8, batch=batch(entry("b@example.org"), entry("c@example.org"))),
        message(9, "d@example.org"),
    )
    found = await client.rest()
    assert [each.sequence for each in found] == [7, 8, 9]
    assert [each.WhichOneof("outcome") for each in found] == ["receipt", "batch", "receipt"]
    ids = [found[0].receipt.mail_id, *(each.receipt.mail_id for each in found[1].batch.results), found[2].receipt.mail_id]
    assert len(set(ids)) == 4
    assert len(await waiting_jobs(gateway)) == 4
    assert gateway.admission.in_flight.octets == 0
    assert await client.call.code() is grpc.StatusCode.OK


async def test_an_error_ends_nothing(gateway):
    """Each door's mistake is answered by its sequence, and the mails around it are stored."""
    broken = batch(entry("b@example.org"), entry("no address"))
    client = Client(gateway)
    await client.write(
        message(1, "a@example.org"),
        message(2, "no address"),
        message(3, "a@example.org", wait=1),
        StreamMailRequest(sequence=4),
        StreamMailRequest(sequence=5, batch=broken),
        StreamMailRequest(sequence=6, batch=batch()),
        StreamMailRequest(sequence=7, send={}),
        message(8, "a@example.org", from_address=mail_pb2.Address(email="a@other.example")),
        message(9, "a@example.org", lane=77),
        message(10, "a@example.org", validate_only=True),
        message(11, "z@example.org"),
    )
    found = {each.sequence: each for each in await client.rest()}
    assert sorted(found) == list(range(1, 12))
    refused = {number: from_status(each.error) for number, each in found.items() if each.HasField("error")}
    fields = {number: error.violations[0].field for number, error in refused.items() if isinstance(error, errors.Invalid)}
    assert fields == {2: "mail.to[0].email", 3: "wait", 4: "kind", 6: "entries", 7: "mail", 9: "mail.lane"}
    assert type(refused[8]) is errors.SenderDomainForbidden
    assert [each.WhichOneof("outcome") for each in found[5].batch.results] == ["receipt", "error"]
    assert found[10].receipt.mail_id == ""
    assert [each.email for each in found[10].receipt.recipients] == ["a@example.org"]
    assert len(await waiting_jobs(gateway)) == 3
    assert gateway.admission.in_flight.octets == 0


async def test_what_gathers_shares_a_commit(gateway, monkeypatch):
    """Mails that come while one is being stored are the next group."""
    gate, groups = held_up(gateway, monkeypatch)
    client = Client(gateway)
    await client.write(*[message(number, f"u{number}@example.org") for number in range(600)])
    await until(lambda: len(gateway.servicer._streams) == 1 and next(iter(gateway.servicer._streams))._mails == 600)
    gate.set()
    assert [each.sequence for each in await client.rest()] == list(range(600))
    assert [len(group) for group in groups[1:]] == [256, 256, 600 - 512 - len(groups[0])]


async def until(reached):
    """Wait for it."""
    async with asyncio.timeout(10):
        while not reached():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_key_is_replayed_in_a_stream_too(gateway):
    """Within the stream, within one group, and over calls."""
    client = Client(gateway)
    await client.write(message(1, "a@example.org", key="k"), message(2, "a@example.org", key="k"), message(3, "b@example.org", key="k"))
    first, again, other = await client.rest()
    assert again.receipt.mail_id == first.receipt.mail_id
    assert again.receipt.replayed
    assert type(from_status(other.error)) is errors.KeyReused
    request = send("a@example.org")
    request.idempotency_key = "k"
    assert (await gateway.mail.SendMail(request, metadata=bearer("send"), timeout=20)).receipt.mail_id == first.receipt.mail_id
    assert len(await waiting_jobs(gateway)) == 1


async def test_a_client_that_reads_no_receipts_is_read_no_further(gateway):
    """It sends as much as it can; what the gateway has read and not answered stays bounded, and nothing is lost when it reads."""
    client, sent = Client(gateway), 0

    async def pour():
        nonlocal sent
        while True:
            await client.call.write(message(sent, f"u{sent}@example.org", tags=["t" * 60] * 16))
            sent += 1

    pouring = asyncio.ensure_future(pour())
    before = -1
    while before != sent:  # until flow control holds it up
        before = sent
        await asyncio.sleep(1.0)
    (stream,) = gateway.servicer._streams
    assert mail_stream.UNANSWERED <= stream._mails <= mail_stream.UNANSWERED + mail_stream.FRAME
    found = await client.receipts(before)
    assert [each.sequence for each in found] == list(range(len(found)))
    pouring.cancel()
    client.call.cancel()
    await asyncio.gather(pouring, return_exceptions=True)
    await until(lambda: not gateway.servicer._streams)
    assert gateway.admission.in_flight.octets == 0


async def test_an_answer_that_waits_keeps_no_mail(gateway, monkeypatch):
    """An exception would, by its traceback: 850 refused mails of 2 MB that a client read no answers to took 4 GB."""
    gate, write = asyncio.Event(), mail_stream.MailStream._write_frame

    async def write_late(stream):
        await gate.wait()
        await write(stream)

    monkeypatch.setattr(mail_stream.MailStream, "_write_frame", write_late)
    client = Client(gateway)
    await client.write(*[message(number, "kept by nobody") for number in range(50)])
    await until(lambda: gateway.servicer._streams and next(iter(gateway.servicer._streams))._mails == 50)
    kept = [each for each in gc.get_objects() if isinstance(each, Mail) and "kept by nobody" in str(each.to)]
    gate.set()
    assert [type(from_status(each.error)) for each in await client.rest()] == [errors.Invalid] * 50
    assert len(kept) <= 1


async def test_large_mails_are_bounded_by_their_octets(gateway, monkeypatch):
    """While they cannot be stored only so many are read; each is answered in the end."""
    gate, groups = held_up(gateway, monkeypatch)
    client = Client(gateway)
    body = mail_pb2.Parts(subject="Hi", text="x" * 4_000_000)
    writing = asyncio.ensure_future(client.write(*[message(number, "a@example.org", parts=body) for number in range(10)]))
    await until(lambda: gateway.servicer._streams and next(iter(gateway.servicer._streams))._octets >= mail_stream.UNANSWERED_OCTETS)
    await asyncio.sleep(0.3)
    assert sum(map(len, groups)) + len(next(iter(gateway.servicer._streams))._drafted) <= 5
    gate.set()
    await writing
    assert [each.sequence for each in await client.rest()] == list(range(10))


async def test_a_full_disk_holds_the_stream_up(gateway, monkeypatch):
    """And it goes on when there is room: no mail is refused for it."""
    accept, full = gateway.ledger.accept, True

    def accept_if_there_is_room(accepted):
        async def fail():
            raise errors.StorageFull("no room")

        return fail() if full else accept(accepted)

    monkeypatch.setattr(gateway.ledger, "accept", accept_if_there_is_room)
    monkeypatch.setattr(mail_stream, "FULL_WAIT", 0.01)
    client = Client(gateway)
    await client.write(*[message(number, "a@example.org") for number in range(10)])
    reading = asyncio.ensure_future(client.receipts(10))
    await asyncio.sleep(0.2)
    assert not reading.done()
    full = False
    assert [each.WhichOneof("outcome") for each in await reading] == ["receipt"] * 10
    await client.rest()


async def test_one_bad_mail_of_a_group_fails_alone(gateway, monkeypatch):
    """What the ledger says of it is its answer."""
    accept = gateway.ledger.accept

    def accept_but_one(accepted):
        async def fail():
            raise errors.WrongState("it is there already")

        return fail() if any("bad@example.org" in each.mail.emails for each in accepted) else accept(accepted)

    monkeypatch.setattr(gateway.ledger, "accept", accept_but_one)
    client = Client(gateway)
    await client.write(*[message(number, "bad@example.org" if number == 5 else "a@example.org") for number in range(10)])
    found = await client.rest()
    assert [each.sequence for each in found if each.HasField("error")] == [5]
    assert len(found) == 10


async def test_octets_in_flight_of_others_are_waited_for(gateway):
    """No error: the stream stands still and goes on."""
    hold = gateway.admission.in_flight.hold(gateway.admission.in_flight.bound)
    client = Client(gateway)
    await client.write(message(1, "a@example.org"))
    reading = asyncio.ensure_future(client.receipts(1))
    await asyncio.sleep(0.1)
    assert not reading.done()
    hold.end()
    assert [each.sequence for each in await reading] == [1]
    await client.rest()


async def test_a_stopping_gateway_says_so_and_answers_what_it_has(gateway, monkeypatch):
    """What comes after that is refused by its sequence; the client ends its side and the stream ends well."""
    gate, _ = held_up(gateway, monkeypatch)
    client = Client(gateway)
    await client.write(message(1, "a@example.org"))
    await until(lambda: gateway.servicer._streams and next(iter(gateway.servicer._streams))._mails == 1)
    gateway.admission.drain()
    gateway.servicer.drain()
    frame = await client.call.read()
    assert frame.draining
    assert not frame.receipts
    await client.write(message(2, "a@example.org"))
    refused = await client.receipts(1)
    gate.set()
    assert [(each.sequence, type(from_status(each.error))) for each in refused] == [(2, errors.Unavailable)]
    assert [(each.sequence, each.WhichOneof("outcome")) for each in await client.rest()] == [(1, "receipt")]
    assert await client.call.code() is grpc.StatusCode.OK


async def test_a_client_that_does_not_hear_of_the_end_is_cut_off(gateway, monkeypatch):
    """With UNAVAILABLE, after its last receipt."""
    monkeypatch.setattr(mail_stream, "LEAVE", 0.1)
    client = Client(gateway)
    await client.write(message(1, "a@example.org"))
    assert len(await client.receipts(1)) == 1
    gateway.admission.drain()
    gateway.servicer.drain()
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await client.receipts()
    error = from_rpc_error(ended.value)
    assert type(error) is errors.Unavailable
    assert "send again what has no receipt" in str(error)


async def test_a_stream_that_begins_while_the_gateway_stops_is_told(gateway):
    """At once."""
    gateway.admission.drain()
    client = Client(gateway)
    assert (await client.call.read()).draining
    assert await client.rest() == []


async def test_octets_that_are_no_message_end_the_stream_after_its_receipts(gateway):
    """There is no sequence to answer by; what came before is stored and answered."""
    call = gateway.channel.stream_stream(STREAM, request_serializer=bytes)(metadata=bearer("send"), timeout=20)
    await call.write(message(1, "a@example.org").SerializeToString())
    await call.write(b"\xff\xff\xff")
    assert await call.read() is not grpc.aio.EOF
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await call.read()
    assert isinstance(from_rpc_error(ended.value), errors.Invalid)
    assert len(await waiting_jobs(gateway)) == 1


async def test_a_large_message_that_is_no_mail_is_answered_by_its_sequence(gateway):
    """Its frame can be read though its mail cannot."""
    bad = StreamMailRequest(sequence=3).SerializeToString() + b"\x12\x80\x80\x10" + b"\xff" * (1 << 18)
    call = gateway.channel.stream_stream(STREAM, request_serializer=bytes)(metadata=bearer("send"), timeout=20)
    await call.write(bad)
    await call.write(message(4, "a@example.org", parts=mail_pb2.Parts(text="x" * 200_000)).SerializeToString())
    await call.done_writing()
    found = []
    while (frame := await call.read()) is not grpc.aio.EOF:
        found += StreamMailResponse.FromString(frame).receipts
    assert [(each.sequence, each.WhichOneof("outcome")) for each in found] == [(3, "error"), (4, "receipt")]


@pytest.mark.parametrize("moment", range(0, 40, 3))
async def test_a_stream_cut_at_any_moment_leaves_nothing_behind(gateway, moment):
    """What was stored is queued; no octets stay in flight; the next stream works."""
    client = Client(gateway)
    for number in range(moment):
        await client.write(message(number, f"u{number}@example.org"))
        if number % 7 == 0:
            await asyncio.sleep(0.001)
    client.call.cancel()
    await until(lambda: not gateway.servicer._streams)
    await until(lambda: gateway.admission.in_flight.octets == 0)
    await asyncio.sleep(0.02)
    queued = await waiting_jobs(gateway)
    assert sum(count.ready for count in await gateway.ledger.counts({})) == len(queued)
    client = Client(gateway)
    await client.write(message(1, "a@example.org"))
    assert len(await client.rest()) == 1


async def test_a_key_without_the_scope_opens_no_stream(gateway):
    """The scope is `send`."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await Client(gateway, "read").call.read()
    assert isinstance(from_rpc_error(refused.value), errors.ScopeMissing)
