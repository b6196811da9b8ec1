"""The callers' side with real processes: keys, streams and uploads, across kill -9 and a stop of the gateway."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email import message_from_bytes
from hashlib import sha256
from pathlib import Path

import grpc
import pytest

from benchmarks.peers.door import OPTIONS, plain_mail
from benchmarks.peers.fleet import KEY, Fleet
from benchmarks.peers.process import wait_until
from benchmarks.peers.witness import Witness
from mailgate.api.mail.v1 import mail_pb2
from mailgate.api.mail.v1 import mail_service_pb2 as service
from mailgate.api.mail.v1.mail_service_pb2_grpc import MailServiceStub
from mailgate.rpc.channel import bearer


@dataclass
class Stage:
    """A fleet before a witness that keeps what it takes."""

    witness: Witness
    fleet: Fleet


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Of each test its own: most kill the gateway."""
    with Witness(tmp_path, keep=True) as witness, Fleet(tmp_path / "fleet", witness.port, senders=2) as fleet:
        yield Stage(witness, fleet)


@asynccontextmanager
async def calls(fleet: Fleet) -> AsyncIterator[MailServiceStub]:
    """Stubs over a channel of its own."""
    async with grpc.aio.insecure_channel(fleet.address, options=OPTIONS) as channel:
        yield MailServiceStub(channel)  # type: ignore[no-untyped-call]


def sending(to: str, key: str, text: str = "x") -> service.SendMailRequest:
    """A mail with a key."""
    return service.SendMailRequest(mail=plain_mail(to, text), idempotency_key=key)


def drained(stage: Stage, mails: int) -> None:
    """The witness has so many, and there are no more to come."""
    with stage.fleet.door() as door:
        wait_until(lambda: door.waiting() == 0, f"it does not drain\n{stage.fleet.tails()}", 30)
    wait_until(lambda: stage.witness.count() >= mails, f"{stage.witness.count()} of {mails} came", 10)
    assert stage.witness.count() == mails
    assert stage.witness.doubled() == {}


async def test_a_thousand_calls_at_once_with_one_key(stage: Stage) -> None:
    """One mail, a thousand equal receipts, 999 of them replayed."""
    async with calls(stage.fleet) as mail:
        request = sending("a@example.net", "order-1")
        answers = await asyncio.gather(*[mail.SendMail(request, metadata=bearer(KEY), timeout=30) for _ in range(1000)])
    receipts = [answer.receipt for answer in answers]
    assert len({(receipt.mail_id, receipt.accept_time.ToNanoseconds()) for receipt in receipts}) == 1
    assert sum(receipt.replayed for receipt in receipts) == 999
    drained(stage, 1)


async def test_keys_outlive_the_gateway(stage: Stage) -> None:
    """Killed with calls under way, started again: every call is made anew with its key, and every mail comes once."""
    requests = [sending(f"a{number}@example.net", f"order-{number}") for number in range(600)]
    async with calls(stage.fleet) as mail:
        turns = asyncio.Semaphore(100)  # so that most are yet to come when the gateway dies, however slow this machine is

        async def in_turn(request: service.SendMailRequest) -> mail_pb2.Receipt | None:
            async with turns:
                return await _answer(mail, request)

        under_way = [asyncio.ensure_future(in_turn(request)) for request in requests]
        await asyncio.wait(under_way[:100])
        stage.fleet.gateway.kill()
        first = await asyncio.gather(*under_way)
    assert any(receipt is None for receipt in first), "the kill came too late to cut a call"
    stage.fleet.gateway.start()
    stage.fleet.wait_ready()
    async with calls(stage.fleet) as mail:
        second = await asyncio.gather(*[_answer(mail, request) for request in requests])
        for before, after in zip(first, second, strict=True):
            assert after is not None
            assert before is None or (after.mail_id, after.replayed) == (before.mail_id, True)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await mail.SendMail(sending("other@example.net", "order-1"), metadata=bearer(KEY), timeout=20)
        assert refused.value.code() is grpc.StatusCode.ALREADY_EXISTS
    drained(stage, 600)


async def _answer(mail: MailServiceStub, request: service.SendMailRequest) -> mail_pb2.Receipt | None:
    try:
        return (await mail.SendMail(request, metadata=bearer(KEY), timeout=20)).receipt
    except grpc.aio.AioRpcError:
        return None


class Stream:
    """A client of StreamMail that remembers what has no receipt."""

    def __init__(self, open_: list[int]) -> None:
        self.open = dict.fromkeys(open_)
        self.replayed = 0
        self.draining = asyncio.Event()

    async def run(self, mail: MailServiceStub, after: int = 0, then: asyncio.Event | None = None) -> None:
        """Send what is open until all has its receipt, or the stream breaks; `then` is set when `after` have come."""
        call = mail.StreamMail(metadata=bearer(KEY), timeout=60)
        writing = asyncio.ensure_future(self._write(call))
        start = len(self.open)
        try:
            while (frame := await call.read()) is not grpc.aio.EOF:
                if frame.draining:
                    self.draining.set()
                for receipt in frame.receipts:
                    if receipt.WhichOneof("outcome") == "receipt":
                        del self.open[receipt.sequence]
                        self.replayed += receipt.receipt.replayed
                if then is not None and start - len(self.open) >= after:
                    then.set()
        except grpc.aio.AioRpcError:
            pass
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    async def _write(self, call: grpc.aio.StreamStreamCall) -> None:  # type: ignore[type-arg]
        for number in list(self.open):
            if self.draining.is_set():
                break
            await call.write(service.StreamMailRequest(sequence=number, send=sending(f"s{number}@example.net", f"stream/{number}")))
        await call.done_writing()


