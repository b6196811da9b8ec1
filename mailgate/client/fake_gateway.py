"""FakeGateway: a GatewayClient without a gateway, for FakeMailClient."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

import grpc

from mailgate.api.mail.v1 import mail_service_pb2 as pb
from mailgate.client.checks import check_mail, check_shared, entry_fault
from mailgate.client.client import GatewayClient
from mailgate.client.views import MailStatus, Stored
from mailgate.errors import ContentMissing, KeyReused, MailgateError, NotFound, Unanswered
from mailgate.ids import RANDOM_OCTETS, format_id, new_id
from mailgate.mail import AttemptRecord, BatchEntry, BatchReceipt, Event, EventType, Lane, Mail, Receipt, Recipient, RecipientState
from mailgate.rpc import mails
from mailgate.rpc.batches import fill_batch
from mailgate.rpc.status import to_status

DAY_MS = 86_400_000
TTL_MS = 2 * DAY_MS
SHOWN = 100

_DELIVERED = RecipientState.DELIVERED, AttemptRecord(1, code=250, enhanced_code="2.0.0", text="a fake took it")
_TYPES = {
    RecipientState.DELIVERED: EventType.DELIVERED,
    RecipientState.BOUNCED: EventType.BOUNCED,
    RecipientState.DEFERRED: EventType.DEFERRED,
}


@dataclass(frozen=True, slots=True)
class Sent:
    """A mail that was accepted. `recipients`: what became of them."""

    mail: Mail
    idempotency_key: str
    mail_id: bytes
    batch_id: bytes | None
    accept_ms: int
    recipients: tuple[Recipient, ...]


class FakeGateway(GatewayClient):
    """`faults` are taken one by one, by mails and batches: what is raised, and whether the mail is stored all the same."""

    def __init__(self) -> None:
        super().__init__("fake", "")
        self.faults: deque[tuple[MailgateError, bool]] = deque()
        self.fates: dict[str, tuple[RecipientState, AttemptRecord]] = {}
        self.contents: dict[str, bytes] = {}
        self.sent: list[Sent] = []
        self._keys: dict[str, Sent] = {}
        self._watchers: dict[asyncio.Queue[Event], bytes | None] = {}

    async def __aenter__(self) -> FakeGateway:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None

    def clear(self) -> None:
        """As new."""
        for each in (self.faults, self.fates, self.contents, self.sent, self._keys):
            each.clear()

    def state(self) -> grpc.ChannelConnectivity:
        """Always ready."""
        return grpc.ChannelConnectivity.READY

    async def changed(self, state: grpc.ChannelConnectivity) -> None:
        """Never."""
        await asyncio.Event().wait()

    async def serving(self) -> bool:
        """Always."""
        return True

    async def send(
        self, mail: Mail, *, idempotency_key: str = "", wait: float | None = None, validate_only: bool = False, within: float = 0.0
    ) -> Receipt:
        """See GatewayClient."""
        if validate_only:
            check_mail(mail, idempotency_key)
            return Receipt(b"", 0)
        with _Fault(self.faults):
            check_mail(mail, idempotency_key)
            receipt = self._accept(mail, idempotency_key, None)
            return replace(receipt, recipients=self._of(receipt.mail_id).recipients[:SHOWN]) if wait is not None else receipt

    async def send_batch(
        self, shared: Mail, entries: Iterable[BatchEntry], *, idempotency_key: str = "", within: float = 0.0
    ) -> BatchReceipt:
        """See GatewayClient."""
        with _Fault(self.faults):
            listed = list(entries)
            check_shared(shared, listed, idempotency_key)
            batch_id = _new_id()
            return BatchReceipt(
                batch_id, [self._entry(shared, each, index, idempotency_key, batch_id) for index, each in enumerate(listed)]
            )

    def stream(self) -> Any:  # noqa: ANN401 - as much of gRPC's call as a leg uses
        """See GatewayClient."""
        return _FakeCall(self)

    async def upload(
        self, digest: str, size: int, offset: int = 0, chunks: AsyncIterator[bytes] | None = None, *, within: float = 0.0
    ) -> Stored:
        """See GatewayClient."""
        if chunks is not None:
            data = self.contents.get(digest, b"")[:offset] + b"".join([chunk async for chunk in chunks])
            assert digest == f"sha256:{hashlib.sha256(data).hexdigest()}"  # noqa: S101
            self.contents[digest] = data
        return Stored(len(self.contents.get(digest, b"")), _now_ms() + DAY_MS)

    async def get(self, mail_id: bytes, *, within: float = 0.0) -> MailStatus:
        """See GatewayClient."""
        sent = self._of(mail_id)
        counts = {state: sum(each.state is state for each in sent.recipients) for state in {each.state for each in sent.recipients}}
        mail, lane = sent.mail, sent.mail.lane or (Lane.BULK if sent.batch_id else Lane.TRANSACTIONAL)
        expire = sent.accept_ms + (mail.ttl_ms or TTL_MS)
        shown = sent.recipients[:SHOWN]
        return MailStatus(mail_id, sent.batch_id, sent.accept_ms, expire, lane, mail.on_doubt, mail.tags, mail.metadata, counts, shown)

    async def recipients(self, mail_id: bytes, *, within: float = 0.0) -> AsyncIterator[Recipient]:
        """See GatewayClient."""
        for recipient in self._of(mail_id).recipients:
            yield recipient

    @asynccontextmanager
    async def watch(self, mail_id: bytes | None = None, *, within: float = 0.0) -> AsyncIterator[AsyncIterator[Event]]:
        """See GatewayClient."""
        if mail_id is not None:
            self._of(mail_id)
        told: asyncio.Queue[Event] = asyncio.Queue()
        self._watchers[told] = mail_id

        async def events() -> AsyncIterator[Event]:
            while True:
                yield await told.get()

        try:
            yield events()
        finally:
            del self._watchers[told]

    def _entry(self, shared: Mail, entry: BatchEntry, index: int, key: str, batch_id: bytes) -> Receipt | MailgateError:
        if (fault := entry_fault(entry, index)) is not None:
            return fault
        mail = replace(
            shared,
            to=entry.to,
            cc=entry.cc,
            bcc=entry.bcc,
            headers=(*shared.headers, *entry.headers),
            metadata={**shared.metadata, **entry.metadata},
            variables=entry.variables or shared.variables,
        )
        try:
            return self._accept(mail, entry.idempotency_key or (f"{key}/{index}" if key else ""), batch_id)
        except MailgateError as error:
            return error

    def _accept(self, mail: Mail, key: str, batch_id: bytes | None) -> Receipt:
        for index, file in enumerate(mail.attachments):
            if file.digest and file.digest not in self.contents:
                raise ContentMissing.field(f"mail.attachments[{index}].digest", "no such content is stored: upload it first")
        if key and (known := self._keys.get(key)) is not None:
            if known.mail != mail:
                raise KeyReused("the idempotency key belongs to another mail: give each mail a key of its own")
            return Receipt(known.mail_id, known.accept_ms, replayed=True)
        now, mail_id = _now_ms(), _new_id()
        emails = dict.fromkeys(each.email for each in (*mail.to, *mail.cc, *mail.bcc))
        fates = [self.fates.get(email, _DELIVERED) for email in emails]
        recipients = [
            Recipient(index, email, state, attempts=1, update_ms=now, last_attempt=attempt._replace(start_ms=now))
            for index, (email, (state, attempt)) in enumerate(zip(emails, fates, strict=True))
        ]
        sent = Sent(mail, key, mail_id, batch_id, now, tuple(recipients))
        self.sent.append(sent)
        if key:
            self._keys[key] = sent
        self._publish(sent)
        return Receipt(mail_id, now)

    def _publish(self, sent: Sent) -> None:
        for told, wanted in self._watchers.items():
            if wanted not in (None, sent.mail_id):
                continue
            for each in sent.recipients:
                for sequence, kind in enumerate((EventType.ACCEPTED, _TYPES[each.state]), 1):
                    over = sequence > 1
                    state, attempt = (each.state, each.last_attempt) if over else (RecipientState.QUEUED, None)
                    event = Event("", sent.mail_id, sent.batch_id, each.index, sequence, each.email, kind, state, sent.accept_ms, attempt)
                    told.put_nowait(replace(event, tags=sent.mail.tags, metadata=sent.mail.metadata))

    def _of(self, mail_id: bytes) -> Sent:
        for sent in reversed(self.sent):
            if sent.mail_id == mail_id:
                return sent
        raise NotFound(f"there is no mail {format_id(mail_id)}")


class _Fault:
    """The next fault, around a call: raised before it, or after it was stored."""

    def __init__(self, faults: deque[tuple[MailgateError, bool]]) -> None:
        self._error: MailgateError | None = None
        self._stored = False
        if faults:
            self._error, self._stored = faults.popleft()

    def __enter__(self) -> None:
        if self._error is not None and not self._stored:
            raise self._error

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._error is not None and error is None:
            raise self._error


class _FakeCall:
    """A call of StreamMail."""

    def __init__(self, gateway: FakeGateway) -> None:
        self._gateway = gateway
        self._frames: asyncio.Queue[pb.StreamMailResponse | grpc.aio.AioRpcError | None] = asyncio.Queue()

    async def write(self, request: pb.StreamMailRequest) -> None:
        receipt = pb.StreamReceipt(sequence=request.sequence)
        try:
            if request.WhichOneof("kind") == "send":
                send = request.send
                found = await self._gateway.send(mails.mail_from_proto(send.mail), idempotency_key=send.idempotency_key)
                mails.fill_receipt(receipt.receipt, found)
            else:
                batch = request.batch
                entries = map(mails.entry_from_proto, batch.entries)
                shared = mails.mail_from_proto(batch.shared)
                fill_batch(receipt.batch, await self._gateway.send_batch(shared, entries, idempotency_key=batch.idempotency_key))
        except Unanswered as error:
            nothing = grpc.aio.Metadata()
            self._frames.put_nowait(grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, nothing, nothing, str(error)))
            return
        except MailgateError as error:
            receipt.error.CopyFrom(to_status(error))
        self._frames.put_nowait(pb.StreamMailResponse(receipts=[receipt]))

    async def read(self) -> Any:  # noqa: ANN401 - gRPC's end is an object of its own
        frame = await self._frames.get()
        if isinstance(frame, grpc.aio.AioRpcError):
            raise frame
        return grpc.aio.EOF if frame is None else frame

    async def done_writing(self) -> None:
        self._frames.put_nowait(None)

    def cancel(self) -> None:
        """Nothing is under way."""


def _new_id() -> bytes:
    return new_id(_now_ms(), os.urandom(RANDOM_OCTETS))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
