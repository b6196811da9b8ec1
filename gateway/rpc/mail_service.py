"""MailService: the door that services send mail through."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from gateway.admission.admit import Admission
from gateway.admission.tenants import Scope
from gateway.events.hub import Hub
from gateway.ledger.port import Ledger, MailView, Wait
from gateway.rpc.answers import wait_seconds
from gateway.rpc.interceptors import caller, traceparent
from gateway.rpc.mail_stream import MailStream
from gateway.rpc.paging import page_after, page_size
from gateway.rpc.shell import LoopShell
from gateway.rpc.upload import Upload
from mailgate.api.mail.v1 import mail_service_pb2 as pb
from mailgate.api.mail.v1 import mail_service_pb2_grpc
from mailgate.errors import Invalid, MailgateError, NotFound
from mailgate.ids import format_id, parse_id
from mailgate.mail import Recipient, RecipientState
from mailgate.rpc.batches import fill_batch
from mailgate.rpc.large import open_batch, open_send
from mailgate.rpc.lazy import LazyRequests, large
from mailgate.rpc.mails import (
    counts_to_proto,
    entry_from_proto,
    event_to_proto,
    fill_receipt,
    mail_from_proto,
    recipient_to_proto,
)
from mailgate.rpc.times import timestamp
from mailgate.telemetry import names
from mailgate.telemetry.sample import Sample
from mailgate.telemetry.traces import Tracer

if TYPE_CHECKING:
    from mailgate.rpc.around import Context

MAX_SHOWN = 100
SERVICE = "mailgate.api.mail.v1.MailService"

T = TypeVar("T")

WAITING = (RecipientState.QUEUED, RecipientState.DEFERRED)
WaitReason = Callable[[RecipientState, Wait], str]
"""Why a recipient in this state is not under way; empty when nothing holds it up."""


def lazy_requests() -> LazyRequests:
    """The last of a door's own interceptors, where it has this service."""
    return LazyRequests([f"/{SERVICE}/{method}" for method in ("SendMail", "BatchSendMail", "StreamMail")])


