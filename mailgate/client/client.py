"""GatewayClient: one gateway, asked once. Kernel values in and out, errors of mailgate.errors, a deadline on every call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import TypeVar

import grpc
from grpc_health.v1 import health_pb2

from mailgate.api.admin.v1 import admin_service_pb2 as admin_pb2
from mailgate.api.admin.v1 import admin_service_pb2_grpc as admin_grpc
from mailgate.api.mail.v1 import mail_service_pb2
from mailgate.api.mail.v1 import mail_service_pb2_grpc as mail_service_grpc
from mailgate.client import decode, encode
from mailgate.client.answers import answer, first, messages
from mailgate.client.encode import encoded
from mailgate.client.site_views import Site, TraceLine
from mailgate.client.views import Doubt, Fleet, MailStatus, Node, Queue, Resolution, Stored
from mailgate.errors import Invalid, MailgateError, Unanswered, Unavailable
from mailgate.ids import format_id
from mailgate.mail import Address, BatchEntry, BatchReceipt, Event, Mail, Receipt, Recipient
from mailgate.rpc import mails, times
from mailgate.rpc.batches import batch_from_proto
from mailgate.rpc.channel import bearer, open_channel
from mailgate.rpc.status import from_rpc_error
from mailgate.rpc.tls import TlsOptions

CALL_TIMEOUT = 30.0
"""Seconds that a call may take which does not wait for anything; a mail of 50 MiB and its fsync fit."""

BATCH_TIMEOUT = 120.0
"""The same for a batch of 10,000."""

UPLOAD_TIMEOUT = 600.0
"""The same for 50 MiB over a slow line (90 KB/s)."""

WAIT_MARGIN = 10.0
"""Seconds beyond `wait` until the call is given up: the gateway answers 250 ms before a call's deadline in any case."""

HEALTH_TIMEOUT = 1.0
QUESTION_TIMEOUT = 5.0
"""The same for the call that asks what ended another one."""

PAGE = 1000
"""Recipients, or doubts, of a page: as many as a gateway gives."""

T = TypeVar("T")

_NO_MAIL = Mail(Address(""))


