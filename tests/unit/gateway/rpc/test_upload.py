"""UploadContent over a real door, and mails that attach what was uploaded."""

from __future__ import annotations

import asyncio
import random
import time
from hashlib import sha256

import grpc
import pytest

from gateway.admission.tenants import Tenants
from mailgate import errors
from mailgate.api.mail.v1 import mail_pb2
from mailgate.api.mail.v1.mail_service_pb2 import UploadContentRequest
from mailgate.rpc.channel import bearer
from mailgate.rpc.jobs import decode_body
from mailgate.rpc.status import from_rpc_error, from_status
from tests.unit.gateway.rpc.test_mail_service import batch, entry, refusal, send, waiting_jobs
from tests.unit.gateway.rpc.test_mail_stream import Client, message

DATA = random.Random(7).randbytes(2_500_000)
DIGEST = f"sha256:{sha256(DATA).hexdigest()}"
PIECE = 1 << 20


def first(offset=0, data=b"", digest=DIGEST, size=2_500_000):
    """The first message."""
    return UploadContentRequest(digest=digest, size=size, offset=offset, data=data)


def pieces(data=DATA, offset=0):
    """All messages of an upload."""
    digest = f"sha256:{sha256(data).hexdigest()}"
    yield first(offset, data[offset : offset + PIECE], digest, len(data))
    for start in range(offset + PIECE, len(data), PIECE):
        yield UploadContentRequest(data=data[start : start + PIECE])


def upload(gateway, *messages, key="both"):
    """The call."""
    return gateway.mail.UploadContent(iter(messages), metadata=bearer(key), timeout=20)


def attached(*digests):
    """Attachments that name these."""
    return [mail_pb2.Attachment(digest=digest, filename=f"{number}.pdf") for number, digest in enumerate(digests)]


async def test_an_upload_is_attached(gateway):
    """By one mail and by a batch: the jobs name the digest, and have the file; nothing is stored twice."""
    answer = await upload(gateway, *pieces())
    assert (answer.digest, answer.size, answer.stored) == (DIGEST, len(DATA), len(DATA))
    await gateway.mail.SendMail(send("a@example.org", attachments=attached(DIGEST, DIGEST)), metadata=bearer("both"), timeout=20)
    request = batch(entry("b@example.org"), entry("c@example.org"), attachments=attached(DIGEST))
    response = await gateway.mail.BatchSendMail(request, metadata=bearer("both"), timeout=20)
    assert all(result.HasField("receipt") for result in response.results)
    jobs = await waiting_jobs(gateway)
    assert len(jobs) == 3
    assert {job.files for job in jobs} == {jobs[0].files}
    assert jobs[0].files[0].data == DATA
    body = decode_body(jobs[0].envelope + jobs[0].content)
    assert [(file.digest, file.data, file.filename) for file in body.content.attachments] == [
        (DIGEST, b"", "0.pdf"),
        (DIGEST, b"", "1.pdf"),
    ]


async def test_a_cut_upload_goes_on(gateway):
    """What came is kept; a first message without data asks how much that is, and another call brings the rest."""
    call = gateway.mail.UploadContent(metadata=bearer("both"), timeout=20)
    await call.write(first(0, DATA[:PIECE]))
    await call.write(UploadContentRequest(data=DATA[PIECE : 2 * PIECE]))
    async with asyncio.timeout(10):
        while (state := await gateway.ledger.files.state("acme", sha256(DATA).digest())) is None or state.stored < 2 * PIECE:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    call.cancel()
    asked = await upload(gateway, first())
    assert asked.stored == 2 * PIECE
    answer = await upload(gateway, *pieces(offset=2 * PIECE))
    assert answer.stored == len(DATA)
    again = await upload(gateway, first())
    assert again.stored == len(DATA)


async def test_two_uploads_of_the_same_at_once(gateway):
    """Both end well."""
    answers = await asyncio.gather(*[upload(gateway, *pieces()) for _ in range(3)])
    assert [answer.stored for answer in answers] == [len(DATA)] * 3


async def test_who_asks_for_a_whole_file_has_a_day_to_attach_it(gateway):
    """The client uploads by asking first: what it is told is there must not be forgotten before its mail comes."""
    now_ms = time.time_ns() // 1_000_000
    await gateway.ledger.files.append("acme", sha256(DATA).digest(), len(DATA), 0, DATA, now_ms + 1000, len(DATA))
    assert await gateway.ledger.files.seal("acme", sha256(DATA).digest())
    answer = await upload(gateway, first())
    assert (answer.stored, answer.size) == (len(DATA), len(DATA))
    assert answer.expire_time.seconds * 1000 >= now_ms + 23 * 3_600_000
    assert await gateway.ledger.files.forget(now_ms + 60_000, 10) == 0


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (first(digest="sha256:beef"), "digest"),
        (first(digest=""), "digest"),
        (first(digest=DIGEST.replace("sha256", "sha512")), "digest"),
        (first(size=-1), "size"),
        (first(size=51 * 1024 * 1024), "size"),
        (first(offset=-1), "offset"),
        (first(data=bytes(PIECE + 1)), "data"),
    ],
)
async def test_a_wrong_first_message(gateway, message, field):
    """Names the field."""
    error = await refusal(upload(gateway, message))
    assert isinstance(error, errors.Invalid)
    assert [violation.field for violation in error.violations] == [field]


async def test_no_message_at_all(gateway):
    """Is no upload."""
    assert isinstance(await refusal(upload(gateway)), errors.Invalid)


