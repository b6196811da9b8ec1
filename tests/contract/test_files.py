"""The contract of gateway/ledger/files.py, over every backend."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from hashlib import sha256

import pytest

from gateway.ledger.files import KEPT_MS, FileState
from mailgate.errors import ContentMissing, WrongState
from mailgate.job import File
from tests.contract.backend import Backend, take
from tests.contract.builders import accepted, delivered, jobs_of, many

DATA = bytes(range(256)) * 300
DIGEST = sha256(DATA).digest()
UNTIL = 10**13


async def upload(backend: Backend, data: bytes = DATA, tenant: str = "acme", until_ms: int = UNTIL) -> bytes:
    """In two pieces."""
    digest, half = sha256(data).digest(), len(data) // 2
    await backend.files.append(tenant, digest, len(data), 0, data[:half], until_ms)
    await backend.files.append(tenant, digest, len(data), half, data[half:], until_ms)
    assert await backend.files.seal(tenant, digest)
    return digest


def attaching(mail, *files: File):
    """The mail, whose jobs attach these."""
    return mail._replace(jobs=tuple(replace(job, files=files) for job in mail.jobs))


async def test_what_was_never_uploaded_is_not_there(backend: Backend):
    """Nothing of it, and nothing to seal or to read."""
    assert await backend.files.state("acme", DIGEST) is None
    assert not await backend.files.seal("acme", DIGEST)
    assert await backend.files.read("acme", [DIGEST]) == {}
    assert await backend.files.usage("acme") == 0


async def test_an_upload_in_pieces(backend: Backend):
    """Its state says how far it is; it can be read when it is sealed, not before."""
    assert await backend.files.append("acme", DIGEST, len(DATA), 0, DATA[:1000], UNTIL) == FileState(len(DATA), 1000, False, UNTIL)
    assert await backend.files.append("acme", DIGEST, len(DATA), 1000, DATA[1000:], UNTIL) == FileState(len(DATA), len(DATA), False, UNTIL)
    assert await backend.files.read("acme", [DIGEST]) == {}
    assert await backend.files.seal("acme", DIGEST)
    assert await backend.files.seal("acme", DIGEST)
    assert await backend.files.state("acme", DIGEST) == FileState(len(DATA), len(DATA), True, UNTIL)
    assert await backend.files.read("acme", [DIGEST, b"x" * 32]) == {DIGEST: File(DIGEST, DATA)}
    assert await backend.files.usage("acme") == len(DATA)


@pytest.mark.parametrize("offset", [0, 500, 999, 1000])
async def test_a_resumed_upload_may_overlap(backend: Backend, offset: int):
    """What is there already is skipped."""
    await backend.files.append("acme", DIGEST, len(DATA), 0, DATA[:1000], UNTIL)
    state = await backend.files.append("acme", DIGEST, len(DATA), offset, DATA[offset:], UNTIL)
    assert state.stored == len(DATA)
    assert await backend.files.seal("acme", DIGEST)


@pytest.mark.parametrize(
    ("size", "offset", "octets", "says"),
    [
        (len(DATA), 1001, 10, "1,000 octets are stored"),
        (len(DATA) + 1, 1000, 10, "begun with 76,800 octets, not 76,801"),
        (len(DATA), 1000, len(DATA), "octets up to 77,800 of a file of 76,800"),
    ],
)
async def test_what_does_not_follow_is_refused(backend: Backend, size: int, offset: int, octets: int, says: str):
    """And changes nothing."""
    before = await backend.files.append("acme", DIGEST, len(DATA), 0, DATA[:1000], UNTIL)
    with pytest.raises(WrongState, match=says):
        await backend.files.append("acme", DIGEST, size, offset, bytes(octets), UNTIL + 5)
    assert await backend.files.state("acme", DIGEST) == before


async def test_octets_with_another_digest_are_deleted(backend: Backend):
    """They would be there for ever, and never be whole."""
    await backend.files.append("acme", DIGEST, len(DATA), 0, DATA[:-1] + b"?", UNTIL)
    assert not await backend.files.seal("acme", DIGEST)
    assert await backend.files.state("acme", DIGEST) is None


async def test_an_empty_file(backend: Backend):
    """Is one."""
    digest = sha256(b"").digest()
    await backend.files.append("acme", digest, 0, 0, b"", UNTIL)
    assert await backend.files.seal("acme", digest)
    assert await backend.files.read("acme", [digest]) == {digest: File(digest, b"")}


async def test_a_file_is_its_tenants(backend: Backend):
    """Another one neither sees nor attaches it."""
    digest = await upload(backend)
    assert await backend.files.state("other", digest) is None
    assert await backend.files.read("other", [digest]) == {}
    with pytest.raises(ContentMissing):
        await backend.ledger.accept([attaching(accepted(backend.clock(), tenant="other"), File(digest, DATA))])


async def test_jobs_come_with_their_files(backend: Backend):
    """From memory or from disk, the same object for all that are in memory."""
    digest = await upload(backend)
    file = (await backend.files.read("acme", [digest]))[digest]
    mails = [attaching(mail, file) for mail in many(20, backend.clock(), content=b"shared")]
    await backend.ledger.accept(mails)
    await backend.queue.put(jobs_of(mails))
    taken = await take(backend, 20)
    assert [job.files for job in taken] == [(file,)] * 20
    assert len({id(job.files[0]) for job in taken}) == 1
    assert (await backend.ledger.find([taken[0].id]))[taken[0].id].job.files == (file,)


async def test_a_mail_whose_file_is_gone_is_not_stored(backend: Backend):
    """Nor are those handed in with it; others are."""
    stray = File(b"x" * 32, b"")
    bad, good = attaching(accepted(backend.clock()), stray), accepted(backend.clock())
    both = await asyncio.gather(_outcome(backend.ledger.accept([bad])), _outcome(backend.ledger.accept([good])), return_exceptions=True)
    assert isinstance(both[0], ContentMissing)
    assert both[1] == {}
    assert await backend.ledger.mail("acme", bad.mail.id) is None


async def _outcome(awaitable):
    return await awaitable


async def test_a_file_is_kept_until_a_day_after_the_last_mail(backend: Backend):
    """And while a job has it, however long that takes."""
    digest = await upload(backend, until_ms=backend.clock() + 10)
    spare = await upload(backend, b"spare", until_ms=backend.clock() + 10)
    file = (await backend.files.read("acme", [digest]))[digest]
    mail = attaching(accepted(backend.clock()), file)
    await backend.ledger.accept([mail])
    until_ms = mail.mail.expire_ms + KEPT_MS
    assert (await backend.files.state("acme", digest)).until_ms == until_ms  # type: ignore[union-attr]
    assert await backend.files.forget(backend.clock() + 10, 10) == 0
    assert await backend.files.forget(backend.clock() + 11, 10) == 1
    assert await backend.files.state("acme", spare) is None
    assert await backend.files.forget(until_ms + 1, 10) == 0
    await backend.ledger.record([delivered(mail.jobs[0], backend.clock())])
    assert await backend.files.forget(until_ms + 1, 10) == 1
    assert await backend.files.usage("acme") == 0
