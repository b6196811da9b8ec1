"""FakeMailClient, as tests of programs use it, and BlockingMailClient around it: both are MailClients."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import warnings
from dataclasses import replace

import pytest

from mailgate.client import (
    Attachment,
    Batch,
    BatchEntry,
    BatchReceipt,
    BlockingMailClient,
    Event,
    EventType,
    Header,
    Receipt,
    RecipientState,
)
from mailgate.client.testing import FakeMailClient
from mailgate.errors import ContentMissing, Invalid, KeyReused, NotFound, StorageFull, Unanswered
from mailgate.mail import Address, Parts, Raw
from tests.unit.mailgate.client.conftest import mail


async def test_it_remembers_what_was_sent() -> None:
    """Mails, entries of batches, items of streams; with key, id and recipients."""
    async with FakeMailClient() as client:
        receipt = await client.send(mail("one"), "key-1")
        batch = await client.send_batch(mail("two", to=""), [BatchEntry(to=(Address("c@example.com"),)), BatchEntry()])
        outcomes = [outcome async for outcome in client.stream([mail("three"), Batch(mail("x", to=""), [])])]
        assert [sent.mail.content.subject for sent in client.sent] == ["one", "two", "three"]
        assert client.sent[0].idempotency_key == "key-1"
        assert client.sent[0].mail_id == receipt.mail_id
        assert client.sent[1].batch_id == batch.batch_id
        assert isinstance(batch.results[1], Invalid)
        assert sorted(type(outcome.result).__name__ for outcome in outcomes) == ["Invalid", "Receipt"]


async def test_keys_are_kept_as_a_gateway_keeps_them() -> None:
    """Replayed, refused for another mail, and used by the client itself when an answer is lost."""
    async with FakeMailClient() as client:
        first = await client.send(mail(), "key")
        assert await client.send(mail(), "key") == replace(first, replayed=True)
        with pytest.raises(KeyReused):
            await client.send(mail("other"), "key")
        client.lose_answer()
        assert (await client.send(mail("lost"))).replayed
        client.lose_answer(stored=False)
        assert not (await client.send(mail("lost again"))).replayed
        client.lose_answer()
        (outcome,) = [outcome async for outcome in client.stream([mail("lost in a stream")])]
        assert isinstance(outcome.result, Receipt)
        assert outcome.result.replayed
        client.lose_answer(times=1000)
        with pytest.raises(Unanswered):
            await client.send(mail(), within=0.2)
        client.clear()
        assert not client.sent
        assert not (await client.send(mail(), "key")).replayed


async def test_outcomes_are_scripted() -> None:
    """Bounces and deferrals by recipient, refusals by call; told by `wait`, `get` and events."""
    async with FakeMailClient() as client:
        client.bounce("gone@example.com", text="unknown")
        client.defer("later@example.com")
        one = replace(mail(), to=(Address("ok@example.com"), Address("gone@example.com"), Address("later@example.com")), tags=("t",))
        async with client.watch() as events:
            receipt = await client.send(one, wait=1)
            told = [await anext(events) for _ in range(6)]
        states = [RecipientState.DELIVERED, RecipientState.BOUNCED, RecipientState.DEFERRED]
        assert [each.state for each in receipt.recipients] == states
        assert receipt.recipients[1].last_attempt.text == "unknown"
        assert (await client.get(receipt.mail_id)).counts == dict.fromkeys(states, 1)
        assert [each.email async for each in client.recipients(receipt.mail_id)] == [to.email for to in one.to]
        last = told[3]
        assert isinstance(last, Event)
        assert (last.type, last.tags, last.recipient_index) == (EventType.BOUNCED, ("t",), 1)
        client.fail(StorageFull("the disk is full", 60.0))
        with pytest.raises(StorageFull):
            await client.send(mail())
        with pytest.raises(NotFound):
            await client.get(bytes(16))


async def test_attachments_need_their_content() -> None:
    """As at a gateway."""
    async with FakeMailClient() as client:
        digest = await client.upload(b"octets")
        assert client.contents == {digest: b"octets"}
        await client.send(replace(mail(), attachments=(Attachment(b"", digest=digest),)))
        with pytest.raises(ContentMissing):
            await client.send(replace(mail(), attachments=(Attachment(b"", digest="sha256:" + 64 * "0"),)))


BAD = {
    "mail.from_address.email": replace(mail(), from_address=Address("nobody")),
    "mail.to": replace(mail(), to=()),
    "mail.to[0].email": replace(mail(), to=(Address("a b@example.com"),)),
    "mail.cc[0].display_name": replace(mail(), cc=(Address("a@example.com", "x\r\nBcc: y"),)),
    "mail.content": replace(mail(), content=None),
    "mail.parts": replace(mail(), content=Parts("only a subject")),
    "mail.parts.subject": replace(mail(), content=Parts("a\nb", "text")),
    "mail.headers": replace(mail(), content=Raw(b"x"), headers=(Header("X-A", "b"),)),
    "mail.headers[0].name": replace(mail(), headers=(Header("From", "b"),)),
    "mail.headers[0].value": replace(mail(), headers=(Header("X-A", "b\r\nc"),)),
    "mail.attachments[0].digest": replace(mail(), attachments=(Attachment(b"", digest="md5"),)),
    "mail.variables": replace(mail(), variables=b"[1]"),
    "mail.ttl": replace(mail(), ttl_ms=-1),
    "mail.tags": replace(mail(), tags=("x" * 65,)),
    "mail.metadata": replace(mail(), metadata={"x": "y" * 5000}),
}


@pytest.mark.parametrize("field", BAD)
async def test_what_a_gateway_refuses_is_refused(field: str) -> None:
    """With the same field."""
    async with FakeMailClient() as client:
        with pytest.raises(Invalid) as caught:
            await client.send(BAD[field])
        assert [violation.field for violation in caught.value.violations] == [field]
        with pytest.raises(Invalid):
            await client.send(BAD[field], validate_only=True)


async def test_unusual_mail_is_taken() -> None:
    """No test of a program fails for what a gateway takes."""
    async with FakeMailClient() as client:
        for email in ('"a b"@example.com', "zoë@exämple.com", "a+b@localhost", "x@sub.domain.example.com"):
            await client.send(mail(to=email))
        await client.send(replace(mail(), variables=json.dumps({"name": "x"}).encode(), headers=(Header("X-A", "b\tc"),)))
        await client.send(replace(mail(), content=Raw(b"Subject: x\r\n\r\n")), "k" * 256)
        with pytest.raises(Invalid, match="257 octets"):
            await client.send(mail(), "k" * 257)


def test_a_blocking_client_does_all_of_it() -> None:
    """From plain code."""
    fake = FakeMailClient()
    with BlockingMailClient(client=fake) as client:
        receipt = client.send(mail("one"), wait=1)
        assert receipt.recipients[0].state is RecipientState.DELIVERED
        assert isinstance(client.send_batch(mail("two", to=""), [BatchEntry(to=(Address("c@example.com"),))]), BatchReceipt)
        assert client.get(receipt.mail_id).over
        assert len(client.recipients(receipt.mail_id)) == 1
        assert client.upload(b"x").startswith("sha256:")
        events = client.watch()
        client.send(mail("watched"))
        assert next(events).type is EventType.ACCEPTED
        events.close()
        with pytest.raises(NotFound):
            client.get(bytes(16))
    with pytest.raises(RuntimeError, match="closed"):
        client.send(mail())


def test_a_blocking_stream_reads_its_source_in_the_callers_thread() -> None:
    """As Django's database connections need it; and at most a window ahead."""
    threads, taken = set(), 0

    def source():
        nonlocal taken
        for number in range(1000):
            threads.add(threading.current_thread())
            taken += 1
            yield mail(str(number))

    with BlockingMailClient(client=FakeMailClient()) as client:
        numbers = []
        for outcome in client.stream(source(), window=100):
            numbers.append(outcome.number)
            assert taken - len(numbers) <= 100
        assert sorted(numbers) == list(range(1000))
        assert threads == {threading.current_thread()}
        assert list(client.stream([])) == []
        with pytest.raises(ZeroDivisionError):
            list(client.stream(mail(str(1 / 0)) for _ in range(1)))
        left = client.stream(iter([mail(), mail()]))
        next(left)
        left.close()