async def test_octets_with_another_digest(gateway):
    """Are refused at the end, and dropped, so that the next try begins anew."""
    error = await refusal(upload(gateway, first(data=b"x" * 10, size=10)))
    assert "another digest" in str(error)
    assert (await upload(gateway, first(size=10))).stored == 0


@pytest.mark.parametrize("messages", [[first(offset=5, data=b"x")], [first(data=b"x"), UploadContentRequest(data=DATA[:PIECE])] * 3])
async def test_what_does_not_follow(gateway, messages):
    """An offset beyond what is stored, or more than the size says."""
    if len(messages) > 1:
        messages = [first(data=b"x", size=5), UploadContentRequest(data=b"y" * 5)]
    assert type(await refusal(upload(gateway, *messages))) is errors.WrongState


async def test_an_upload_whose_key_is_revoked_ends(gateway):
    """With the message that comes after it; what was stored before stays for another key of the tenant."""
    messages, revoked = list(pieces()), asyncio.Event()

    async def slowly():
        yield messages[0]
        await revoked.wait()
        for each in messages[1:]:
            yield each

    assert len(messages) > 1
    call = gateway.mail.UploadContent(slowly(), metadata=bearer("send"), timeout=20)
    async with asyncio.timeout(5):
        while await gateway.ledger.files.state("acme", sha256(DATA).digest()) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    gateway.tenants.become(Tenants({}))
    revoked.set()
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_tenants_uploads_are_bounded(gateway):
    """RESOURCE_EXHAUSTED with what there is and may be; what is begun may end, another tenant is not concerned."""
    await upload(gateway, *pieces())
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await upload(gateway, first(digest=f"sha256:{'ab' * 32}", size=600_000))
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    error = from_rpc_error(refused.value)
    assert type(error) is errors.QuotaExceeded
    assert "2,500,000 octets of at most 3,000,000" in str(error)
    await upload(gateway, *pieces())
    await upload(gateway, first(digest=f"sha256:{'ab' * 32}", size=600_000), key="other")


@pytest.mark.parametrize(
    ("digest", "kind", "field"),
    [
        (f"sha256:{'ab' * 32}", errors.ContentMissing, "mail.attachments[1].digest"),
        ("nonsense", errors.Invalid, "mail.attachments[1].digest"),
    ],
)
async def test_a_digest_that_was_never_uploaded(gateway, digest, kind, field):
    """Named, and nothing is stored; nor is what another tenant uploaded, or what is not whole."""
    await upload(gateway, *pieces())
    request = send("a@example.org", attachments=attached(DIGEST, digest))
    error = await refusal(gateway.mail.SendMail(request, metadata=bearer("both"), timeout=20))
    assert type(error) is kind
    assert [violation.field for violation in error.violations] == [field]
    assert await waiting_jobs(gateway) == []


async def test_a_file_counts_towards_the_size_of_a_mail(gateway):
    """Twenty times two and a half megabytes fit into a mail, twenty-two do not; the same file twice counts once."""
    await upload(gateway, *pieces())
    text = mail_pb2.Parts(text="x" * (50 * 1024 * 1024 - len(DATA) + 1))
    error = await refusal(
        gateway.mail.SendMail(send("a@example.org", attachments=attached(DIGEST), parts=text), metadata=bearer("both"), timeout=20)
    )
    assert type(error) is errors.TooLarge


async def test_a_stream_waits_until_its_files_have_room(gateway, monkeypatch):
    """Beside what is in flight one file has room: each is read when the one before was stored, and no mail is refused."""
    files = [random.Random(number).randbytes(500_000) for number in range(5)]
    digests = [(await upload(gateway, *pieces(data))).digest for data in files]
    flight = gateway.admission.in_flight
    hold = flight.hold(flight.bound - 600_000)
    seen, read = [], gateway.ledger.files.read

    async def noting(tenant, wanted):
        seen.append(flight.octets - hold.octets)
        return await read(tenant, wanted)

    monkeypatch.setattr(gateway.ledger.files, "read", noting)
    client = Client(gateway)
    await client.write(*[message(number, "a@example.org", attachments=attached(digest)) for number, digest in enumerate(digests)])
    found = await client.rest()
    assert [(each.sequence, each.WhichOneof("outcome")) for each in found] == [(number, "receipt") for number in range(5)]
    assert len(seen) == 5
    assert all(500_000 < octets < 501_000 for octets in seen)
    assert flight.octets == hold.octets
    hold.end()


async def test_a_stream_of_mails_with_too_many_octets_of_files(gateway):
    """Refused one by one, by their sizes; the stream goes on."""
    await upload(gateway, *pieces())
    text = mail_pb2.Parts(text="x" * (50 * 1024 * 1024 - len(DATA) + 1))
    client = Client(gateway)
    await client.write(
        message(1, "a@example.org", attachments=attached(DIGEST), parts=text), message(2, "a@example.org", attachments=attached(DIGEST))
    )
    large, small = await client.rest()
    assert type(from_status(large.error)) is errors.TooLarge
    assert small.HasField("receipt")


async def test_another_tenants_file(gateway):
    """Is not there."""
    await upload(gateway, *pieces())
    request = send("a@example.org", attachments=attached(DIGEST), from_address=mail_pb2.Address(email="a@other.example"))
    assert type(await refusal(gateway.mail.SendMail(request, metadata=bearer("other"), timeout=20))) is errors.ContentMissing


async def test_the_scope(gateway):
    """Is `send`."""
    assert type(await refusal(upload(gateway, first(), key="read"))) is errors.ScopeMissing
