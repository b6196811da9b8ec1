"""Files that mails name by digest: their sizes are asked first, their octets are in flight, and only then are they read."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from hashlib import sha256

import pytest

from gateway.admission.limits import Limits
from gateway.ledger.memory import MemoryLedger
from mailgate.digest import format_digest
from mailgate.errors import ContentMissing, Invalid, SenderDomainForbidden, TooLarge, Unavailable
from mailgate.mail import Address, Attachment, Parts, Raw, Receipt
from tests.unit.gateway.admission.test_admit import ENTRY, MAIL, SHARED, counted, make

SIZE = 400
DATA = [bytes([number]) * SIZE for number in range(30)]
DIGESTS = [sha256(data).digest() for data in DATA]
LIMITS = Limits(max_mail_bytes=1000, max_in_flight_bytes=1000, max_attachments=20)


class Files:
    """The reference's files, which notes what is asked, and reads when it may."""

    def __init__(self, ledger: MemoryLedger) -> None:
        self._files, self.asked, self.read_digests = ledger.files, [], []
        self.gate = asyncio.Event()
        self.gate.set()

    def __getattr__(self, name) -> object:
        return getattr(self._files, name)

    async def sizes(self, tenant, digests):
        self.asked += digests
        return await self._files.sizes(tenant, digests)

    async def read(self, tenant, digests):
        self.read_digests += digests
        await self.gate.wait()
        return await self._files.read(tenant, digests)


@pytest.fixture
async def desk(routes):
    """With files of 400 octets each, of which a mail has room for two."""
    return await stocked(make(routes, LIMITS, Files))


async def stocked(desk):
    for digest, data in zip(DIGESTS, DATA, strict=True):
        await desk.files.append("acme", digest, SIZE, 0, data, 10**13, 10**9)
        assert await desk.files.seal("acme", digest)
    return desk


def naming(*numbers, mail=MAIL):
    """The mail with these files."""
    return replace(mail, attachments=tuple(Attachment(b"", f"{n}.bin", digest=format_digest(DIGESTS[n])) for n in numbers))


def in_flight(desk):
    return counted(desk, "mailgate_bytes_in_flight")[()]


