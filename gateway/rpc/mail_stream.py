"""One StreamMail call: messages are drafted as they come, stored in groups, and answered in the order in which they became durable.

Three things go on at once: reading, storing (one group at a time; what is read meanwhile is the next group), writing. What is read and not
answered is bounded: a client that does not read its receipts, or sends without a pause, is read no further; flow control tells it so.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from google.rpc.status_pb2 import Status

from gateway.admission.admit import Admission, as_accepted
from gateway.admission.desk import DraftedBatch, DraftedMail
from gateway.admission.idempotency import outcome
from gateway.admission.tenants import Caller, Scope
from gateway.ledger.port import Accepted, Earlier
from gateway.rpc.answers import fill_stream_receipt, wait_seconds
from gateway.rpc.shell import LoopShell
from mailgate.api.mail.v1 import mail_service_pb2 as pb
from mailgate.errors import Invalid, MailgateError, StorageFull, Unavailable
from mailgate.mail import BatchReceipt, Receipt
from mailgate.rpc.large import OpenBatch, OpenSend, open_stream
from mailgate.rpc.lazy import large
from mailgate.rpc.mails import entry_from_proto, mail_from_proto
from mailgate.rpc.status import to_status
from mailgate.rpc.streams import next_request

if TYPE_CHECKING:
    from mailgate.rpc.around import Context

UNANSWERED = 2_000
"""Mails that are read and not answered; a larger batch comes alone. Some 20 MB where they have 10 KB."""
UNANSWERED_OCTETS = 16 * 1024 * 1024
"""Their octets; a larger mail comes alone. 16 streams fill the gateway's own bound."""
GROUP = 256
"""Mails of a group: one commit."""
FRAME = 500
"""Receipts of a frame: 40 KB."""
FULL_WAIT = 0.5
"""Seconds until what the disk had no room for is tried again."""
CROWDED_WAIT = 0.02
"""Seconds until a look whether other calls' octets in flight have gone."""
LEAVE = 2.0
"""Seconds that a client has to end its side of a draining stream."""

Drafted = DraftedMail | DraftedBatch
Told = Receipt | BatchReceipt | Exception
T = TypeVar("T")


class Message(NamedTuple):
    """What came and is to be stored. `octets` as they were counted, until it is answered."""

    sequence: int
    drafted: Drafted
    accepted: Sequence[Accepted]
    mails: int
    octets: int

    @classmethod
    def of(cls, sequence: int, drafted: Drafted) -> Message:
        """With what it counts for."""
        if isinstance(drafted, DraftedMail):
            return cls(sequence, drafted, (drafted.accepted,), 1, drafted.hold.octets)
        return cls(sequence, drafted, drafted.accepted, len(drafted.entries), drafted.hold.octets)

    def told(self, refused: Mapping[bytes, Earlier]) -> Told:
        """The answer when it is stored."""
        return outcome(self.drafted.accepted, refused) if isinstance(self.drafted, DraftedMail) else self.drafted.receipt(refused)


class Answer(NamedTuple):
    """What goes out, and what may come in for it. No exception waits here: by its traceback it would keep the whole message."""

    sequence: int
    told: Receipt | BatchReceipt | Status
    mails: int
    octets: int


