"""Two relays, of which the first refuses: the next gets the mail at once, the first rests; a refusal about the mail itself is final."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration

from benchmarks.peers.door import plain_mail
from benchmarks.peers.fleet import Fleet
from mailgate.api.mail.v1 import mail_pb2 as mail
from mailgate.api.mail.v1 import mail_service_pb2 as service
from tests.process.conftest import DISPATCH, SHORT
from tests.process.scripted import Scripted, answer_at, behave


@dataclass
class Stage:
    """What the tests share."""

    first: Scripted
    second: Scripted
    fleet: Fleet

    def send(self) -> mail.Recipient:
        """What became of a mail that waits for its first attempt."""
        with self.fleet.door() as door:
            sent = door.send(service.SendMailRequest(mail=plain_mail("to@example.net", "text"), wait=Duration(seconds=15)), timeout=25)
            return door.get(sent.receipt.mail_id).recipients[0]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A gateway and two nodes before two scripted servers, the first of which is asked first."""
    with Scripted() as first, Scripted() as second:
        route = {**SHORT, "max_mails_per_connection": 2, "relays": [f"smtp://127.0.0.1:{first.port}", f"smtp://127.0.0.1:{second.port}"]}
        with Fleet(tmp_path, first.port, route=route, settings=DISPATCH) as fleet:
            yield Stage(first, second, fleet)


@pytest.mark.parametrize(
    ("step", "reply"),
    [
        ("MAIL", b"450 4.7.1 Error: too much mail from 127.0.0.1\r\n"),
        ("MAIL", b"550 5.7.1 Client host blocked using a block list\r\n"),
        ("RCPT", b"451 4.7.0 Temporary rate limit exceeded\r\n"),
    ],
)
def test_the_next_relay_gets_what_the_first_refuses(stage: Stage, step: str, reply: bytes) -> None:
    """In the first attempt; and whoever comes next does not ask the first again while it rests."""
    stage.first.script = answer_at(step, reply)
    for _ in range(6):
        found = stage.send()
        assert (found.state, found.attempts) == (mail.RECIPIENT_STATE_DELIVERED, 1)
    assert not any(stage.first.taken)
    assert len(stage.second.taken) == 6
    assert stage.first.steps.count("MAIL") <= 4, "each node asks it once, and perhaps once more after a rest"


def test_both_refuse(stage: Stage) -> None:
    """The mail is asked of each once, and is deferred for what the last said."""
    stage.first.script = answer_at("MAIL", b"450 4.7.1 Error: too much mail from 127.0.0.1\r\n")
    stage.second.script = answer_at("MAIL", b"451 4.7.0 Temporary rate limit exceeded\r\n")
    found = stage.send()
    assert (found.state, found.last_attempt.code, found.last_attempt.bounce_class) == (mail.RECIPIENT_STATE_DEFERRED, 451, "rate_limited")
    assert (stage.first.steps.count("MAIL"), stage.second.steps.count("MAIL")) == (1, 1)


def test_what_is_about_the_mail_is_final(stage: Stage) -> None:
    """An unknown user is unknown at the other relay too."""
    stage.first.script = answer_at("RCPT", b"550 5.1.1 <to@example.net>: Recipient address rejected: User unknown\r\n")
    found = stage.send()
    assert (found.state, found.last_attempt.bounce_class) == (mail.RECIPIENT_STATE_BOUNCED, "unknown_user")
    assert not stage.second.taken


def test_after_its_rest_the_first_is_asked_again(stage: Stage) -> None:
    """When the connections to the second are used up: here each takes a mail or two."""
    stage.first.script = answer_at("MAIL", b"450 4.7.1 Error: too much mail from 127.0.0.1\r\n")
    stage.send()
    stage.first.script = behave
    until = time.monotonic() + 20
    while not stage.first.taken:
        assert stage.send().state == mail.RECIPIENT_STATE_DELIVERED
        assert time.monotonic() < until, f"the first relay got none of {len(stage.second.taken)} mails"
