"""Load on a gateway, as a process of its own: batches, single mails or streams; every receipt in a file, and a summary in JSON.

Each mail has a recipient of its own, so that whoever receives can tell it. A line of the receipts is `mail_id TAB recipient` for what the
gateway vouched for, `- TAB recipient` for what a failed call carried: nobody knows whether that was accepted.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

import grpc

from mailgate.api.mail.v1 import mail_service_pb2 as service

from .door import OPTIONS
from .process import Process
from .record import Plan, Record, Result

SERVICE = "/mailgate.api.mail.v1.MailService"
PAUSE = 0.1
"""Seconds, more or less, after a call that failed."""

Metadata = tuple[tuple[str, str], ...]
Stream = grpc.aio.StreamStreamCall[Any, Any]


class Load(Process):
    """The process. `stop()` lets calls under way end; `result()` waits for the end."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.plan = plan
        self.out = folder / f"load-{plan.name}.json"
        self.out.unlink(missing_ok=True)
        argv = [sys.executable, "-m", "benchmarks.peers.load", json.dumps(plan_values(plan)), str(self.out)]
        super().__init__(f"load-{plan.name}", argv, folder / f"load-{plan.name}.log", cwd=Path(__file__).parents[2])

    def result(self, timeout: float = 120.0) -> Result:
        """Wait for its end.

        Raises:
            RuntimeError: it failed; the text has the end of its log.
        """
        if self.wait(timeout) != 0 or not self.out.exists():
            raise RuntimeError(f"{self!r}: {self.tail()}")
        return Result(**json.loads(self.out.read_text()))


def plan_values(plan: Plan) -> dict[str, object]:
    """As JSON can hold them."""
    return {name: getattr(plan, name) for name in Plan.__slots__}


def read_receipts(path: str | Path) -> tuple[dict[str, str], set[str]]:
    """Recipient by mail_id of what was vouched for; and the recipients of failed calls."""
    accepted: dict[str, str] = {}
    unknown: set[str] = set()
    if not Path(path).exists():
        return accepted, unknown
    for line in Path(path).read_text().splitlines():
        mail_id, _, recipient = line.partition("\t")
        if mail_id == "-":
            unknown.add(recipient)
        else:
            accepted[mail_id] = recipient
    return accepted, unknown


class Caller:
    """A call after the other: batches or single mails."""

    def __init__(self, record: Record, channel: grpc.aio.Channel, metadata: Metadata) -> None:
        self._record, self._metadata = record, metadata
        self._send = channel.unary_unary(f"{SERVICE}/SendMail")
        self._send_batch = channel.unary_unary(f"{SERVICE}/BatchSendMail")

    async def run(self) -> None:
        """Until there is no more."""
        size = self._record.plan.batch
        while numbers := await self._record.take(size or 1):
            await self._call(numbers, self._batch if size else self._single)

    async def _call(self, numbers: range, call: Callable[[range], Awaitable[None]]) -> None:
        try:
            await call(numbers)
        except grpc.aio.AioRpcError as error:
            self._record.failed(error, numbers)
            await asyncio.sleep(PAUSE * (0.5 + random.random()))

    async def _single(self, numbers: range) -> None:
        request = self._record.letters.send(numbers[0])
        since = self._record.sent()
        answer = await self._send(request, metadata=self._metadata, timeout=30)
        self._record.answered(since)
        self._record.accepted([(service.SendMailResponse.FromString(answer).receipt.mail_id, numbers[0])])

    async def _batch(self, numbers: range) -> None:
        request = self._record.letters.batch(numbers).SerializeToString()
        since = self._record.sent()
        answer = service.BatchSendMailResponse.FromString(await self._send_batch(request, metadata=self._metadata, timeout=30))
        self._record.answered(since)
        results = list(zip(answer.results, numbers, strict=True))
        self._record.accepted([(result.receipt.mail_id, number) for result, number in results if result.HasField("receipt")])
        for result, _ in results:
            if result.HasField("error"):
                self._record.refused(1, result.error.message)


class Streamer:
    """A stream of single mails; when it breaks, another one. `plan.window` messages of it at most are unanswered."""

    def __init__(self, record: Record, channel: grpc.aio.Channel, metadata: Metadata) -> None:
        self._record, self._metadata = record, metadata
        self._open = channel.stream_stream(f"{SERVICE}/StreamMail")
        self._unanswered: dict[int, float] = {}
        self._room = asyncio.Event()

    async def run(self) -> None:
        """Until there is no more, and all is answered."""
        while numbers := await self._record.take(1):
            call = self._open(metadata=self._metadata)
            reading = asyncio.ensure_future(self._read(call))
            try:
                await self._write(call, numbers[0])
                await reading
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                await asyncio.wait((reading,))
                failure = reading.exception()
                if not isinstance(failure, grpc.aio.AioRpcError):
                    raise
                self._record.failed(failure, self._unanswered)
                await asyncio.sleep(PAUSE * (0.5 + random.random()))
            self._unanswered.clear()

    async def _write(self, call: Stream, first: int) -> None:
        number = first
        while True:
            self._unanswered[number] = self._record.sent()
            await call.write(self._record.letters.streamed(number))
            while len(self._unanswered) >= self._record.plan.window and not call.done():
                self._room.clear()
                await self._room.wait()
            if call.done() or not (numbers := await self._record.take(1)):
                break
            number = numbers[0]
        await call.done_writing()

    async def _read(self, call: Stream) -> None:
        """Raises AioRpcError when the stream has not ended well."""
        try:
            while (frame := await call.read()) is not grpc.aio.EOF:
                receipts = service.StreamMailResponse.FromString(frame).receipts
                for each in receipts:
                    self._record.answered(self._unanswered.pop(each.sequence))
                    if each.HasField("error"):
                        self._record.refused(1, each.error.message)
                self._record.accepted([(each.receipt.mail_id, each.sequence) for each in receipts if each.HasField("receipt")])
                self._room.set()
        finally:
            self._room.set()


async def send(plan: Plan, receipts: TextIO | None) -> Result:
    """Send it all."""
    record = Record(plan, receipts)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: setattr(record, "stopped", True))
    metadata = (("authorization", f"Bearer {plan.key}"),)
    async with grpc.aio.insecure_channel(plan.address, options=OPTIONS) as channel, asyncio.TaskGroup() as callers:
        for _ in range(plan.callers):
            callers.create_task((Streamer if plan.window else Caller)(record, channel, metadata).run())
    return record.finish()


def main(argv: Sequence[str]) -> None:
    """The process: a plan in JSON, and where the result goes."""
    import uvloop

    plan = Plan(**json.loads(argv[0]))
    if plan.receipts:
        with open(plan.receipts, "a") as receipts:
            result = uvloop.run(send(plan, receipts))
    else:
        result = uvloop.run(send(plan, None))
    partial = Path(argv[1] + ".partial")
    partial.write_text(json.dumps(vars(result)))
    partial.rename(argv[1])


if __name__ == "__main__":
    main(sys.argv[1:])
