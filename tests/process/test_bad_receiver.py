"""Receivers that misbehave: the mail waits with a clear text, is delivered once they behave, and is never given up for their sake."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from google.protobuf.duration_pb2 import Duration

from benchmarks.peers.door import Door, plain_mail
from benchmarks.peers.fleet import Fleet
from benchmarks.peers.process import free_port, wait_until
from mailgate.api.mail.v1 import mail_pb2 as mail
from mailgate.api.mail.v1 import mail_service_pb2 as service
from tests.process.conftest import DISPATCH, SHORT
from tests.process.scripted import Scripted, answer_at, behave, close_at

RUBBISH = b'\x00\xff\xfe{"not": "smtp"}\r\n'
ENDLESS = b"250-" + b"x" * 200_000 + b"\r\n"
FAULTS = {
    "silent": lambda step: answer_at(step, None),
    "rubbish": lambda step: answer_at(step, RUBBISH),
    "closes": close_at,
    "endless": lambda step: answer_at(step, ENDLESS),
}


STEPS = ["greeting", "EHLO", "MAIL", "RCPT", "DATA"]
CASES = [f"{fault}-{step}".lower() for fault in FAULTS for step in [*STEPS, "dot"]] + ["leaves", "tidies"]


@dataclass
class Stage:
    """One fleet, and for each case a server with a route of its own, since a relay that failed rests for a while."""

    fleet: Fleet
    servers: dict[str, Scripted]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Every server behaves until its test has it misbehave."""
    with ExitStack() as stack:
        servers = {case: stack.enter_context(Scripted()) for case in CASES}
        settings = {
            f"routes.{case}": {**SHORT, "relays": [f"smtp://127.0.0.1:{server.port}"], "domains": [f"{case}.example.net"]}
            for case, server in servers.items()
        }
        yield Stage(stack.enter_context(Fleet(tmp_path_factory.mktemp("stage"), free_port(), settings={**DISPATCH, **settings})), servers)


def send(door: Door, case: str, *, hold: bool = False) -> service.SendMailResponse:
    """One mail over the case's route, and the states after its first attempt."""
    request = service.SendMailRequest(mail=plain_mail(f"to@{case}.example.net", "text", hold=hold), wait=Duration(seconds=15))
    return door.send(request, timeout=25)


def state_of(door: Door, mail_id: str) -> mail.RecipientState:
    """As GetMail has it."""
    return door.get(mail_id).recipients[0].state


def comes_through(stage: Stage, door: Door, mail_id: str) -> None:
    """It is delivered within a few tries."""
    try:
        wait_until(lambda: state_of(door, mail_id) == mail.RECIPIENT_STATE_DELIVERED, "never delivered", 25, pause=0.05)
    except TimeoutError:
        pytest.fail(f"never delivered: {door.get(mail_id)}\n{stage.fleet.tails()}")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_before_the_dot(stage: Stage, step: str, fault: str) -> None:
    """Silence, rubbish, a close, an endless line at any step: DEFERRED, also under HOLD, saying what happened; then delivered, once."""
    case = f"{fault}-{step}".lower()
    server = stage.servers[case]
    server.script = FAULTS[fault](step)
    if step in ("greeting", "EHLO"):
        server.drop_all()
    with stage.fleet.door() as door:
        receipt = send(door, case, hold=True).receipt
        recipient = receipt.recipients[0]
        assert recipient.state == mail.RECIPIENT_STATE_DEFERRED, f"{recipient} {server.steps[-20:]}"
        assert recipient.last_attempt.text, "the attempt says nothing"
        server.script = behave
        comes_through(stage, door, receipt.mail_id)
    assert len(server.taken) == 1


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_after_the_dot_is_a_doubt(stage: Stage, fault: str) -> None:
    """No answer to the dot: IN_DOUBT under HOLD, for good; under RESEND it is sent again."""
    case = f"{fault}-dot"
    server = stage.servers[case]
    server.script = FAULTS[fault]("dot")
    with stage.fleet.door() as door:
        held = send(door, case, hold=True).receipt
        assert held.recipients[0].state == mail.RECIPIENT_STATE_IN_DOUBT, held
        again = send(door, case).receipt
        assert again.recipients[0].state == mail.RECIPIENT_STATE_DEFERRED, again
        server.script = behave
        comes_through(stage, door, again.mail_id)
        assert state_of(door, held.mail_id) == mail.RECIPIENT_STATE_IN_DOUBT


def test_a_421_while_idle_belongs_to_nobody(stage: Stage) -> None:
    """A warm connection that says 421 between two mails is left, and the next mail goes over a fresh one at its first attempt."""
    server = stage.servers["leaves"]
    with stage.fleet.door() as door:
        assert send(door, "leaves").receipt.recipients[0].state == mail.RECIPIENT_STATE_DELIVERED
        before = server.connections
        server.say_to_all(b"421 4.3.2 shutting down\r\n")
        recipient = send(door, "leaves").receipt.recipients[0]
    assert recipient.state == mail.RECIPIENT_STATE_DELIVERED
    assert recipient.attempts == 1
    assert recipient.last_attempt.code == 250
    assert server.connections > before


def test_a_close_while_idle_costs_no_attempt(stage: Stage) -> None:
    """The same for a server that just closes idle connections."""
    with stage.fleet.door() as door:
        assert send(door, "tidies").receipt.recipients[0].state == mail.RECIPIENT_STATE_DELIVERED
        stage.servers["tidies"].drop_all()
        recipient = send(door, "tidies").receipt.recipients[0]
    assert (recipient.state, recipient.attempts) == (mail.RECIPIENT_STATE_DELIVERED, 1)


def test_nobody_listens(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A relay that refuses connections: DEFERRED, phase CONNECT, and the attempt says where it was tried."""
    port = free_port()
    with Fleet(tmp_path_factory.mktemp("nobody"), port, senders=1) as fleet, fleet.door() as door:
        recipient = send(door, "nobody").receipt.recipients[0]
    attempt = recipient.last_attempt
    assert recipient.state == mail.RECIPIENT_STATE_DEFERRED
    assert attempt.phase == mail.PHASE_CONNECT
    assert str(port) in attempt.text + attempt.remote_address + attempt.remote_host