class MailStream:
    """`run` is the call."""

    def __init__(self, admission: Admission, shell: LoopShell, caller: Caller, context: Context, traceparent: str) -> None:
        self._admission, self._shell, self._caller, self._context = admission, shell, caller, context
        self._tenant, self._traceparent = caller.tenant.name, traceparent
        self._drafted: deque[Message] = deque()
        self._answers: deque[Answer] = deque()
        self._mails = self._octets = 0
        """Read and not answered."""
        self._read_all = self._stored_all = False
        self._draining, self._more, self._answered, self._room = (asyncio.Event() for _ in range(4))

    def drain(self) -> None:
        """The gateway stops."""
        self._draining.set()
        self._answered.set()

    async def run(self) -> None:
        """Until the client has ended its side and has all its receipts, or the gateway has stopped.

        Raises:
            Invalid: what came is no message of this call; what came before it is answered.
            Unauthenticated: the key was revoked; likewise.
            Unavailable: the gateway stops, and the client did not end its side.
        """
        reading, storing = asyncio.ensure_future(self._read()), asyncio.ensure_future(self._store())
        tasks = (reading, storing, asyncio.ensure_future(self._leave(reading)))
        try:
            await self._write()
            await storing
            if not reading.done():
                raise Unavailable("the gateway stops: open a stream to another one, and send again what has no receipt")
            await reading
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for message in self._drafted:
                message.drafted.hold.end()

    async def _leave(self, reading: asyncio.Future[None]) -> None:
        """A pending read cannot be given up without cancelling the call, so reading goes on until the last receipt is written."""
        await self._draining.wait()
        await asyncio.wait((reading,), timeout=LEAVE)
        self._read_all = True
        self._more.set()

    # ------------------------------------------------------------------ reading

    async def _read(self) -> None:
        try:
            while (request := await next_request(self._context)) is not None:
                self._caller.check(Scope.SEND, self._tenant)
                await self._take(request)
                while self._mails >= UNANSWERED or self._octets >= UNANSWERED_OCTETS:
                    self._room.clear()
                    await self._room.wait()
        finally:
            self._read_all = True
            self._more.set()

    async def _take(self, request: pb.StreamMailRequest) -> None:
        """Draft it; or answer what is wrong with it."""
        if (octets := large(request)) is not None:
            sequence, opened = await self._shell.offload(lambda: open_stream(octets))
        else:
            sequence, opened = request.sequence, _opened(request)
        try:
            drafted = await self._draft(opened)
        except Exception as error:
            if isinstance(error, MailgateError):
                self._admission.tally.refused[error.reason] += 1
            self._mails += 1
            self._answer(sequence, error)
            return
        if isinstance(drafted, Receipt):
            self._mails += 1
            self._answer(sequence, drafted)
            return
        message = Message.of(sequence, drafted)
        self._mails += message.mails
        self._octets += message.octets
        self._drafted.append(message)
        self._more.set()

    async def _draft(self, opened: OpenSend | OpenBatch | Invalid) -> Drafted | Receipt:
        if isinstance(opened, Invalid):
            raise opened
        desk, tenant, key = self._admission.desk, self._caller.tenant, opened.request.idempotency_key
        if isinstance(opened, OpenBatch):
            _, shared, entries = opened
            if not opened.request.HasField("shared"):
                raise Invalid.field("shared", "there is none: give what the mails have in common")
            return await self._when_there_is_room(lambda: desk.batch(tenant, shared, entries, key, self._traceparent))
        request, mail = opened
        if not request.HasField("mail"):
            raise Invalid.field("mail", "there is none: give the mail to send")
        if wait_seconds(request):
            raise Invalid.field("wait", "a stream does not wait: leave it out, and watch events")
        drafted = await self._when_there_is_room(lambda: desk.mail(tenant, mail, key, self._traceparent))
        if request.validate_only:
            drafted.hold.end()
            return Receipt(b"", 0, recipients=as_accepted(drafted.accepted.mail.emails))
        return drafted

    async def _when_there_is_room(self, draft: Callable[[], Awaitable[T]]) -> T:
        """While other calls' octets in flight leave none, it is waited for, and the client is read no further."""
        while True:
            try:
                return await draft()
            except Unavailable:
                if self._admission.in_flight.draining:
                    raise
            await asyncio.sleep(CROWDED_WAIT)

    # ------------------------------------------------------------------ storing

    async def _store(self) -> None:
        try:
            while not (self._read_all and not self._drafted):
                await self._more.wait()
                self._more.clear()
                while self._drafted:
                    await self._store_group()
        finally:
            self._stored_all = True
            self._answered.set()

    async def _store_group(self) -> None:
        group = [self._drafted.popleft()]
        mails = group[0].mails
        while self._drafted and mails + self._drafted[0].mails <= GROUP:
            group.append(self._drafted.popleft())
            mails += group[-1].mails
        try:
            answers = await self._keep(group)
        finally:
            for message in group:
                message.drafted.hold.end()
        for message, told in zip(group, answers, strict=True):
            self._answer(message.sequence, told, message.mails, message.octets)

    async def _keep(self, group: Sequence[Message]) -> list[Told]:
        """Each one's answer. A full disk is waited for: the client is read no further meanwhile."""
        accepted = [each for message in group for each in message.accepted]
        while True:
            try:
                refused = await self._admission.store.keep(accepted, group[0].drafted.started, ()) if accepted else {}
            except StorageFull as full:
                if self._draining.is_set():
                    return [full] * len(group)
                await asyncio.sleep(FULL_WAIT)
            except Exception as error:
                if len(group) == 1 or isinstance(error, Unavailable):
                    return [error] * len(group)
                return [told for message in group for told in await self._keep([message])]
            else:
                return [message.told(refused) for message in group]

    # ------------------------------------------------------------------ writing

    def _answer(self, sequence: int, told: Told, mails: int = 1, octets: int = 0) -> None:
        what = to_status(told, "StreamMail") if isinstance(told, Exception) else told
        self._answers.append(Answer(sequence, what, mails, octets))
        self._answered.set()

    async def _write(self) -> None:
        told_draining = False
        while self._answers or not self._stored_all:
            await self._answered.wait()
            self._answered.clear()
            if self._draining.is_set() and not told_draining:
                told_draining = True
                await self._context.write(pb.StreamMailResponse(draining=True))
            while self._answers:
                await self._write_frame()

    async def _write_frame(self) -> None:
        frame = [self._answers.popleft()]
        mails = frame[0].mails
        while self._answers and mails + self._answers[0].mails <= FRAME:
            frame.append(self._answers.popleft())
            mails += frame[-1].mails
        response = pb.StreamMailResponse()
        for answer in frame:
            fill_stream_receipt(response.receipts.add(), answer.sequence, answer.told)
        await self._context.write(response)
        self._mails -= mails
        self._octets -= sum([answer.octets for answer in frame])
        self._room.set()


def _opened(request: pb.StreamMailRequest) -> OpenSend | OpenBatch | Invalid:
    kind = request.WhichOneof("kind")
    try:
        if kind == "send":
            return OpenSend(request.send, mail_from_proto(request.send.mail))
        if kind == "batch":
            entries = [entry_from_proto(entry) for entry in request.batch.entries]
            return OpenBatch(request.batch, mail_from_proto(request.batch.shared, "shared"), entries)
    except Invalid as fault:
        return fault
    return Invalid.field("kind", "the message has neither a mail nor a batch: give `send` or `batch`")
