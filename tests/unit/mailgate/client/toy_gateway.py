"""A gateway that keeps to the protos, in memory behind a real door: a test can have it refuse, break, stop and come back."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from contextlib import suppress
from datetime import timedelta

import grpc

from mailgate.api.mail.v1 import mail_pb2, mail_service_pb2_grpc
from mailgate.api.mail.v1 import mail_service_pb2 as pb
from mailgate.errors import ContentMissing, Invalid, KeyReused, MailgateError, NotFound, StorageBroken, Unauthenticated, Unavailable
from mailgate.ids import format_id, new_id
from mailgate.rpc.server import Door
from mailgate.rpc.status import to_status
from mailgate.rpc.statuses import statuses

KEY = "a-key"
SERVICE = "mailgate.api.mail.v1.MailService"

Break = object()
"""A fault: store the mail, and break the call before its answer, as a killed process does."""

Lose = object()
"""A fault: break the call, and store nothing."""


class ToyGateway(mail_service_pb2_grpc.MailServiceServicer):
    """`faults` are taken one by one: a MailgateError to raise or tell, Break, Lose, or None for a call that goes well.

    StorageBroken is told of a mail that is stored all the same, as a commit whose fsync failed may be.
    """

    def __init__(self) -> None:
        self.stored: dict[str, tuple[bytes, mail_pb2.Receipt]] = {}
        """By key, in the order of acceptance."""
        self.faults: deque[MailgateError | object | None] = deque()
        self.read_faults: deque[MailgateError] = deque()
        self.calls: list[str] = []
        self.contents: dict[str, bytes] = {}
        self.cut_uploads_at: list[int] = []
        self.hold = asyncio.Event()
        """Cleared: streams are not read."""
        self.hold.set()
        self.draining = asyncio.Event()
        self.watchers: set[asyncio.Queue[mail_pb2.Event | None]] = set()
        self.address = "127.0.0.1:0"
        self._door: Door | None = None

    async def start(self) -> ToyGateway:
        """Open the door, at the address of the time before."""
        self._door = Door([SERVICE], [statuses()])
        mail_service_pb2_grpc.add_MailServiceServicer_to_server(self, self._door.server)
        self.address = await self._door.bind(self.address)
        await self._door.start()
        await self._door.serving(True)
        self.draining.clear()
        return self

    async def stop(self) -> None:
        """Close it at once: calls under way break."""
        if self._door is not None:
            door, self._door = self._door, None
            for watcher in self.watchers:
                watcher.put_nowait(None)
            await door.stop(timedelta(0))

    async def serving(self, yes: bool) -> None:
        """What health says."""
        assert self._door is not None
        await self._door.serving(yes)

    @property
    def mails(self) -> list[str]:
        """Subjects of what was stored, in order."""
        return [pb.SendMailRequest.FromString(request).mail.parts.subject for request, _ in self.stored.values()]

    def publish(self, subject: str) -> None:
        """An event to whoever watches; its mail is told by its metadata."""
        event = mail_pb2.Event(mail_id=format_id(bytes(16)), type=1, state=2, metadata={"subject": subject})
        for watcher in self.watchers:
            watcher.put_nowait(event)

    async def SendMail(self, request, context):
        """See the proto."""
        self._enter("SendMail", context)
        fault = self.faults.popleft() if self.faults else None
        if isinstance(fault, StorageBroken):
            self._store(request)
        if isinstance(fault, MailgateError):
            raise fault
        if fault is Lose:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
        receipt = mail_pb2.Receipt() if request.validate_only else self._store(request)
        if fault is Break:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
        return pb.SendMailResponse(receipt=receipt)

    async def BatchSendMail(self, request, context):
        """See the proto."""
        self._enter("BatchSendMail", context)
        fault = self.faults.popleft() if self.faults else None
        if isinstance(fault, MailgateError):
            raise fault
        answer = self._batch(request)
        if fault is Break:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
        return answer

    async def StreamMail(self, request_iterator, context):
        """See the proto."""
        self._enter("StreamMail", context)
        drain = asyncio.create_task(self._drain(context))
        try:
            async for message in request_iterator:
                await self.hold.wait()
                fault = self.faults.popleft() if self.faults else None
                if fault is Lose:
                    await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
                receipt = pb.StreamReceipt(sequence=message.sequence)
                try:
                    self._answer(message, receipt, fault)
                except MailgateError as error:
                    receipt.error.CopyFrom(to_status(error))
                if fault is Break:
                    await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
                await context.write(pb.StreamMailResponse(receipts=[receipt]))
        finally:
            drain.cancel()

    def _answer(self, message, receipt, fault) -> None:
        if self.draining.is_set():
            raise Unavailable("the gateway stops", 0.01)
        if isinstance(fault, StorageBroken):
            self._store(message.send)
        if isinstance(fault, MailgateError):
            raise fault
        if message.WhichOneof("kind") == "send":
            receipt.receipt.CopyFrom(self._store(message.send))
        else:
            receipt.batch.CopyFrom(self._batch(message.batch))

    async def _drain(self, context) -> None:
        await self.draining.wait()
        with suppress(Exception):
            await context.write(pb.StreamMailResponse(draining=True))

    async def UploadContent(self, request_iterator, context):
        """See the proto; `cut_uploads_at`: how many octets the next calls take before they break."""
        self._enter("UploadContent", context)
        cut = None
        first = None
        async for message in request_iterator:
            if first is None:
                first = message
                self.contents[first.digest] = self.contents.get(first.digest, b"")[: first.offset or None]
                assert first.offset <= len(self.contents[first.digest])
            if message.data:
                if cut is None:
                    cut = self.cut_uploads_at.pop(0) if self.cut_uploads_at else 1 << 40
                assert len(message.data) <= 1 << 20
                self.contents[first.digest] += message.data
                if len(self.contents[first.digest]) >= cut:
                    await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
        stored = self.contents[first.digest]
        if len(stored) == first.size and f"sha256:{hashlib.sha256(stored).hexdigest()}" != first.digest:
            raise Invalid.field("digest", "it is another content's")
        return pb.UploadContentResponse(digest=first.digest, size=first.size, stored=len(stored))

    async def GetMail(self, request, context):
        """See the proto."""
        self._enter("GetMail", context)
        if self.read_faults:
            raise self.read_faults.popleft()
        self._find(request.mail_id)
        return pb.GetMailResponse(mail_id=request.mail_id, lane=1, on_doubt=1)

    async def ListRecipients(self, request, context):
        """Five, two a page."""
        self._enter("ListRecipients", context)
        self._find(request.mail_id)
        start = int(request.page_token or 0)
        found = [mail_pb2.Recipient(index=index, email=f"{index}@example.com", state=2) for index in range(start, min(start + 2, 5))]
        return pb.ListRecipientsResponse(recipients=found, next_page_token=str(start + 2) if start + 2 < 5 else "")

    async def WatchEvents(self, request, context):
        """See the proto."""
        self._enter("WatchEvents", context)
        if request.mail_id:
            self._find(request.mail_id)
        told: asyncio.Queue[mail_pb2.Event | None] = asyncio.Queue()
        self.watchers.add(told)
        try:
            await context.write(pb.WatchEventsResponse())
            while (event := await told.get()) is not None:
                await context.write(pb.WatchEventsResponse(events=[event]))
        finally:
            self.watchers.discard(told)

    def _enter(self, method: str, context) -> None:
        self.calls.append(method)
        if dict(context.invocation_metadata()).get("authorization") != f"Bearer {KEY}":
            raise Unauthenticated("this gateway does not know the API key")

    def _find(self, mail_id: str) -> None:
        if mail_id not in {receipt.mail_id for _, receipt in self.stored.values()}:
            raise NotFound(f"there is no mail {mail_id}")

    def _store(self, request: pb.SendMailRequest) -> mail_pb2.Receipt:
        if not request.mail.to:
            raise Invalid.field("mail.to", "nobody would get the mail")
        for file in request.mail.attachments:
            if file.digest and file.digest not in self.contents:
                raise ContentMissing.field("mail.attachments[0].digest", "it was not uploaded")
        key = request.idempotency_key
        assert key, "the client sets a key before the first try"
        octets = pb.SendMailRequest(mail=request.mail).SerializeToString(deterministic=True)
        if key in self.stored:
            known, receipt = self.stored[key]
            if known != octets:
                raise KeyReused("the key belongs to another mail")
            return mail_pb2.Receipt(mail_id=receipt.mail_id, accept_time=receipt.accept_time, replayed=True)
        receipt = mail_pb2.Receipt(mail_id=format_id(new_id(len(self.stored) + 1, bytes(10))))
        self.stored[key] = octets, receipt
        return receipt

    def _batch(self, request: pb.BatchSendMailRequest) -> pb.BatchSendMailResponse:
        answer = pb.BatchSendMailResponse(batch_id=format_id(bytes(16)))
        for index, entry in enumerate(request.entries):
            mail = mail_pb2.Mail()
            mail.CopyFrom(request.shared)
            mail.to.extend(entry.to)
            result = answer.results.add()
            try:
                key = entry.idempotency_key or f"{request.idempotency_key}/{index}"
                result.receipt.CopyFrom(self._store(pb.SendMailRequest(mail=mail, idempotency_key=key)))
            except MailgateError as error:
                result.error.CopyFrom(to_status(error))
        return answer
