"""Load on a gateway, as a process of its own: batches or single mails from some callers; every receipt in a file, and a summary in JSON.

Each mail has a recipient of its own, so that whoever receives can tell it. A line of the receipts is `mail_id TAB recipient` for what the
gateway vouched for, `- TAB recipient` for what a failed call carried: nobody knows whether that was accepted.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import grpc

from mailgate.api.mail.v1 import mail_pb2 as mail
from mailgate.api.mail.v1 import mail_service_pb2 as service
from mailgate.api.mail.v1 import mail_service_pb2_grpc as service_grpc

from .door import OPTIONS
from .process import Process


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send. `batch` 0: SendMail, one mail a call. `rate`: mails a second over all callers; 0: as fast as it goes."""

    address: str
    key: str
    mails: int
    batch: int = 0
    callers: int = 1
    octets: int = 2048
    hold: bool = False
    rate: float = 0.0
    name: str = "m"
    domain: str = "sink.example.net"
    receipts: str = ""


@dataclass
class Result:
    """What came of it. Times are seconds of time.monotonic(); latencies, of calls that were answered, are in milliseconds."""

    first_send: float = 0.0
    last_answer: float = 0.0
    mails: int = 0
    refused: int = 0
    failed_calls: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0
    cpu: float = 0.0


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
    """All callers of one process share this: the count of what is left, the file, the latencies."""

    def __init__(self, plan: Plan, channel: grpc.aio.Channel, receipts: TextIO | None) -> None:
        self._plan, self._receipts = plan, receipts
        self._next = 0
        self._latencies: list[float] = []
        self._errors: Counter[str] = Counter()
        self.result = Result()
        self.stopped = False
        shared = mail.Mail(
            from_address=mail.Address(email="sender@example.com"),
            parts=mail.Parts(subject="A mail of the load", text=text_of(plan.octets)),
            on_doubt=mail.ON_DOUBT_HOLD if plan.hold else mail.ON_DOUBT_RESEND,
        )
        self._shared = shared
        self._encoded = service.SendMailRequest(mail=shared).SerializeToString()
        self._send = channel.unary_unary("/mailgate.api.mail.v1.MailService/SendMail")
        self._began = time.monotonic()

    async def run(self, stub: service_grpc.MailServiceStub) -> None:
        """One caller: a call after the other."""
        size = self._plan.batch or 1
        while self._next < self._plan.mails and not self.stopped:
            first = self._next
            self._next += size
            if self._plan.rate:
                await asyncio.sleep(max(0.0, self._began + first / self._plan.rate - time.monotonic()))
            await self._call(
                stub, [f"{self._plan.name}.{n}@{self._plan.domain}" for n in range(first, min(first + size, self._plan.mails))]
            )

    async def _call(self, stub: service_grpc.MailServiceStub, recipients: list[str]) -> None:
        metadata = (("authorization", f"Bearer {self._plan.key}"),)
        request, method = self._request(stub, recipients)
        start = time.monotonic()
        self.result.first_send = self.result.first_send or start
        try:
            answer = await method(request, metadata=metadata, timeout=30)
        except grpc.aio.AioRpcError as error:
            self._errors[f"{error.code().name}: {error.details()}"] += 1
            self.result.failed_calls += 1
            self._write([("-", recipient) for recipient in recipients])
            await asyncio.sleep(0.05 + 0.1 * random.random())
            return
        self._latencies.append(time.monotonic() - start)
        self.result.last_answer = time.monotonic()
        self._note(answer, recipients)

    def _request(self, stub: service_grpc.MailServiceStub, recipients: list[str]):  # noqa: ANN202 (stubs have no common type)
        """What all mails share is encoded once, as smtp-source makes its mail once: messages of protobuf merge by concatenation."""
        if self._plan.batch:
            request = service.BatchSendMailRequest(shared=self._shared)
            for recipient in recipients:
                request.entries.add().to.add(email=recipient)
            return request, stub.BatchSendMail
        single = service.SendMailRequest()
        single.mail.to.add(email=recipients[0])
        return self._encoded + single.SerializeToString(), self._send

    def _note(self, answer: bytes | service.BatchSendMailResponse, recipients: list[str]) -> None:
        if isinstance(answer, bytes):
            self.result.mails += 1
            if self._receipts is not None:
                self._write([(service.SendMailResponse.FromString(answer).receipt.mail_id, recipients[0])])
            return
        good = [(result.receipt.mail_id, to) for result, to in zip(answer.results, recipients, strict=True) if result.HasField("receipt")]
        self.result.mails += len(good)
        self.result.refused += len(recipients) - len(good)
        self._write(good)

    def _write(self, pairs: list[tuple[str, str]]) -> None:
        if self._receipts is not None:
            self._receipts.write("".join(f"{mail_id}\t{recipient}\n" for mail_id, recipient in pairs))
            self._receipts.flush()

    def finish(self) -> Result:
        """The summary."""
        ordered = sorted(self._latencies) or [0.0]
        self.result.p50_ms = ordered[len(ordered) // 2] * 1000
        self.result.p99_ms = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] * 1000
        self.result.max_ms = ordered[-1] * 1000
        self.result.errors = dict(self._errors.most_common(10))
        self.result.cpu = time.process_time()
        return self.result


def text_of(octets: int) -> str:
    """Plain 7-bit text of that size once its line ends are CRLF."""
    line = "The quick brown fox jumps over the lazy dog and writes a line of seventy.\n"
    whole, rest = divmod(octets, len(line) + 1)
    return line * whole + "x" * max(0, rest - 2) + "\n"


async def send(plan: Plan, receipts: TextIO | None) -> Result:
    """Send it all."""
    async with grpc.aio.insecure_channel(plan.address, options=OPTIONS) as channel, asyncio.TaskGroup() as callers:
        caller = Caller(plan, channel, receipts)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: setattr(caller, "stopped", True))
        stub = service_grpc.MailServiceStub(channel)
        for _ in range(plan.callers):
            callers.create_task(caller.run(stub))
    return caller.finish()


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
