"""smtp-sink as a fault machine: what a relay's refusals, by their class and phase, make of a recipient."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from google.protobuf.duration_pb2 import Duration

from benchmarks.peers.door import plain_mail
from benchmarks.peers.fleet import Fleet
from benchmarks.peers.sinks import SmtpSink
from mailgate.api.mail.v1 import mail_pb2 as mail
from mailgate.api.mail.v1 import mail_service_pb2 as service
from tests.servers.conftest import demand_postfix

HARD, SOFT, LEAVE, DROP = "-f", "-r", "-Q", "-q"
REFUSALS = [
    *((HARD, "MAIL", mail.PHASE_MAIL), (HARD, "RCPT", mail.PHASE_RCPT), (HARD, "DATA", mail.PHASE_DATA), (HARD, ".", mail.PHASE_BODY)),
    *((SOFT, "MAIL", mail.PHASE_MAIL), (SOFT, "RCPT", mail.PHASE_RCPT), (SOFT, "DATA", mail.PHASE_DATA), (SOFT, ".", mail.PHASE_BODY)),
    *((LEAVE, "MAIL", mail.PHASE_MAIL), (LEAVE, "RCPT", mail.PHASE_RCPT), (LEAVE, ".", mail.PHASE_BODY)),
]
DROPS = ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"]
LESS = {"no ESMTP": "-e", "no PIPELINING": "-p", "no 8BITMIME": "-8", "no enhanced codes": "-E"}


def domain(*options: str) -> str:
    """The recipients' domain whose route leads to the sink with these options."""
    return "-".join(f"{ord(char):x}" for char in "".join(options)) + ".example.net"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """One fleet, and a sink with a route for every fault."""
    demand_postfix()
    faults = [(option, command) for option, command, _ in REFUSALS] + [(DROP, command) for command in [*DROPS, "."]]
    faults += [(option,) for option in LESS.values()]
    folder = tmp_path_factory.mktemp("faults")
    with ExitStack() as stack:
        routes = {}
        for options in faults:
            sink = stack.enter_context(SmtpSink(folder, options))
            routes[f"routes.{domain(*options).partition('.')[0]}"] = {
                "relays": [f"smtp://127.0.0.1:{sink.port}"],
                "domains": [domain(*options)],
                "connections": 1,
            }
        yield stack.enter_context(Fleet(folder, 1, senders=1, settings=routes))


def first_attempt(fleet: Fleet, *options: str, hold: bool = False) -> mail.Recipient:
    """Send one mail to the sink with these options; its recipient after the first attempt."""
    request = service.SendMailRequest(mail=plain_mail(f"fault@{domain(*options)}", "text", hold=hold), wait=Duration(seconds=20))
    with fleet.door() as door:
        return door.send(request, timeout=30).receipt.recipients[0]


@pytest.mark.parametrize(("option", "command", "phase"), REFUSALS)
def test_a_refusal(fleet: Fleet, option: str, command: str, phase: mail.Phase) -> None:
    """A 5xx bounces, a 4xx or 421 defers, whatever the command; the attempt tells phase, code and words."""
    recipient = first_attempt(fleet, option, command)
    assert recipient.state == (mail.RECIPIENT_STATE_BOUNCED if option == HARD else mail.RECIPIENT_STATE_DEFERRED)
    assert recipient.last_attempt.phase == phase
    assert recipient.last_attempt.code // 100 == (5 if option == HARD else 4)
    assert recipient.last_attempt.text


@pytest.mark.parametrize("command", DROPS)
def test_a_drop_before_the_dot_is_deferred(fleet: Fleet, command: str) -> None:
    """The connection is closed without a word: certainly unsent, so it is tried again, also under HOLD."""
    recipient = first_attempt(fleet, DROP, command, hold=True)
    assert recipient.state == mail.RECIPIENT_STATE_DEFERRED
    assert recipient.last_attempt.text


def test_a_drop_after_the_dot_is_a_doubt(fleet: Fleet) -> None:
    """Nobody can know (RFC 1047): IN_DOUBT under HOLD, and ListDoubts has it; DEFERRED under RESEND."""
    assert first_attempt(fleet, DROP, ".", hold=True).state == mail.RECIPIENT_STATE_IN_DOUBT
    with fleet.door() as door:
        assert [doubt.emails[0] for doubt in door.doubts()] == [f"fault@{domain(DROP, '.')}"]
    assert first_attempt(fleet, DROP, ".").state == mail.RECIPIENT_STATE_DEFERRED


@pytest.mark.parametrize("option", LESS.values(), ids=list(LESS))
def test_a_server_that_can_do_less(fleet: Fleet, option: str) -> None:
    """A relay without an extension gets its mail all the same."""
    assert first_attempt(fleet, option).state == mail.RECIPIENT_STATE_DELIVERED
