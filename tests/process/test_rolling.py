"""Nodes and the gateway are started anew one after the other, under load: no caller sees an error, and every mail comes once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc

from benchmarks.peers.door import plain_mail
from benchmarks.peers.fleet import KEY, Fleet
from benchmarks.peers.process import Process, wait_until
from benchmarks.peers.witness import Witness
from mailgate.api.mail.v1 import mail_service_pb2 as service
from mailgate.api.mail.v1.mail_service_pb2_grpc import MailServiceStub
from mailgate.client import Address, Mail, MailClient, Parts
from mailgate.rpc.channel import bearer

RATE = 150
"""Mails a second of each of two kinds of callers."""
CLIENT = Path(__file__).parents[2] / "protos" / "client"


def documented() -> list[tuple[str, Any]]:
    """The channel options of docs/clients.md for one gateway and a key in every call."""
    config = json.loads((CLIENT / "service_config.json").read_text())
    reads, sends = config["methodConfig"][:2]
    sends |= {"retryPolicy": reads["retryPolicy"], "waitForReady": True}
    return [*json.loads((CLIENT / "channel_options.json").read_text()).items(), ("grpc.service_config", json.dumps(config))]


async def calling(send: Callable[[int], Awaitable[object]], over: asyncio.Event) -> int:
    """Calls at RATE, until it is over; how many there were. Raises what the first of them raised."""
    loop, number = asyncio.get_running_loop(), 0
    began = loop.time()
    async with asyncio.TaskGroup() as calls:
        while not over.is_set():
            calls.create_task(send(number))  # type: ignore[arg-type]
            number += 1
            await asyncio.sleep(max(0.0, began + number / RATE - loop.time()))
    return number


def restart(fleet: Fleet, process: Process) -> None:
    """SIGTERM, and start it again; it ends by itself."""
    assert process.stop(40) == 0, process.tail()
    process.start()
    fleet.wait_ready(30)


async def test_everything_is_started_anew_once(tmp_path: Path) -> None:
    """Three nodes, then the gateway, then a node again: MailClient, and stubs with the settings that docs/clients.md has."""
    with Witness(tmp_path, delay=0.02) as witness, Fleet(tmp_path, witness.port, senders=3, route={"connections": 30}) as fleet:
        over = asyncio.Event()
        async with MailClient(fleet.address, KEY) as client, grpc.aio.insecure_channel(fleet.address, options=documented()) as channel:
            stub = MailServiceStub(channel)  # type: ignore[no-untyped-call]

            async def by_client(number: int) -> None:
                content = Parts("Hi", text="Hello")
                await client.send(Mail(Address("a@example.com"), to=(Address(f"sdk{number}@example.net"),), content=content))

            async def by_stub(number: int) -> None:
                request = service.SendMailRequest(mail=plain_mail(f"stub{number}@example.net", "x"), idempotency_key=f"stub-{number}")
                await stub.SendMail(request, metadata=bearer(KEY), timeout=30)

            async def strikes() -> None:
                for process in (*fleet.senders, fleet.gateway, fleet.senders[0]):
                    await asyncio.sleep(0.5)
                    await asyncio.to_thread(restart, fleet, process)
                over.set()

            async with asyncio.TaskGroup() as tasks:
                counts = [tasks.create_task(calling(send, over)) for send in (by_client, by_stub)]
                tasks.create_task(strikes())
        mails = sum(count.result() for count in counts)
        with fleet.door() as door:
            wait_until(lambda: door.waiting() == 0, f"it does not drain\n{fleet.tails()}", 60)
        assert witness.count() == mails
        assert witness.doubled() == {}
