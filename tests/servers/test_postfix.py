"""Through a real Postfix into a maildir: composed, raw, by STARTTLS; and what it refuses."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration

from benchmarks.peers.door import plain_mail
from benchmarks.peers.fleet import Fleet
from benchmarks.peers.postfix import Postfix
from benchmarks.peers.process import wait_until
from mailgate.api.mail.v1 import mail_pb2 as mail
from mailgate.api.mail.v1 import mail_service_pb2 as service
from tests.process.test_raw import is_broken

EML = sorted((Path(__file__).parents[1] / "data/eml").glob("*.eml"))
TRACE = re.compile(rb"(?:(?:Return-Path|X-Original-To|Delivered-To|Received|Message-ID|Date):[^\n]*\n(?:[ \t][^\n]*\n)*)*", re.IGNORECASE)
BCC = re.compile(rb"^(?:resent-)?bcc[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*", re.IGNORECASE | re.MULTILINE)
SPACE = re.compile(rb"^([!-9;-~]+)[ \t]+:", re.MULTILINE)
"""Before a colon: obsolete (RFC 5322 4.5.1), and Postfix itself takes it out. tests/process/test_raw.py sees that we leave it."""
WAIT = Duration(seconds=20)


@pytest.fixture(scope="module")
def fleet(maildrop: Postfix, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Gateway and nodes that hand over to it."""
    with Fleet(tmp_path_factory.mktemp("fleet"), maildrop.port, route={"connections": 3}) as running:
        yield running


def send(fleet: Fleet, one: mail.Mail) -> mail.Recipient:
    """Send and wait for the first recipient's first attempt."""
    with fleet.door() as door:
        return door.send(service.SendMailRequest(mail=one, wait=WAIT), timeout=30).receipt.recipients[0]


def arrived(maildrop: Postfix, marker: bytes) -> bytes:
    """The one mail in the maildirs that has the marker."""
    wait_until(lambda: any(marker in one for one in maildrop.mails()), f"{marker!r} never came:\n{maildrop.log()[-2000:]}", 15)
    found = [one for one in maildrop.mails() if marker in one]
    assert len(found) == 1
    return found[0]


def test_a_composed_mail_is_delivered(maildrop: Postfix, fleet: Fleet) -> None:
    """SendMail with wait says DELIVERED at the relay, and the mail in the maildir says what was given."""
    one = plain_mail("zoe@example.net", "Grüße\n.\n..two dots\nend", subject="Ein schöner Tag marker-composed")
    one.to[0].display_name = "Zoë"
    recipient = send(fleet, one)
    assert recipient.state == mail.RECIPIENT_STATE_DELIVERED
    assert recipient.last_attempt.code == 250
    message = email.message_from_bytes(arrived(maildrop, b"marker-composed"), policy=email.policy.default)
    assert message["Subject"] == "Ein schöner Tag marker-composed"
    assert message["To"] == "Zoë <zoe@example.net>"
    body = message.get_body()
    assert body is not None
    assert body.get_content().rstrip() == "Grüße\n.\n..two dots\nend"


@pytest.mark.parametrize("path", EML, ids=lambda path: path.name)
def test_raw_arrives_byte_for_byte(maildrop: Postfix, fleet: Fleet, path: Path) -> None:
    """The caller's message arrives as it is, but for trace headers, Bcc, and Message-ID and Date where they were missing."""
    given = path.read_bytes()
    recipient_address = f"eml-{EML.index(path)}@example.net"
    one = plain_mail(recipient_address, "")
    one.raw = given
    assert send(fleet, one).state == mail.RECIPIENT_STATE_DELIVERED
    came = arrived(maildrop, b"Delivered-To: " + recipient_address.encode() + b"\n")
    if path.name == "long_lines.eml":
        assert is_broken(came, given)
        return
    expected = re.sub(rb"\r\n|\r|\n", b"\n", given)
    head, blank, body = expected.partition(b"\n\n")
    expected = SPACE.sub(rb"\1:", BCC.sub(b"", head + b"\n")) + blank[1:] + body
    expected += b"" if expected.endswith(b"\n") else b"\n"
    assert came.endswith(expected)
    assert TRACE.fullmatch(came.removesuffix(expected)), "more than trace headers was put on top"


def test_the_folder_of_real_mails_is_there() -> None:
    """The parametrised test above proves nothing over an empty folder."""
    assert len(EML) >= 5


def test_recipients_that_postfix_refuses(maildrop: Postfix, fleet: Fleet) -> None:
    """One mail to three: what Postfix takes is DELIVERED, what it refuses BOUNCED, what it puts off DEFERRED, each with its own words."""
    one = plain_mail("good@example.net", "text", subject="marker-partial")
    one.to.add(email="refused@example.net")
    one.cc.add(email="later@example.net")
    with fleet.door() as door:
        good, refused, later = door.send(service.SendMailRequest(mail=one, wait=WAIT), timeout=30).receipt.recipients
    assert good.state == mail.RECIPIENT_STATE_DELIVERED
    assert refused.state == mail.RECIPIENT_STATE_BOUNCED
    assert (refused.last_attempt.code, refused.last_attempt.phase) == (554, mail.PHASE_RCPT)
    assert "refused@example.net" in refused.last_attempt.text
    assert later.state == mail.RECIPIENT_STATE_DEFERRED
    assert (later.last_attempt.code, later.last_attempt.phase) == (450, mail.PHASE_RCPT)
    assert b"marker-partial" in arrived(maildrop, b"marker-partial")