class GatewayClient:
    """An asynchronous context manager around one channel. Its methods may run at the same time; none tries again, as MailClient does.

    Every method raises MailgateError: what the gateway said, or Unanswered when nobody can know whether it heard. `within` are the seconds
    of a call's deadline.
    """

    def __init__(self, address: str, key: str, tls: TlsOptions | None = None, *, further: Sequence[tuple[str, int | str]] = ()) -> None:
        """`tls` None: in clear, for loopback and private networks; TlsOptions(): verified by the system's authorities.

        `further`: options of the channel, over ours.
        """
        self.address = address
        self._metadata = bearer(key)
        self._tls, self._further = tls, further
        self._channel: grpc.aio.Channel | None = None

    def __repr__(self) -> str:
        return f"<GatewayClient {self.address}{'' if self._channel else ' (closed)'}>"

    async def __aenter__(self) -> GatewayClient:
        self._channel = open_channel(self.address, self._tls, further=self._further)
        self._mails = mail_service_grpc.MailServiceStub(self._channel)  # type: ignore[no-untyped-call]
        self._admin = admin_grpc.AdminServiceStub(self._channel)  # type: ignore[no-untyped-call]
        self._check = self._channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._channel is not None:
            channel, self._channel = self._channel, None
            await channel.close()

    def state(self) -> grpc.ChannelConnectivity:
        """Of the connection, which is opened if there is none. Cheap (0.4 µs)."""
        return grpc.ChannelConnectivity.SHUTDOWN if self._channel is None else self._channel.get_state(try_to_connect=True)

    async def changed(self, state: grpc.ChannelConnectivity) -> None:
        """Wait until the connection's state is another one than `state`."""
        if self._channel is not None:
            await self._channel.wait_for_state_change(state)

    async def serving(self) -> bool:
        """The gateway is there and takes calls; False for one that is not. Needs no key."""
        try:
            answer = await self._check(health_pb2.HealthCheckRequest(), timeout=HEALTH_TIMEOUT)
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    async def send(
        self,
        mail: Mail,
        *,
        idempotency_key: str = "",
        wait: float | None = None,
        validate_only: bool = False,
        within: float = CALL_TIMEOUT,
    ) -> Receipt:
        """Hand in one mail; it is durable when this returns. With `wait` (seconds) the receipt says what became of the first attempts."""
        try:
            request = encode.send_request(mail, idempotency_key)
        except ValueError as error:
            raise encode.unfit(error) from None
        if validate_only:
            request.validate_only = True
        if wait is not None:
            request.wait.CopyFrom(times.duration(wait))
            within = max(within, wait + WAIT_MARGIN)
        try:
            answer = await self._mails.SendMail(request, timeout=within, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from None
        return mails.receipt_from_proto(answer.receipt)

    async def send_batch(
        self, shared: Mail, entries: Iterable[BatchEntry], *, idempotency_key: str = "", within: float = BATCH_TIMEOUT
    ) -> BatchReceipt:
        """Hand in many mails with one content: the batch's id, and of each entry its receipt or why it was refused."""
        request = encoded(lambda: encode.batch_request(shared, entries, idempotency_key))
        return batch_from_proto(await answer(self._mails.BatchSendMail(request, timeout=within, metadata=self._metadata)))

    def stream(self) -> grpc.aio.StreamStreamCall[mail_service_pb2.StreamMailRequest, mail_service_pb2.StreamMailResponse]:
        """A call of StreamMail, as gRPC has it; MailStream drives it."""
        return self._mails.StreamMail(metadata=self._metadata)  # type: ignore[no-any-return]

    async def upload(
        self, digest: str, size: int, offset: int = 0, chunks: AsyncIterator[bytes] | None = None, *, within: float = UPLOAD_TIMEOUT
    ) -> Stored:
        """Bring a content's octets from `offset` on, in chunks of at most 1 MiB; without `chunks` it asks how many are there."""
        opening = mail_service_pb2.UploadContentRequest(digest=digest, size=size, offset=offset)

        async def messages() -> AsyncIterator[mail_service_pb2.UploadContentRequest]:
            yield opening
            if chunks is not None:
                async for chunk in chunks:
                    yield mail_service_pb2.UploadContentRequest(data=chunk)

        call = self._mails.UploadContent(messages(), timeout=within, metadata=self._metadata)
        try:
            answer = await call
        except grpc.aio.AioRpcError as error:
            raise await self.why_ended(error) from None
        return Stored(answer.stored, times.milliseconds(answer.expire_time))

    async def why_ended(self, error: grpc.aio.AioRpcError) -> MailgateError:
        """What ended a call that writes a stream.

        A write that comes too late hides the gateway's word (gRPC 1.85 tells INTERNAL instead): then it is asked by another call.
        """
        if error.code() is grpc.StatusCode.INTERNAL and not error.trailing_metadata():
            try:
                await self.send(_NO_MAIL, validate_only=True, within=QUESTION_TIMEOUT)
            except (Invalid, Unanswered, Unavailable):
                pass  # the key allows it
            except MailgateError as told:
                return told
        return from_rpc_error(error)

    async def get(self, mail_id: bytes, *, within: float = CALL_TIMEOUT) -> MailStatus:
        """What became of a mail; NotFound when the key's tenant has none of that id."""
        request = mail_service_pb2.GetMailRequest(mail_id=format_id(mail_id))
        return decode.status(await answer(self._mails.GetMail(request, timeout=within, metadata=self._metadata)))

    async def recipients(self, mail_id: bytes, *, within: float = CALL_TIMEOUT) -> AsyncIterator[Recipient]:
        """All recipients of a mail by their index, page by page; `within` is for a page."""
        request = mail_service_pb2.ListRecipientsRequest(mail_id=format_id(mail_id), page_size=PAGE)
        while True:
            page = await answer(self._mails.ListRecipients(request, timeout=within, metadata=self._metadata))
            for message in page.recipients:
                yield mails.recipient_from_proto(message)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    @asynccontextmanager
    async def watch(self, mail_id: bytes | None = None, *, within: float = CALL_TIMEOUT) -> AsyncIterator[AsyncIterator[Event]]:
        """Events as they happen, of one mail or of all the tenant's. Once entered nothing is missed; leaving ends the call.

        `within` is for the beginning; the stream itself has no end of its own.
        """
        request = mail_service_pb2.WatchEventsRequest(mail_id=format_id(mail_id) if mail_id else "")
        call = self._mails.WatchEvents(request, metadata=self._metadata, wait_for_ready=False)
        try:
            await first(call, within)
            yield (mails.event_from_proto(event) async for frame in messages(call) for event in frame.events)
        finally:
            call.cancel()

    async def nodes(self, *, within: float = CALL_TIMEOUT) -> tuple[Node, ...]:
        """The senders as this gateway sees them. Scope operate."""
        return (await self.fleet(within=within)).nodes

    async def fleet(self, *, within: float = CALL_TIMEOUT) -> Fleet:
        """The senders, and the settings that they should have. Scope operate."""
        return decode.fleet(await answer(self._admin.ListNodes(admin_pb2.ListNodesRequest(), timeout=within, metadata=self._metadata)))

    async def drain(self, node_id: str, reason: str = "", *, within: float = CALL_TIMEOUT) -> Node:
        """A node gets no new jobs until it is resumed, and ends what it has. How it is then. Scope operate. NotFound: no such node."""
        request = admin_pb2.DrainNodeRequest(node_id=node_id, reason=reason)
        return decode.node((await answer(self._admin.DrainNode(request, timeout=within, metadata=self._metadata))).node)

    async def resume(self, node_id: str, *, within: float = CALL_TIMEOUT) -> Node | None:
        """A node may get jobs again. How it is then; None: it is not here. Scope operate. NotFound: no such node."""
        request = admin_pb2.ResumeNodeRequest(node_id=node_id)
        told = await answer(self._admin.ResumeNode(request, timeout=within, metadata=self._metadata))
        return decode.node(told.node) if told.HasField("node") else None

    async def queue(self, *, within: float = CALL_TIMEOUT) -> Queue:
        """What waits. Scope operate."""
        return decode.queue(await answer(self._admin.GetQueue(admin_pb2.GetQueueRequest(), timeout=within, metadata=self._metadata)))

    async def doubts(self, *, within: float = CALL_TIMEOUT) -> AsyncIterator[Doubt]:
        """Jobs of which nobody can know whether they were sent, the oldest mail first, page by page. Scope operate."""
        request = admin_pb2.ListDoubtsRequest(page_size=PAGE)
        while True:
            page = await answer(self._admin.ListDoubts(request, timeout=within, metadata=self._metadata))
            for message in page.doubts:
                yield decode.doubt(message)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def resolve_doubt(self, doubt_id: str, resolution: Resolution, *, within: float = CALL_TIMEOUT) -> None:
        """Decide one. Scope operate."""
        request = admin_pb2.ResolveDoubtRequest(doubt_id=doubt_id, resolution=resolution.value)  # type: ignore[arg-type]
        await answer(self._admin.ResolveDoubt(request, timeout=within, metadata=self._metadata))

    async def sites(
        self,
        prefix: str = "",
        *,
        most_waiting_first: bool = False,
        by_node: bool = False,
        page_size: int = PAGE,
        within: float = CALL_TIMEOUT,
    ) -> AsyncIterator[Site]:
        """The sites that mail goes to, by their keys, page by page. Scope operate. `prefix`: only those whose key begins so."""
        order = admin_pb2.SITE_ORDER_WAITING if most_waiting_first else admin_pb2.SITE_ORDER_NAME
        request = admin_pb2.ListSitesRequest(page_size=page_size, prefix=prefix, order_by=order, by_node=by_node)
        while True:
            page = await answer(self._admin.ListSites(request, timeout=within, metadata=self._metadata))
            for message in page.sites:
                yield decode.site(message)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    @asynccontextmanager
    async def trace(self, site_key: str, node_id: str = "", *, within: float = CALL_TIMEOUT) -> AsyncIterator[AsyncIterator[TraceLine]]:
        """What nodes and a site's servers say to each other, as they do; leaving ends the call, and so does an hour. Scope operate.

        Who reads slowly loses lines, and is told how many. `within` is for the beginning.
        """
        request = admin_pb2.TraceSiteRequest(site_key=site_key, node_id=node_id)
        call = self._admin.TraceSite(request, metadata=self._metadata, wait_for_ready=False)
        try:
            await first(call, within)
            yield (decode.trace_line(line) async for frame in messages(call) for line in frame.lines)
        finally:
            call.cancel()