async def test_a_stream_outlives_the_gateway(stage: Stage) -> None:
    """Killed in the middle: what has no receipt is sent again over a new stream with the same keys, and every mail comes once."""
    stream, some = Stream(list(range(3000))), asyncio.Event()
    async with calls(stage.fleet) as mail:
        running = asyncio.ensure_future(stream.run(mail, 500, some))
        await some.wait()
        stage.fleet.gateway.kill()
        await running
    assert stream.open, "the kill came too late to cut the stream"
    stage.fleet.gateway.start()
    stage.fleet.wait_ready()
    async with calls(stage.fleet) as mail:
        await stream.run(mail)
    assert not stream.open
    drained(stage, 3000)


async def test_a_stopping_gateway_drains_its_streams(stage: Stage) -> None:
    """SIGTERM: the stream is told, ends its side, has a receipt for what was taken; the gateway stops by itself."""
    stream, some = Stream(list(range(3000))), asyncio.Event()
    async with calls(stage.fleet) as mail:
        running = asyncio.ensure_future(stream.run(mail, 300, some))
        await some.wait()
        stage.fleet.gateway.signal(signal.SIGTERM)
        await running
    assert stream.draining.is_set()
    wait_until(lambda: not stage.fleet.gateway.alive, "the gateway does not stop", 20)
    assert stage.fleet.gateway.exit_code == 0
    stream.draining.clear()
    stage.fleet.gateway.start()
    stage.fleet.wait_ready()
    async with calls(stage.fleet) as mail:
        await stream.run(mail)
    assert not stream.open
    drained(stage, 3000)


async def test_a_million_octets_by_their_digest(stage: Stage) -> None:
    """Uploaded once, the gateway killed in the middle of it; attached by a mail and by a batch; what arrives is what was uploaded."""
    data = random.Random(3).randbytes(3_000_000)
    digest = f"sha256:{sha256(data).hexdigest()}"
    pieces = [data[start : start + 500_000] for start in range(0, len(data), 500_000)]
    async with calls(stage.fleet) as mail:
        call = mail.UploadContent(metadata=bearer(KEY), timeout=30)
        await call.write(service.UploadContentRequest(digest=digest, size=len(data), data=pieces[0]))
        await call.write(service.UploadContentRequest(data=pieces[1]))
        wait_until(lambda: _stored(stage.fleet, digest, len(data)) >= 1_000_000, "the pieces do not become durable", 10)
        stage.fleet.gateway.kill()
        with pytest.raises(grpc.aio.AioRpcError):
            await call
    stage.fleet.gateway.start()
    stage.fleet.wait_ready()
    assert _stored(stage.fleet, digest, len(data)) == 1_000_000
    attachment = mail_pb2.Attachment(digest=digest, filename="plan.bin", content_type="application/x-plan")
    async with calls(stage.fleet) as mail:
        rest = [
            service.UploadContentRequest(digest=digest, size=len(data), offset=1_000_000, data=pieces[2]),
            *(service.UploadContentRequest(data=piece) for piece in pieces[3:]),
        ]
        answer = await mail.UploadContent(iter(rest), metadata=bearer(KEY), timeout=30)
        assert answer.stored == len(data)
        one = plain_mail("one@example.net", "see the file")
        one.attachments.append(attachment)
        await mail.SendMail(service.SendMailRequest(mail=one), metadata=bearer(KEY), timeout=20)
        shared = plain_mail("", "see the file", subject="to many")
        del shared.to[:]
        shared.attachments.append(attachment)
        entries = [service.BatchEntry(to=[mail_pb2.Address(email=f"many{number}@example.net")]) for number in range(20)]
        await mail.BatchSendMail(service.BatchSendMailRequest(shared=shared, entries=entries), metadata=bearer(KEY), timeout=20)
    drained(stage, 21)
    for came in stage.witness.mails():
        (file,) = [part for part in message_from_bytes(came).walk() if part.get_filename() == "plan.bin"]
        assert file.get_content_type() == "application/x-plan"
        assert file.get_payload(decode=True) == data


async def test_uploads_begun_at_once_are_no_more_than_the_tenant_may_have(stage: Stage) -> None:
    """Of 45 files of 50 MiB a gibibyte has room for 20; the others are told so, by the quota's name and what makes room."""
    size = 50 * 2**20
    digests = [f"sha256:{number:064x}" for number in range(45)]
    async with calls(stage.fleet) as mail:
        begun = [
            mail.UploadContent(iter([service.UploadContentRequest(digest=digest, size=size)]), metadata=bearer(KEY), timeout=30)
            for digest in digests
        ]
        outcomes = await asyncio.gather(*begun, return_exceptions=True)
    refused = [each for each in outcomes if isinstance(each, grpc.aio.AioRpcError)]
    assert len(refused) == 25
    assert {each.code() for each in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert all("1,048,576,000 octets of at most 1,073,741,824: 52,428,800 more have no room" in str(each.details()) for each in refused)


def _stored(fleet: Fleet, digest: str, size: int) -> int:
    with grpc.insecure_channel(fleet.address, options=OPTIONS) as channel:
        ask = service.UploadContentRequest(digest=digest, size=size)
        stub = MailServiceStub(channel)  # type: ignore[no-untyped-call]
        return int(stub.UploadContent(iter([ask]), metadata=bearer(KEY), timeout=20).stored)
