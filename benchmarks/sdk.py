"""What the SDK costs: MailClient.send against the bare stub of grpc.aio, at one gateway, in one run.

    python benchmarks/sdk.py [--quick] [--json]

Both send the same mail (2 KB, one recipient), each with a key of its own, from 16 callers of one loop. Short rounds alternate; the callers
share one channel in either case. A gateway with its journal on disk answers; no node is started, so that only the accept is measured.
`ratios.sdk_vs_stub` is the CPU time of a call in this process, SDK over stub: the gateway's share of the machine does not hide it.
`ratios.sdk_vs_stub_elapsed` is the same by the clock.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import uvloop

from benchmarks.peers.fleet import KEY, Fleet
from benchmarks.report import Report, arguments, median
from mailgate.api.mail.v1 import mail_pb2, mail_service_pb2_grpc
from mailgate.api.mail.v1 import mail_service_pb2 as service
from mailgate.client import Address, Mail, MailClient, Parts
from mailgate.rpc.channel import bearer, open_channel

CALLERS = 16
TEXT = "A line of a mail that is as long as lines of mails are, more or less.\n" * 28


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a call, in microseconds."""

    cpu: float
    elapsed: float


def by_stub(stub: mail_service_pb2_grpc.MailServiceStub) -> Callable[[], Awaitable[object]]:
    """As a program without the SDK does: a message for each mail, a key, a deadline."""
    metadata = bearer(KEY)

    def send() -> Awaitable[object]:
        mail = mail_pb2.Mail(
            from_address=mail_pb2.Address(email="shop@example.com"),
            to=[mail_pb2.Address(email="a@example.com")],
            parts=mail_pb2.Parts(subject="Hi", text=TEXT),
        )
        request = service.SendMailRequest(mail=mail, idempotency_key=str(uuid.uuid4()))
        return stub.SendMail(request, metadata=metadata, timeout=30)  # type: ignore[no-any-return]

    return send


def by_sdk(client: MailClient) -> Callable[[], Awaitable[object]]:
    """The same with it."""
    return lambda: client.send(Mail(Address("shop@example.com"), to=(Address("a@example.com"),), content=Parts("Hi", text=TEXT)))


async def spend(send: Callable[[], Awaitable[object]], calls: int) -> Cost:
    """Of so many calls."""
    left = calls

    async def caller() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await send()

    gc.collect()
    cpu, began = time.process_time(), time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(CALLERS):
            tasks.create_task(caller())
    return Cost((time.process_time() - cpu) / calls * 1e6, (time.monotonic() - began) / calls * 1e6)


async def measure(address: str, rounds: int, calls: int) -> dict[str, list[Cost]]:
    """Rounds of both, in turn; one of each to warm up."""
    found: dict[str, list[Cost]] = {"stub": [], "sdk": []}
    async with open_channel(address) as channel, MailClient(address, KEY) as client:
        ways = {"stub": by_stub(mail_service_pb2_grpc.MailServiceStub(channel)), "sdk": by_sdk(client)}  # type: ignore[no-untyped-call]
        for number in range(rounds + 1):
            for name, send in ways.items():
                cost = await spend(send, calls)
                if number:
                    found[name].append(cost)
    return found


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    options = arguments(__doc__, argv)
    report = Report("sdk", json=options.json)
    with tempfile.TemporaryDirectory(prefix="sdk-") as folder:
        fleet = Fleet(Path(folder), 25, senders=0)
        try:
            fleet.gateway.start()
            fleet.wait_accepting()
            rounds, calls = (40, 250) if options.quick else (100, 500)
            found = uvloop.run(measure(fleet.address, rounds, calls))
        finally:
            fleet.kill()
    for name, costs in found.items():
        report.figure(f"{name}_cpu_us", median([cost.cpu for cost in costs]))
        report.figure(f"{name}_elapsed_us", median([cost.elapsed for cost in costs]))
    pairs = list(zip(found["sdk"], found["stub"], strict=True))
    report.ratio("sdk_vs_stub", median([sdk.cpu / stub.cpu for sdk, stub in pairs]))
    report.ratio("sdk_vs_stub_elapsed", median([sdk.elapsed / stub.elapsed for sdk, stub in pairs]))
    report.finish()


if __name__ == "__main__":
    main()
