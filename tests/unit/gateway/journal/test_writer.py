"""Group commit, work that SQLite refuses, and storage that fails for good."""

from __future__ import annotations

import asyncio
import resource

import pytest

from mailgate.errors import StorageBroken, WrongState
from mailgate.telemetry.sample import check
from tests.contract.builders import accepted, begin, many


async def test_what_has_gathered_is_one_commit(opened, clock):
    """A hundred calls handed in together cost a few fsyncs."""
    async with opened() as backend:
        calls = [backend.ledger.accept([mail]) for mail in many(100, clock())]
        for call in calls:
            await call
        figures = backend.journal.figures()
        assert (figures.works, figures.rows) == (100, 100)
        assert figures.groups <= 10


async def test_a_group_is_bounded(opened, clock):
    """By rows and by octets; a call that exceeds them is a group of its own, whole."""
    async with opened(group_rows=10, group_bytes=100_000) as backend:
        calls = [backend.ledger.accept(many(4, clock())) for _ in range(50)]
        calls += [backend.ledger.accept(many(30, clock())), backend.ledger.accept([accepted(clock(), content=b"x" * 500_000)])]
        for call in calls:
            await call
        assert backend.journal.figures().groups >= 25


@pytest.mark.parametrize("bad", ["twice", "surrogate", "too large a number"])
async def test_bad_work_fails_alone(opened, clock, bad):
    """Work that cannot be stored keeps nobody else's out, and the journal goes on."""
    good, other, evil = many(3, clock())
    match bad:
        case "twice":
            works, error = [[good], [other], [good]], WrongState
        case "surrogate":
            works, error = [[good], [other], [evil._replace(mail=evil.mail._replace(emails=("\udc80@example.com",)))]], UnicodeEncodeError
        case _:
            works, error = [[good], [other], [evil._replace(mail=evil.mail._replace(expire_ms=1 << 70))]], OverflowError
    async with opened() as backend:
        first, second, third = await asyncio.gather(*map(backend.ledger.accept, works), return_exceptions=True)
        assert (first, second) == ({}, {})
        assert isinstance(third, error)
        assert await backend.ledger.mail("acme", evil.mail.id) is None
        assert {job.id for job in await backend.queue.take(lambda *_: 10)} == {good.jobs[0].id, other.jobs[0].id}
        assert not backend.journal.broken.done()


async def test_storage_that_fails_is_final(opened, clock):
    """Whoever waits hears of it, `broken` is done, and nothing is written any more; what was promised is there after a restart."""
    mails = many(3, clock())
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with opened() as backend:
        await backend.ledger.accept(mails)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1024, limits[1]))
        try:
            with pytest.raises(StorageBroken):
                await backend.ledger.accept(many(100, clock(), content=b"x" * 4000))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        with pytest.raises(StorageBroken):
            await asyncio.wait_for(asyncio.shield(backend.journal.broken), 5)
        with pytest.raises(StorageBroken):
            await backend.ledger.begin([begin(mails[0].jobs[0], 1)])
        lost = accepted(clock())
        with pytest.raises(StorageBroken):
            await backend.ledger.accept([lost])
    async with opened() as backend:
        assert backend.journal.recovering
        found = await backend.ledger.find([job.id for mail in [*mails, lost] for job in mail.jobs])
        assert sorted(found) == sorted(mail.jobs[0].id for mail in mails)


async def test_closing_commits_what_was_submitted(opened, clock):
    """Nobody waits for it, and yet it is there."""
    mails = many(200, clock())
    async with opened() as backend:
        for mail in mails:
            backend.ledger.accept([mail])
    async with opened() as backend:
        assert len(await backend.ledger.find([mail.jobs[0].id for mail in mails])) == 200


async def test_after_closing_every_call_says_so(opened, clock):
    """None hangs."""
    async with opened() as backend:
        ledger = backend.ledger
    with pytest.raises(StorageBroken, match="closed"):
        await ledger.accept([accepted(clock())])
    with pytest.raises(StorageBroken, match="closed"):
        await ledger.counts(())


async def test_the_log_is_folded_into_the_database(opened, clock):
    """Once it has grown to the pages of the options, so that it stays bounded."""
    async with opened(checkpoint_pages=100) as backend:
        for _ in range(20):
            await backend.ledger.accept(many(20, clock(), content=None))
        figures = backend.journal.figures()
        assert figures.checkpoints >= 1
        assert figures.wal_pages < 300


async def test_stats_fit_their_metrics(opened, clock):
    """Names, kinds and labels are those of the house."""
    async with opened() as backend:
        await backend.ledger.accept([accepted(clock())])
        samples = list(backend.journal.stats())
        for sample in samples:
            check(sample)
        assert samples
