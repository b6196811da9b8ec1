"""The contract of claims in gateway/ledger/port.py, over every backend."""

from __future__ import annotations

import asyncio

from gateway.ledger.port import Accepted, Claim, Earlier
from tests.contract.backend import Backend, take
from tests.contract.builders import TTL_MS, accepted, jobs_of, many

PRINT, OTHER = b"p" * 32, b"o" * 32


def claiming(mail: Accepted, key: str = "order-1", fingerprint: bytes = PRINT, until_ms: int | None = None) -> Accepted:
    """The mail, with a key of its own."""
    return mail._replace(claim=Claim(key, fingerprint, mail.mail.accept_ms + TTL_MS if until_ms is None else until_ms))


def earlier(mail: Accepted) -> Earlier:
    """What a later call with its key is told."""
    assert mail.claim is not None
    return Earlier(mail.mail.id, mail.mail.accept_ms, mail.claim.fingerprint, mail.mail.batch_id)


async def test_the_first_mail_has_the_key(backend: Backend):
    """A later one is not stored, brings no job, and is told whose the key is and what that mail was."""
    first, second = claiming(accepted(backend.clock())), claiming(accepted(backend.clock(), jobs=2, recipients=2), fingerprint=OTHER)
    assert await backend.ledger.accept([first]) == {}
    assert await backend.ledger.accept([second]) == {second.mail.id: earlier(first)}
    assert await backend.ledger.mail("acme", second.mail.id) is None
    assert await backend.ledger.find([job.id for job in second.jobs]) == {}
    await backend.queue.put(first.jobs)
    assert [job.id for job in await take(backend, 1)] == [first.jobs[0].id]


async def test_those_handed_in_with_it_are_stored(backend: Backend):
    """One mail of a batch whose key is taken keeps out itself alone, though they share a content."""
    known = claiming(accepted(backend.clock(), batch_id=b"b" * 16))
    await backend.ledger.accept([known])
    batch = many(70, backend.clock(), content=b"shared")
    batch[3] = claiming(batch[3])
    batch[5] = claiming(batch[5], "another")
    assert await backend.ledger.accept(batch) == {batch[3].mail.id: earlier(known)}
    stored = [each for number, each in enumerate(batch) if number != 3]
    assert set(await backend.ledger.find([job.id for job in jobs_of(batch)])) == {job.id for job in jobs_of(stored)}


async def test_of_two_handed_in_together_the_first_has_it(backend: Backend):
    """In one batch."""
    first, second = many(2, backend.clock())
    first, second = claiming(first), claiming(second)
    assert await backend.ledger.accept([first, second]) == {second.mail.id: earlier(first)}


async def test_of_a_thousand_at_once_one_is_stored(backend: Backend):
    """Whoever comes first, all others are told of the same mail."""
    mails = [claiming(each) for each in many(1000, backend.clock())]
    told = await asyncio.gather(*[_outcome(backend.ledger.accept([each])) for each in mails])
    winners = [each for each, refused in zip(mails, told, strict=True) if not refused]
    assert len(winners) == 1
    assert [refused for refused in told if refused] == [{e.mail.id: earlier(winners[0])} for e in mails if e is not winners[0]]
    assert len(await backend.ledger.find([job.id for job in jobs_of(mails)])) == 1


async def _outcome(awaitable):
    return await awaitable


async def test_a_key_is_its_tenants(backend: Backend):
    """Another tenant may use the same."""
    await backend.ledger.accept([claiming(accepted(backend.clock()))])
    assert await backend.ledger.accept([claiming(accepted(backend.clock(), tenant="other"))]) == {}


async def test_a_key_is_free_again_when_its_time_is_over(backend: Backend):
    """Not before; and whether or not the old claim was deleted meanwhile."""
    first = claiming(accepted(backend.clock()), until_ms=backend.clock() + 1000)
    await backend.ledger.accept([first])
    backend.clock.advance(1000)
    soon = claiming(accepted(backend.clock()))
    assert await backend.ledger.accept([soon]) == {soon.mail.id: earlier(first)}
    backend.clock.advance(1)
    late = claiming(accepted(backend.clock()), fingerprint=OTHER)
    assert await backend.ledger.accept([late]) == {}
    assert await backend.ledger.accept([soon]) == {soon.mail.id: earlier(late)}


async def test_forgetting_keys(backend: Backend):
    """Those whose time is over, at most as many as asked for."""
    mails = [claiming(each, f"key-{number}", until_ms=backend.clock() + number) for number, each in enumerate(many(10, backend.clock()))]
    await backend.ledger.accept(mails)
    assert await backend.ledger.forget_keys(backend.clock() + 6, 4) == 4
    assert await backend.ledger.forget_keys(backend.clock() + 6, 4) == 2
    assert await backend.ledger.forget_keys(backend.clock() + 6, 4) == 0
    again = [claiming(each, f"key-{number}") for number, each in enumerate(many(10, backend.clock()))]
    assert set(await backend.ledger.accept(again)) == {each.mail.id for each in again[6:]}
