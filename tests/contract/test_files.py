"""The contract of gateway/ledger/files.py, over every backend."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from hashlib import sha256

import pytest

from gateway.ledger.files import KEPT_MS, FileState
from mailgate.errors import ContentMissing, QuotaExceeded, WrongState
from mailgate.job import File
from tests.contract.backend import Backend, take
from tests.contract.builders import accepted, delivered, jobs_of, many

DATA = bytes(range(256)) * 300
DIGEST = sha256(DATA).digest()
UNTIL = 10**13
BOUND = 10**9
"""Of the tenant's files: more than any test brings."""


async def upload(backend: Backend, data: bytes = DATA, tenant: str = "acme", until_ms: int = UNTIL) -> bytes:
    """In two pieces."""
    digest, half = sha256(data).digest(), len(data) // 2
    await backend.files.append(tenant, digest, len(data), 0, data[:half], until_ms, BOUND)
    await backend.files.append(tenant, digest, len(data), half, data[half:], until_ms, BOUND)
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
    assert await backend.files.sizes("acme", [DIGEST]) == {}
    assert await backend.files.usage("acme") == 0


async def test_an_upload_in_pieces(backend: Backend):
    """Its state says how far it is; it can be read when it is sealed, not before."""
    assert await backend.files.append("acme", DIGEST, len(DATA), 0, DATA[:1000], UNTIL, BOUND) == FileState(len(DATA), 1000, False, UNTIL)
    assert await backend.files.append("acme", DIGEST, len(DATA), 1000, DATA[1000:], UNTIL, BOUND) == FileState(
        len(DATA), len(DATA), False, UNTIL
    )
    assert await backend.files.read("acme", [DIGEST]) == await backend.files.sizes("acme", [DIGEST]) == {}
    assert await backend.files.seal("acme", DIGEST)
    assert await backend.files.seal("acme", DIGEST)
    assert await backend.files.state("acme", DIGEST) == FileState(len(DATA), len(DATA), True, UNTIL)
    assert await backend.files.read("acme", [DIGEST, b"x" * 32]) == {DIGEST: File(DIGEST, DATA)}
    assert await backend.files.sizes("acme", [DIGEST, b"x" * 32, DIGEST]) == {DIGEST: len(DATA)}
    assert await backend.files.usage("acme") == len(DATA)


@pytest.mark.parametrize("offset", [0, 500, 999, 1000])
async def test_a_resumed_upload_may_overlap(backend: Backend, offset: int):
    """What is there already is skipped."""
    await backend.files.append("acme", DIGEST, len(DATA), 0, DATA[:1000], UNTIL, BOUND)
    state = await backend.files.append("acme", DIGEST, len(DATA), offset, DATA[offset:], UNTIL, BOUND)
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
    before = await backend.files.append("acme", DIGEST, len(DATA), 0, DATA[:1000], UNTIL, BOUND)
    with pytest.raises(WrongState, match=says):
        await backend.files.append("acme", DIGEST, size, offset, bytes(octets), UNTIL + 5, BOUND)
    assert await backend.files.state("acme", DIGEST) == before


async def test_octets_with_another_digest_are_deleted(backend: Backend):
    """They would be there for ever, and never be whole."""
    await backend.files.append("acme", DIGEST, len(DATA), 0, DATA[:-1] + b"?", UNTIL, BOUND)
    assert not await backend.files.seal("acme", DIGEST)
    assert await backend.files.state("acme", DIGEST) is None


async def test_files_begun_at_once_are_no_more_than_the_bound(backend: Backend):
    """However many calls found that there was room. Those that have none are told so and leave nothing; another tenant is not concerned."""
    digests = [sha256(b"%d" % number).digest() for number in range(45)]
    begun = [backend.files.append("acme", digest, 1000, 0, b"", UNTIL, 20_999) for digest in digests]
    beside = backend.files.append("other", DIGEST, 1000, 0, b"", UNTIL, 20_999)
    outcomes = await asyncio.gather(*map(_outcome, begun), return_exceptions=True)
    assert outcomes.count(FileState(1000, 0, False, UNTIL)) == 20
    assert {type(each) for each in outcomes} == {FileState, QuotaExceeded}
    assert "20,000 octets of at most 20,999: 1,000 more have no room. A file goes" in str(outcomes[-1])
    assert (await _outcome(beside)).size == 1000
    assert await backend.files.usage("acme") == 20_000
    states = [await backend.files.state("acme", digest) for digest in digests]
    assert [state is None for state in states] == [isinstance(each, QuotaExceeded) for each in outcomes]


async def test_what_is_begun_may_end(backend: Backend):
    """Also when the bound was made smaller meanwhile; what fits to the octet has room, and what is gone makes room."""
    await backend.files.append("acme", DIGEST, len(DATA), 0, DATA[:1000], UNTIL, len(DATA))
    await backend.files.append("acme", DIGEST, len(DATA), 1000, DATA[1000:-1] + b"?", UNTIL, 10)
    assert await backend.files.usage("acme") == len(DATA)
    spare = sha256(b"spare").digest()
    with pytest.raises(QuotaExceeded):
        await backend.files.append("acme", spare, 5, 0, b"spare", UNTIL, len(DATA) + 4)
    assert not await backend.files.seal("acme", DIGEST)
    assert await backend.files.usage("acme") == 0
    await backend.files.append("acme", spare, 5, 0, b"spare", UNTIL - 1, 5)
    assert await backend.files.forget(UNTIL, 10) == 1
    await backend.files.append("acme", DIGEST, len(DATA), 0, DATA, UNTIL, len(DATA))


async def test_an_empty_file(backend: Backend):
    """Is one."""
    digest = sha256(b"").digest()
    await backend.files.append("acme", digest, 0, 0, b"", UNTIL, BOUND)
    assert await backend.files.seal("acme", digest)
    assert await backend.files.sizes("acme", [digest]) == {digest: 0}
    assert await backend.files.read("acme", [digest]) == {digest: File(digest, b"")}


async def test_a_file_is_its_tenants(backend: Backend):
    """Another one neither sees nor attaches it."""
    digest = await upload(backend)
    assert await backend.files.state("other", digest) is None
    assert await backend.files.read("other", [digest]) == await backend.files.sizes("other", [digest]) == {}
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
