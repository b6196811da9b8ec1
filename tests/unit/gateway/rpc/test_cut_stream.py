"""A stream that is cut after each of its octets: what a client really sent is replayed up to there, and the connection is closed."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import grpc

from mailgate.api.mail.v1.mail_service_pb2_grpc import MailServiceStub
from mailgate.rpc.channel import bearer
from tests.unit.gateway.rpc.test_mail_service import waiting_jobs
from tests.unit.gateway.rpc.test_mail_stream import message, until

MAILS = 3
LAST = 100
"""Octets before the end: from there on two mails and more are whole."""


async def recorded(address: str) -> bytes:
    """What a client sends for a stream of MAILS mails, from the first octet of its connection."""
    host, port = address.rsplit(":", 1)
    sent = bytearray()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, record: bytearray) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                record += data
                writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(host, int(port))
        await asyncio.gather(pass_on(reader, up_writer, sent), pass_on(up_reader, writer, bytearray()))

    proxy = await asyncio.start_server(serve, "127.0.0.1", 0)
    between = proxy.sockets[0].getsockname()[1]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{between}", options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        call = MailServiceStub(channel).StreamMail(metadata=bearer("both"), timeout=20)
        for number in range(MAILS):
            await call.write(message(number, f"u{number}@example.org"))
        await call.done_writing()
        found: list[int] = []
        while (frame := await call.read()) is not grpc.aio.EOF:
            found += [receipt.sequence for receipt in frame.receipts]
        assert found == list(range(MAILS))
        whole = bytes(sent)
    proxy.close()
    return whole


async def test_a_stream_cut_after_each_octet(gateway):
    """Nothing is half stored, nothing stays in flight, no stream stays open; and the door is as good as before."""
    whole = await recorded(gateway.address)
    assert len(await waiting_jobs(gateway)) == MAILS
    stored = 0
    host, port = gateway.address.rsplit(":", 1)
    for length in range(len(whole)):
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(whole[:length])
        with suppress(ConnectionError):
            await writer.drain()
        await asyncio.sleep(0.02 if length >= len(whole) - LAST else 0)  # or what came is dropped with the connection, unread
        writer.close()
    await until(lambda: not gateway.servicer._streams)
    await until(lambda: gateway.admission.in_flight.octets == 0)
    await asyncio.sleep(0.1)
    while jobs := await waiting_jobs(gateway):
        stored += len(jobs)
    assert sum(count.ready for count in await gateway.ledger.counts({})) == MAILS + stored
    assert stored, "no cut came after a whole mail: nothing was tested"
    call = gateway.mail.StreamMail(metadata=bearer("both"), timeout=20)
    await call.write(message(1, "a@example.org"))
    await call.done_writing()
    assert [receipt.sequence for receipt in (await call.read()).receipts] == [1]
