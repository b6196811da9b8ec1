"""Refusals, from a server's words to the caller: the class and its sentence, when it is tried again, and a rule of the settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from google.protobuf.duration_pb2 import Duration

from benchmarks.peers.door import plain_mail
from benchmarks.peers.fleet import Fleet
from mailgate.api.mail.v1 import mail_pb2 as mail
from mailgate.api.mail.v1 import mail_service_pb2 as service
from tests.process.conftest import DISPATCH, SHORT
from tests.process.scripted import Scripted, answer_at

RULE = {"code": "554", "text": "over capacity", "outcome": "deferred", "bounce_class": "rate_limited", "retry_after": "30m"}


@dataclass
class Stage:
    """What the tests share."""

    server: Scripted
    fleet: Fleet


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A gateway with one rule, and two nodes before a scripted server."""
    settings = {**DISPATCH, "[verdicts]": RULE}
    with Scripted() as server, Fleet(tmp_path_factory.mktemp("stage"), server.port, route=SHORT, settings=settings) as fleet:
        yield Stage(server, fleet)


def refused(stage: Stage, reply: bytes) -> mail.Recipient:
    """What GetMail tells of a mail whose recipient the server refuses so."""
    stage.server.script = answer_at("RCPT", reply)
    with stage.fleet.door() as door:
        request = service.SendMailRequest(mail=plain_mail("to@example.net", "text"), wait=Duration(seconds=15))
        sent = door.send(request, timeout=25)
        return door.get(sent.receipt.mail_id).recipients[0]


def wait_of(recipient: mail.Recipient) -> float:
    """Seconds from the attempt to the next."""
    return (recipient.next_attempt_time.ToMilliseconds() - recipient.update_time.ToMilliseconds()) / 1000


def test_a_bounce_says_what_it_means(stage: Stage) -> None:
    """A class for programs, a sentence for people, and the server's words beside them."""
    found = refused(stage, b"550 5.2.1 <to@example.net> The account is disabled\r\n")
    assert found.state == mail.RECIPIENT_STATE_BOUNCED
    assert (found.last_attempt.bounce_class, found.last_attempt.code) == ("unknown_user", 550)
    assert found.last_attempt.explanation == "The address does not exist, or its mailbox is closed."
    assert "disabled" in found.last_attempt.text


def test_a_greylisting_server_is_asked_when_it_said(stage: Stage) -> None:
    """The backoff of these settings would be a second."""
    found = refused(stage, b"450 4.2.0 <to@example.net>: Recipient address rejected: Greylisted for 5 minutes\r\n")
    assert (found.state, found.last_attempt.bounce_class) == (mail.RECIPIENT_STATE_DEFERRED, "greylisted")
    assert wait_of(found) == 300


def test_a_rule_of_the_settings_is_asked_before_the_table(stage: Stage) -> None:
    """The server says never, the operator knows that it means later."""
    found = refused(stage, b"554 5.3.2 Over capacity\r\n")
    assert (found.state, found.last_attempt.bounce_class) == (mail.RECIPIENT_STATE_DEFERRED, "rate_limited")
    assert wait_of(found) == 1800
    assert found.last_attempt.code == 554
