"""Leg: one gateway's part of a MailStream, over all the calls of StreamMail that it takes."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import grpc

from mailgate.api.mail.v1 import mail_service_pb2 as pb
from mailgate.client.calls import rest
from mailgate.client.gateways import NEVER, Gateway, Gateways
from mailgate.client.retries import pause
from mailgate.client.views import Batch
from mailgate.errors import DeadlinePassed, MailgateError, Unanswered, Unavailable
from mailgate.mail import BatchReceipt, Mail, Receipt
from mailgate.rpc.batches import batch_from_proto
from mailgate.rpc.mails import receipt_from_proto
from mailgate.rpc.status import from_status


@dataclass(slots=True, eq=False)
class Entry:
    """An item under way."""

    number: int
    item: Mail | Batch
    key: str
    request: pb.StreamMailRequest = field(default_factory=pb.StreamMailRequest)
    octets: int = 0
    fault: MailgateError | None = None
    sent: bool = False
    """Some gateway may have it."""
    doubtful: bool = False
    """It was sent on a call that broke: what is refused for now may be stored all the same."""
    tries: int = 0
    refused_at: float = 0.0


Call: TypeAlias = "grpc.aio.StreamStreamCall[pb.StreamMailRequest, pb.StreamMailResponse]"

PASSING = (Unanswered, Unavailable, DeadlinePassed)
"""What ends a call and not the stream."""

ENDED = (grpc.aio.AioRpcError, grpc.aio.UsageError, asyncio.InvalidStateError)
"""What write raises when the call is over; reading tells why."""


class Flow(Protocol):
    """What a leg needs of its stream."""

    @property
    def done(self) -> bool:
        """Every item has its outcome, and no more will come."""
        ...

    def next_free(self) -> Entry | None:
        """An item that any gateway may have."""
        ...

    def give_back(self, entry: Entry) -> None:
        """It was certainly not stored where it was."""
        ...

    def settle(self, entry: Entry, result: Receipt | BatchReceipt | MailgateError) -> None:
        """Its outcome."""
        ...

    def fail(self, error: BaseException) -> None:
        """Nothing more can be done."""
        ...

    def leg_gave_up(self) -> None:
        """Its gateway is away for too long."""
        ...

    async def heard(self) -> None:
        """Wait until something is different."""
        ...

    def ring(self) -> None:
        """Something is different."""
        ...


class Leg:
    """`run` it in a task, and cancel that in the end. `gave_up`: its gateway is away for longer than the stream has patience."""

    def __init__(self, gateway: Gateway, gateways: Gateways, flow: Flow, patience: float) -> None:
        self.gateway, self._gateways, self._flow, self._patience = gateway, gateways, flow, patience
        self._again: deque[Entry] = deque()
        """What this gateway may have: only it can say."""
        self._owed: dict[int, Entry] = {}
        """What was sent on the call under way and has no receipt."""
        self._draining = self._progress = False
        self.talking = self.gave_up = False

    def __repr__(self) -> str:
        return f"<Leg {self.gateway.address}, {len(self._owed)} owed, {len(self._again)} to be sent again>"

    async def run(self) -> None:
        """Call after call, until the stream is done."""
        loop = asyncio.get_running_loop()
        down_since, tries = loop.time(), 0
        while not self._flow.done:
            limit = NEVER if self.gave_up else down_since + self._patience
            if loop.time() > limit or not await self._gateways.back(self.gateway, limit):
                self._give_up()
                continue
            if self.gave_up:
                self.gave_up, down_since = False, loop.time()
            error = await self._call()
            if error is not None and not isinstance(error, PASSING):
                self._flow.fail(error)
                return
            if self._progress:
                down_since, tries = loop.time(), 0
            tries += 1
            if not self._flow.done:
                await asyncio.sleep(pause(tries, random.random()))  # noqa: S311

    async def _call(self) -> MailgateError | None:
        """One life of a call: what ended it, None when the gateway did in order."""
        call = self.gateway.client.stream()
        self._draining = self._progress = False
        self.talking = True
        writer = asyncio.create_task(self._write(call), name=f"write {self.gateway.address}")
        try:
            while (frame := await _read(call)) is not None:
                self._take(frame)
        except grpc.aio.AioRpcError as error:
            return await self.gateway.client.why_ended(error)
        finally:
            self.talking = False
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            call.cancel()
            for entry in self._owed.values():
                entry.doubtful = True
            self._again.extendleft(reversed(self._owed.values()))
            self._owed.clear()
        return None

    async def _write(self, call: Call) -> None:
        try:
            while (entry := await self._next()) is not None:
                entry.sent = True
                self._owed[entry.number] = entry
                await call.write(entry.request)
            await call.done_writing()
        except ENDED:
            return

    async def _next(self) -> Entry | None:
        """What to send; None: nothing more on this call."""
        loop = asyncio.get_running_loop()
        while not (self._draining or self._flow.done):
            if self.gateway.rests_until > loop.time():
                try:
                    async with asyncio.timeout_at(self.gateway.rests_until):
                        await self._flow.heard()
                except TimeoutError:
                    pass
            elif self._again:
                return self._again.popleft()
            elif (entry := self._flow.next_free()) is not None:
                return entry
            else:
                await self._flow.heard()
        return None

    def _take(self, frame: pb.StreamMailResponse) -> None:
        for receipt in frame.receipts:
            entry = self._owed.pop(receipt.sequence, None)
            if entry is None:
                continue
            result = _result(receipt)
            if isinstance(result, Unavailable | Unanswered):
                entry.doubtful |= isinstance(result, Unanswered)
                self._refused(entry, result)
            else:
                self._progress = True
                self._flow.settle(entry, result)
        if frame.draining:
            self._draining = True
            self._flow.ring()

    def _refused(self, entry: Entry, error: Unavailable | Unanswered) -> None:
        """For now. Another gateway may have it, unless this one may have it already: then it alone is asked again."""
        now = asyncio.get_running_loop().time()
        entry.refused_at = entry.refused_at or now
        entry.tries += 1
        rest(self.gateway, entry.tries, error)
        if now - entry.refused_at > self._patience:
            self._flow.settle(entry, unknown(entry, str(error)) if entry.doubtful else error)
        elif entry.doubtful:
            self._again.append(entry)
            self._flow.ring()
        else:
            entry.sent = False
            self._flow.give_back(entry)

    def _give_up(self) -> None:
        self.gave_up = True
        while self._again:
            entry = self._again.popleft()
            self._flow.settle(entry, unknown(entry, f"the gateway at {self.gateway.address} did not come back"))
        self._flow.leg_gave_up()


def unknown(entry: Entry, why: str) -> Unanswered:
    """The outcome of an item that may have been stored."""
    error = Unanswered(f"whether it was stored is not known: {why}")
    error.idempotency_key = entry.key
    return error


async def _read(call: Call) -> pb.StreamMailResponse | None:
    """The next frame; None: the gateway has ended the call in order."""
    frame: Any = await call.read()
    return None if frame is grpc.aio.EOF else frame


def _result(message: pb.StreamReceipt) -> Receipt | BatchReceipt | MailgateError:
    match message.WhichOneof("outcome"):
        case "receipt":
            return receipt_from_proto(message.receipt)
        case "batch":
            return batch_from_proto(message.batch)
        case "error":
            return from_status(message.error)
        case _:
            return MailgateError("the gateway is of a later release: its answer cannot be read")