def test_many_threads_use_one_client() -> None:
    """All calls are answered."""
    fake = FakeMailClient()
    with BlockingMailClient(client=fake) as client:
        threads = [threading.Thread(target=lambda: [client.send(mail()) for _ in range(50)]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(fake.sent) == 400


def test_closing_ends_the_calls_of_other_threads() -> None:
    """With a word, not never."""
    client = BlockingMailClient("127.0.0.1:1", "key")
    failed: list[BaseException] = []

    def call() -> None:
        try:
            client.send(mail(), within=60)
        except Exception as error:
            failed.append(error)

    with client:
        thread = threading.Thread(target=call)
        thread.start()
        thread.join(0.2)
    thread.join(30)
    assert not thread.is_alive()
    assert failed


def test_a_fork_is_told() -> None:
    """In a child that was forked after the first call: an error, no hang."""
    with BlockingMailClient(client=FakeMailClient()) as client:
        client.send(mail())
        read, write = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of just this
            child = os.fork()
        if not child:
            try:
                client.send(mail())
                os.write(write, b"no error")
            except RuntimeError as error:
                os.write(write, str(error).encode())
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        assert b"forked" in os.read(read, 1000)
        os.close(read)
        os.close(write)


def test_it_is_not_called_from_its_own_loop() -> None:
    """It would wait for itself for ever."""
    with BlockingMailClient(client=FakeMailClient()) as client:
        client.send(mail())

        async def inside() -> None:
            client.send(mail())

        with pytest.raises(RuntimeError, match="its own loop"):
            client._run(inside())


def test_a_fake_needs_no_loop_of_its_own() -> None:
    """asyncio.run as programs have it."""

    async def program() -> int:
        async with FakeMailClient() as client:
            await client.send(mail())
            return len(client.sent)

    assert asyncio.run(program()) == 1