class MailServicer(mail_service_pb2_grpc.MailServiceServicer):
    """A few lines each: decode, call, encode."""

    def __init__(
        self,
        admission: Admission,
        ledger: Ledger,
        upload: Callable[[str], Upload],
        hub: Hub,
        shell: LoopShell,
        tracer: Tracer,
        wait_reason: WaitReason,
    ) -> None:
        """`upload` makes one for a tenant."""
        self._admission, self._ledger, self._upload, self._hub, self._shell = admission, ledger, upload, hub, shell
        self._tracer, self._wait_reason = tracer, wait_reason
        self._streams: set[MailStream] = set()

    async def SendMail(self, request: pb.SendMailRequest, context: Context) -> pb.SendMailResponse:
        """See the proto."""
        deadline = self._deadline(context)
        if (opened := await self._opened(request, open_send)) is not None:
            request, mail = opened
        else:
            mail = mail_from_proto(request.mail)
        if not request.HasField("mail"):
            raise Invalid.field("mail", "there is none: give the mail to send")
        with self._tracer.begin(f"{SERVICE}/SendMail", traceparent()) as span:
            receipt = await self._admission.send(
                caller().tenant,
                mail,
                key=request.idempotency_key,
                validate_only=request.validate_only,
                wait=wait_seconds(request),
                deadline=deadline,
                traceparent=span.onward,
            )
            if span.sampled:
                span.set({names.MAIL_ID: format_id(receipt.mail_id)} if receipt.mail_id else {})
        response = pb.SendMailResponse()
        fill_receipt(response.receipt, receipt)
        return response

    async def BatchSendMail(self, request: pb.BatchSendMailRequest, context: Context) -> pb.BatchSendMailResponse:
        """See the proto."""
        deadline = self._deadline(context)
        if (opened := await self._opened(request, open_batch)) is not None:
            request, shared, entries = opened
        else:
            shared, entries = mail_from_proto(request.shared, "shared"), [entry_from_proto(entry) for entry in request.entries]
        if not request.HasField("shared"):
            raise Invalid.field("shared", "there is none: give what the mails have in common")
        with self._tracer.begin(f"{SERVICE}/BatchSendMail", traceparent()) as span:
            tenant = caller().tenant
            receipt = await self._admission.send_batch(
                tenant, shared, entries, key=request.idempotency_key, deadline=deadline, traceparent=span.onward
            )
            if span.sampled:
                span.set({names.BATCH_ID: format_id(receipt.batch_id)})
        response = pb.BatchSendMailResponse()
        fill_batch(response, receipt)
        return response

    async def StreamMail(self, _requests: AsyncIterator[pb.StreamMailRequest], context: Context) -> None:
        """See the proto."""
        with self._tracer.begin(f"{SERVICE}/StreamMail", traceparent()) as span:
            stream = MailStream(self._admission, self._shell, caller(), context, span.onward)
            self._streams.add(stream)
            if self._admission.in_flight.draining:
                stream.drain()
            try:
                await stream.run()
            finally:
                self._streams.discard(stream)

    async def UploadContent(self, _requests: AsyncIterator[pb.UploadContentRequest], context: Context) -> pb.UploadContentResponse:
        """See the proto."""
        return await self._upload(caller().tenant.name).run(context, caller())

    def drain(self) -> None:
        """The gateway stops: streams are told so, and end."""
        for stream in self._streams:
            stream.drain()

    def stats(self) -> Iterable[Sample]:
        """For telemetry."""
        yield Sample(names.STREAMS, len(self._streams))

    async def GetMail(self, request: pb.GetMailRequest, context: Context) -> pb.GetMailResponse:
        """See the proto."""
        view = await self._view(request.mail_id)
        recipients = await self._with_reasons(view.mail.id, await self._ledger.recipients(view.mail.id, -1, MAX_SHOWN))
        mail = view.mail
        return pb.GetMailResponse(
            mail_id=format_id(mail.id),
            batch_id=format_id(mail.batch_id) if mail.batch_id else "",
            accept_time=timestamp(mail.accept_ms),
            expire_time=timestamp(mail.expire_ms),
            lane=mail.lane.value,  # type: ignore[arg-type]
            on_doubt=mail.on_doubt.value,  # type: ignore[arg-type]
            tags=mail.tags,
            metadata=mail.metadata,
            counts=counts_to_proto(view.counts),
            recipients=map(recipient_to_proto, recipients),
        )

    async def ListRecipients(self, request: pb.ListRecipientsRequest, context: Context) -> pb.ListRecipientsResponse:
        """See the proto."""
        size, after = page_size(request.page_size), page_after(request.page_token)
        view = await self._view(request.mail_id)
        found = await self._with_reasons(view.mail.id, await self._ledger.recipients(view.mail.id, after, size + 1))
        token = str(found[size - 1].index) if len(found) > size else ""
        return pb.ListRecipientsResponse(recipients=map(recipient_to_proto, found[:size]), next_page_token=token)

    async def WatchEvents(self, request: pb.WatchEventsRequest, context: Context) -> None:
        """See the proto. The first frame is empty: from here on nothing is missed."""
        mail_id = (await self._view(request.mail_id)).mail.id if request.mail_id else None
        me, tenant = caller(), caller().tenant.name
        async with self._hub.watch(tenant, mail_id) as watcher:
            await context.write(pb.WatchEventsResponse())
            while True:
                events = await watcher.read()
                me.check(Scope.READ, tenant)
                await context.write(pb.WatchEventsResponse(events=map(event_to_proto, events)))

    async def _opened(self, request: object, open_: Callable[[bytes], T]) -> T | None:
        """What is large, taken apart off the loop, and in flight meanwhile: that makes a copy. None: it is a message already."""
        octets = large(request)
        if octets is None:
            return None
        try:
            with self._admission.in_flight.hold(len(octets)):
                return await self._shell.offload(lambda: open_(octets))
        except MailgateError as error:
            self._admission.tally.refused[error.reason] += 1
            raise

    async def _view(self, text: str) -> MailView:
        """A mail of the caller's; another tenant's is not there."""
        mail_id = parse_id(text, "mail_id")
        view = await self._ledger.mail(caller().tenant.name, mail_id)
        if view is None:
            raise NotFound(f"there is no mail {text}: it never was, belongs to another tenant, or was forgotten after its retention")
        return view

    async def _with_reasons(self, mail_id: bytes, recipients: Sequence[Recipient]) -> Sequence[Recipient]:
        """With why they wait, of those that do."""
        waits = await self._ledger.waits(mail_id, [each.index for each in recipients if each.state in WAITING])
        return [
            replace(each, wait_reason=self._wait_reason(each.state, wait)) if (wait := waits.get(each.index)) is not None else each
            for each in recipients
        ]

    def _deadline(self, context: Context) -> float | None:
        """On the shell's clock."""
        remaining: float | None = context.time_remaining()
        return None if remaining is None else self._shell.clock() + remaining
