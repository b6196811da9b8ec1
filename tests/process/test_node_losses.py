"""Nodes that die or leave with mail in hand: a poison mail does not walk through the fleet, and who leaves in order finishes first."""

from __future__ import annotations

import signal
import threading
import time

from google.protobuf.duration_pb2 import Duration

from benchmarks.peers.door import Door, plain_mail
from benchmarks.peers.fleet import Fleet
from benchmarks.peers.process import wait_until
from mailgate.api.mail.v1 import mail_pb2 as mail
from mailgate.api.mail.v1 import mail_service_pb2 as service
from tests.process.scripted import Conversation, Scripted, behave

POISON = "poison@example.net"


def state_of(door: Door, mail_id: str) -> mail.RecipientState:
    """As GetMail has it."""
    return door.get(mail_id).recipients[0].state


def deliver(door: Door) -> mail.RecipientState:
    """Another mail's state after its first attempt."""
    request = service.SendMailRequest(mail=plain_mail("to@example.net", "text"), wait=Duration(seconds=15))
    return door.send(request, timeout=25).receipt.recipients[0].state


def test_a_mail_that_kills_its_node_is_dead_after_three(server: Scripted, fleet: Fleet) -> None:
    """Each node that has the poison in hand dies before COMMIT: after three losses it is DEAD, and other mail goes on as before."""
    killed: list[str] = []

    def kill_its_node(conversation: Conversation, step: str) -> bytes | None:
        if step == "DATA" and POISON in conversation.recipients:
            name = conversation.client.partition(".")[0]
            killed.append(name)
            next(node for node in fleet.senders if node.name == name).kill()
        return behave(conversation, step)

    server.script = kill_its_node
    with fleet.door() as door:
        poison = door.send(service.SendMailRequest(mail=plain_mail(POISON, "the end"))).receipt.mail_id
        end = time.monotonic() + 40
        while state_of(door, poison) != mail.RECIPIENT_STATE_DEAD and time.monotonic() < end:
            for node in fleet.senders:
                if not node.alive:
                    node.start()
            time.sleep(0.05)
        found = door.get(poison).recipients[0]
        assert found.state == mail.RECIPIENT_STATE_DEAD, f"{killed} {found}\n{fleet.tails()}"
        assert "node" in found.last_attempt.text
        assert len(killed) == 3
        for node in fleet.senders:
            if not node.alive:
                node.start()
        fleet.wait_ready()
        assert deliver(door) == mail.RECIPIENT_STATE_DELIVERED
        assert door.queue().dead == 1


def test_a_node_that_leaves_in_order_finishes_what_it_has(server: Scripted, fleet: Fleet) -> None:
    """SIGTERM while a dot is unanswered: the node waits for the answer and ends with 0, and nothing is in doubt."""
    asked, go_on = threading.Event(), threading.Event()

    def slow(conversation: Conversation, step: str) -> bytes | None:
        if step == "dot":
            asked.set()
            go_on.wait(10)
        return behave(conversation, step)

    server.script = slow
    with fleet.door() as door:
        mail_id = door.send(service.SendMailRequest(mail=plain_mail("to@example.net", "text", hold=True))).receipt.mail_id
        assert asked.wait(10)
        for node in fleet.senders:
            node.signal(signal.SIGTERM)
        threading.Timer(0.5, go_on.set).start()
        for node in fleet.senders:
            assert node.wait(10) == 0, node.tail()
        wait_until(lambda: state_of(door, mail_id) == mail.RECIPIENT_STATE_DELIVERED, "never delivered", 10)
    assert len(server.taken) == 1


def test_a_gateway_that_leaves_in_order_tells_those_who_wait(server: Scripted, fleet: Fleet) -> None:
    """SIGTERM while a caller waits: the answer is OK with the state as of now, since the mail is durable; and after a restart it comes."""
    hold_on = threading.Event()

    def slow(conversation: Conversation, step: str) -> bytes | None:
        if step == "DATA":
            hold_on.wait(10)
        return behave(conversation, step)

    server.script = slow
    answers: list[service.SendMailResponse] = []

    def call() -> None:
        with fleet.door() as door:
            request = service.SendMailRequest(mail=plain_mail("to@example.net", "text"), wait=Duration(seconds=20))
            answers.append(door.send(request, timeout=25))

    caller = threading.Thread(target=call)
    caller.start()
    wait_until(lambda: "DATA" in server.steps, "the mail never reached the server")
    time.sleep(0.2)
    exit_code = fleet.gateway.stop(15)
    caller.join(10)
    hold_on.set()
    assert exit_code == 0, fleet.gateway.tail()
    assert answers, "the caller got an error though its mail was durable"
    fleet.gateway.start()
    fleet.wait_ready()
    with fleet.door() as door:
        mail_id = answers[0].receipt.mail_id
        wait_until(lambda: state_of(door, mail_id) == mail.RECIPIENT_STATE_DELIVERED, "never delivered after the restart", 20)