async def turns():
    """Whatever can go on without anything from outside has gone on."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_too_large_by_the_sizes(desk, tenant):
    """Named as ever, with everything else that is wrong; and not one file was read, though each alone would fit."""
    with pytest.raises(TooLarge) as refused:
        await desk.admission.send(tenant, naming(*range(20)))
    (violation,) = refused.value.violations
    assert violation.field == "mail.content"
    assert violation.description == "8,006 octets, at most 1,000 are allowed: make it smaller, or send a link"
    with pytest.raises(TooLarge, match=r"shared\.content: 8,006 octets, at most 1,000"):
        await desk.admission.send_batch(tenant, naming(*range(20), mail=SHARED), [ENTRY])
    with pytest.raises(Invalid) as invalid:
        await desk.admission.send(tenant, replace(naming(0, 1, 2), to=(Address("nonsense"),)))
    assert [each.field for each in invalid.value.violations] == ["mail.content", "mail.to[0].email"]
    with pytest.raises(SenderDomainForbidden):
        await desk.admission.send(tenant, replace(naming(0, 1, 2), from_address=Address("a@elsewhere.example")))
    assert desk.files.read_digests == []
    assert in_flight(desk) == 0


@pytest.mark.parametrize(("text", "fits"), [(200, True), (201, False)])
async def test_text_and_files_together(desk, tenant, text, fits):
    """To the octet; the same file twice counts once."""
    mail = replace(naming(0, 1, 0), content=Parts("", "x" * text))
    if fits:
        await desk.admission.send(tenant, mail)
        assert desk.files.read_digests == DIGESTS[:2]
    else:
        with pytest.raises(TooLarge):
            await desk.admission.send(tenant, mail)
        assert desk.files.read_digests == []


async def test_octets_that_only_an_encoding_shows(desk, tenant):
    """A text of two octets a character is looked at after the files were read; it is refused all the same."""
    with pytest.raises(TooLarge, match="1,001 octets"):
        await desk.admission.send(tenant, replace(naming(0, 1), content=Parts("", "x" * 199 + "é")))
    assert in_flight(desk) == 0


@pytest.mark.parametrize("numbers", [range(21), [0] * 21])
async def test_more_files_than_are_allowed(desk, tenant, numbers):
    """Not even their sizes are asked."""
    with pytest.raises(TooLarge, match="21 files, at most 20"):
        await desk.admission.send(tenant, naming(*numbers))
    with pytest.raises(Invalid, match="`raw` is a whole message"):
        await desk.admission.send(tenant, replace(naming(*numbers), content=Raw(b"From: a@example.com\r\n\r\nx")))
    assert desk.files.asked == desk.files.read_digests == []


async def test_a_file_that_is_not_there(desk, tenant):
    """None of the others is read for it."""
    stray = Attachment(b"", "x.bin", digest=format_digest(b"x" * 32))
    mail = naming(0)
    with pytest.raises(ContentMissing, match=r"mail\.attachments\[1\]\.digest"):
        await desk.admission.send(tenant, replace(mail, attachments=(*mail.attachments, stray)))
    assert desk.files.read_digests == []


async def test_twenty_mails_at_once_read_no_more_than_the_bound(desk, tenant):
    """Each with a file of its own: two are read, the others are told to come again, as mails with octets of their own are."""
    desk.files.gate.clear()
    calls = [asyncio.ensure_future(desk.admission.send(tenant, naming(number))) for number in range(20)]
    await turns()
    assert desk.files.read_digests == DIGESTS[:2]
    assert in_flight(desk) == 2 * (SIZE + 6)
    desk.files.gate.set()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(each) for each in outcomes] == [Receipt] * 2 + [Unavailable] * 18
    assert "mails of 812 octets are being stored, at most 1,000 may be" in str(outcomes[-1])
    assert in_flight(desk) == 0


async def test_batches_at_once_read_no_more_than_the_bound(routes, tenant):
    """The shared file counts once, with what the entries weigh."""
    desk = await stocked(make(routes, replace(LIMITS, max_in_flight_bytes=4000), Files))
    desk.files.gate.clear()
    calls = [asyncio.ensure_future(desk.admission.send_batch(tenant, naming(number, mail=SHARED), [ENTRY, ENTRY])) for number in range(3)]
    await turns()
    assert desk.files.read_digests == DIGESTS[:1]
    assert in_flight(desk) == SIZE + 6 + 4 * 512
    desk.files.gate.set()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(outcomes[1], Unavailable)
    assert isinstance(outcomes[2], Unavailable)
    assert in_flight(desk) == 0


async def test_one_file_of_many_mails_at_once(desk, tenant):
    """It is in memory once and counts once: there is room for all of them."""
    desk.ledger.gate.clear()
    calls = [asyncio.ensure_future(desk.admission.send(tenant, naming(0))) for _ in range(50)]
    await turns()
    assert in_flight(desk) == SIZE + 50 * 6
    desk.ledger.gate.set()
    assert len(await asyncio.gather(*calls)) == 50
    assert in_flight(desk) == 0


async def test_a_file_of_late_is_not_asked_for_again(desk, tenant):
    """Neither its size nor its octets."""
    for _ in range(5):
        await desk.admission.send(tenant, naming(0, 1))
    assert desk.files.asked == desk.files.read_digests == DIGESTS[:2]


async def test_a_call_cut_while_its_files_are_read(desk, tenant):
    """Gives its octets back, and so does one whose file was forgotten between size and octets."""
    desk.files.gate.clear()
    cut, late = (asyncio.ensure_future(desk.admission.send(tenant, naming(number))) for number in (0, 1))
    await turns()
    cut.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cut
    assert in_flight(desk) == SIZE + 6
    await desk.files.forget(10**14, 100)
    desk.files.gate.set()
    with pytest.raises(ContentMissing):
        await late
    assert in_flight(desk) == 0


async def test_a_stopping_gateway_reads_nothing(desk, tenant):
    """Another one does."""
    desk.admission.drain()
    with pytest.raises(Unavailable, match="stops"):
        await desk.admission.send(tenant, naming(0))
    assert desk.files.read_digests == []
