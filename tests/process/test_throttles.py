"""A gateway, a node and servers that have enough: mail waits with the reason, no attempt is spent on it, and it goes when it may."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.peers.door import Door, plain_mail
from benchmarks.peers.fleet import Fleet
from benchmarks.peers.process import wait_until
from mailgate.api.mail.v1 import mail_pb2 as mail
from mailgate.api.mail.v1 import mail_service_pb2 as service
from tests.process.conftest import DISPATCH, SHORT
from tests.process.scripted import Conversation, Scripted, answer_at, behave

ENOUGH = b"421 4.7.28 Our system has detected an unusual rate of mail to ann@example.net from your address. See https://example.net\r\n"
DELIVERED = mail.RECIPIENT_STATE_DELIVERED
SHAPING = """
[providers.scripted]
mx = ["127.0.0.1"]
mails_per_connection = 7

[[providers.scripted.replies]]
code = "421"
enhanced_code = "4.7.28"
action = "suspend"
lasts = "3s"
longest = "4s"

[providers.slow]
mx = ["localhost"]
mails_per_second = 20.0
"""


@dataclass
class Has:
    """A server that takes so many mails, then has enough until it is told otherwise. `asked`: when it was asked for more."""

    left: int
    asked: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, conversation: Conversation, step: str) -> bytes | None:
        if step == "MAIL":
            with self.lock:
                self.asked.append(time.monotonic())
                self.left -= 1
                if self.left < 0:
                    return ENOUGH
        return behave(conversation, step)


@dataclass
class Stage:
    """Two sites: mail for example.net goes to the first server, all else to the second."""

    first: Scripted
    second: Scripted
    fleet: Fleet

    def send(self, door: Door, domain: str, count: int) -> list[str]:
        return [
            door.send(service.SendMailRequest(mail=plain_mail(f"r{number}@{domain}", f"mail {number}"))).receipt.mail_id
            for number in range(count)
        ]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    shaping = tmp_path / "shaping.toml"
    shaping.write_text(SHAPING)
    with Scripted() as first, Scripted(host="localhost") as second:
        net = {**SHORT, "relays": [f"smtp://127.0.0.1:{first.port}"], "domains": ["example.net"]}
        other = {**SHORT, "relays": [f"smtp://localhost:{second.port}"]}
        settings = {**DISPATCH, "shaping": {"file": str(shaping)}, "routes.net": net}
        with Fleet(tmp_path / "fleet", second.port, route=other, settings=settings, senders=1) as fleet:
            yield Stage(first, second, fleet)


def recipient(door: Door, mail_id: str) -> mail.Recipient:
    return door.get(mail_id).recipients[0]


def delivered(door: Door, mails: list[str]) -> bool:
    return all(recipient(door, each).state == DELIVERED for each in mails)


def throttled(door: Door, mails: list[str]) -> list[mail.Recipient]:
    return [found for each in mails if (found := recipient(door, each)).wait_reason.startswith("throttled:")]


def test_a_site_that_has_enough_is_left_alone_and_tried_again(stage: Stage) -> None:
    """After 421 4.7.28 it is asked no more; GetMail says why and without the address; then one mail tries, twice, and all are delivered."""
    stage.first.script = site = Has(left=5)
    with stage.fleet.door() as door:
        sent = stage.send(door, "example.net", 40)
        wait_until(lambda: throttled(door, sent), "nobody waits for the site", 20)
        waiting = throttled(door, sent)
        reason = waiting[0].wait_reason
        assert reason.startswith("throttled:site=net, suspended for ")
        assert reason.endswith(
            " s: 421 4.7.28 Our system has detected an unusual rate of mail to … from your address. See https://example.net"
        )
        assert waiting[0].attempts == 0, "to wait is no attempt"
        other = stage.send(door, "example.org", 5)
        wait_until(lambda: delivered(door, other), "a slow site holds up another", 3)
        wait_until(lambda: site.left < -1, "the site is not tried again", 20)
        site.left = 10_000
        wait_until(lambda: delivered(door, sent), "not all delivered", 40)
        attempts = [recipient(door, each).attempts for each in sent]
    assert len(stage.first.taken) == 40
    assert len(attempts) <= sum(attempts) <= len(site.asked), "an attempt is what was asked, and nothing else"
    log = stage.fleet.senders[0].log.read_text()
    assert log.count("site_suspended") >= 1
    assert "site_resumed" in log
    assert "ann@example.net" not in log
    asked = sorted(site.asked)
    pauses = [later - earlier for earlier, later in pairwise(asked)]
    assert max(pauses) >= 3.0, "it was asked while it was left alone"


def test_a_rate_is_kept(stage: Stage) -> None:
    """Twenty a second: never more than that in any second, and a little for the first moment."""
    stage.second.script = site = Has(left=10_000)
    with stage.fleet.door() as door:
        sent = stage.send(door, "example.org", 50)
        wait_until(lambda: delivered(door, sent), "not all delivered", 40)
    asked = sorted(site.asked)
    assert len(asked) == 50
    for first in asked:
        assert sum(first <= at < first + 1 for at in asked) <= 23


def test_a_site_that_lets_nobody_in_costs_no_attempt(stage: Stage) -> None:
    """It says so to the connection, before there is a mail: the mail waits at the gateway, and goes when it is let in."""
    stage.first.script = answer_at("greeting", b"421 4.7.28 your address has sent enough for now\r\n")
    stage.first.drop_all()
    with stage.fleet.door() as door:
        sent = stage.send(door, "example.net", 3)
        wait_until(lambda: len(throttled(door, sent)) == len(sent), "nobody waits for the site", 20)
        assert throttled(door, sent)[0].wait_reason.endswith("your address has sent enough for now")
        stage.first.script = behave
        wait_until(lambda: delivered(door, sent), "not all delivered", 40)
        assert [recipient(door, each).attempts for each in sent] == [1] * len(sent)
