"""Jobs to compose, and what must hold of every composed mail."""

from __future__ import annotations

from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from mailgate.job import Content, Envelope, JobBody, JobRecipient
from mailgate.mail import Address, Attachment, Header, Parts, Raw
from sender.compose.message import compose, vouched
from sender.smtp.body import is_clean

MAIL_ID = bytes.fromhex("019a3c5e7b2870008000000000000001")
DATE_MS = 1_793_664_000_000

THE_SHOP = Address("shop@example.com", "The Shop")

Build = Callable[..., JobBody]


def a_job(
    body: Parts | Raw | None = None,
    *,
    sender: Address = THE_SHOP,
    reply_to: tuple[Address, ...] = (),
    to: tuple[Address, ...] = (Address("ada@example.org"),),
    cc: tuple[Address, ...] = (),
    headers: tuple[Header, ...] = (),
    own_headers: tuple[Header, ...] = (),
    attachments: tuple[Attachment, ...] = (),
    smtputf8: bool = False,
    message_id: str = "<1@example.com>",
    date_ms: int = DATE_MS,
) -> JobBody:
    content = Content(sender, reply_to, headers, attachments, Parts("Hi", "Hello") if body is None else body)
    recipients = tuple(JobRecipient(n, address.email) for n, address in enumerate((*to, *cc)))
    return JobBody(Envelope(MAIL_ID, sender.email, recipients, smtputf8, message_id, date_ms, "", to, cc, own_headers), content)


def parse_checked(body: JobBody) -> EmailMessage:
    """Compose, check what must always hold on the wire, and read it with the standard library."""
    wire = compose(body)
    assert wire.endswith(b"\r\n")
    assert wire.count(b"\r") == wire.count(b"\n") == wire.count(b"\r\n"), "a bare CR or LF"
    assert max(map(len, wire.split(b"\r\n"))) <= 998
    assert body.envelope.smtputf8 or wire.isascii()
    assert b"\0" not in wire
    assert compose(body) == wire, "the same job gives the same octets"
    assert vouched(body) in ((wire, False), (wire, is_clean(wire))), "vouched for what is not clean"
    parsed = message_from_bytes(wire, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


@pytest.fixture(scope="session")
def job() -> Build:
    return a_job


@pytest.fixture(scope="session")
def parse() -> Callable[[JobBody], EmailMessage]:
    return parse_checked
