"""What a load is to send, and what has come of it so far."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TextIO

import grpc

from .letters import Letters


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send. `batch` 0: SendMail, one mail a call. `rate`: mails a second over all callers; 0: as fast as it goes.

    `window`: each caller is a stream of single mails, and so many of it are unanswered at most. `keys` and `variables`: see Letters.
    """

    address: str
    key: str
    mails: int
    batch: int = 0
    window: int = 0
    callers: int = 1
    octets: int = 2048
    hold: bool = False
    keys: bool = False
    variables: bool = False
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


class Record:
    """What all callers of one process share: the numbers that are left, the file of receipts, the latencies, the result."""

    def __init__(self, plan: Plan, receipts: TextIO | None) -> None:
        self.plan, self._receipts = plan, receipts
        self.letters = Letters(plan.name, plan.domain, plan.octets, hold=plan.hold, keys=plan.keys, variables=plan.variables)
        self.result = Result()
        self.stopped = False
        self._next = 0
        self._latencies: list[float] = []
        self._errors: Counter[str] = Counter()
        self._began = time.monotonic()

    async def take(self, count: int) -> range:
        """The next numbers, when their time has come; empty: there are no more."""
        if self.stopped:
            return range(0)
        numbers = range(self._next, min(self._next + count, self.plan.mails))  # before the pause: others take meanwhile
        self._next = numbers.stop
        if self.plan.rate and numbers:
            await asyncio.sleep(max(0.0, self._began + numbers.start / self.plan.rate - time.monotonic()))
        return numbers

    def sent(self) -> float:
        """Now, when a call or a message begins."""
        now = time.monotonic()
        self.result.first_send = self.result.first_send or now
        return now

    def answered(self, since: float) -> None:
        """A call or a message."""
        now = time.monotonic()
        self._latencies.append(now - since)
        self.result.last_answer = now

    def accepted(self, receipts: Iterable[tuple[str, int]]) -> None:
        """Ids of mails, and their numbers."""
        receipts = list(receipts)
        self.result.mails += len(receipts)
        self._write(receipts)

    def refused(self, count: int, why: str) -> None:
        """By an answer of their own."""
        self.result.refused += count
        self._errors[why] += count

    def failed(self, error: grpc.aio.AioRpcError, numbers: Iterable[int]) -> None:
        """A call; nobody knows what became of what it carried."""
        self._errors[f"{error.code().name}: {error.details()}"] += 1
        self.result.failed_calls += 1
        self._write([("-", number) for number in numbers])

    def _write(self, pairs: list[tuple[str, int]]) -> None:
        if self._receipts is not None:
            self._receipts.write("".join(f"{mail_id}\t{self.letters.recipient(number)}\n" for mail_id, number in pairs))
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
