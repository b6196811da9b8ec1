"""A node without what the relay wants to see: its mail is the others', and costs no attempt."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from benchmarks.peers.door import plain_mail
from benchmarks.peers.fleet import Fleet
from benchmarks.peers.process import wait_until
from mailgate.api.mail.v1 import mail_pb2 as mail
from mailgate.api.mail.v1 import mail_service_pb2 as service
from tests.process.conftest import SHORT
from tests.process.scripted import Conversation, Scripted, Step, behave

HAS = {"MAILGATE_SECRETS__RELAY": "the-password"}
ROUTE = {**SHORT, "tls": "none", "username": "shop", "secret": "relay"}


def wants_login(conversation: Conversation, step: Step) -> bytes | None:
    """Offers one way to log in, and believes everybody."""
    if step == "EHLO":
        return b"250-scripted\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 AUTH PLAIN\r\n"
    return b"235 2.7.0 welcome\r\n" if step == "AUTH" else behave(conversation, step)


def send(fleet: Fleet, count: int, name: str) -> list[str]:
    """So many mails in one batch; their ids."""
    shared = plain_mail("", "text")
    shared.ClearField("to")
    entries = [service.BatchEntry(to=[mail.Address(email=f"{name}{number}@example.net")]) for number in range(count)]
    with fleet.door() as door:
        results = door.send_batch(service.BatchSendMailRequest(shared=shared, entries=entries)).results
    return [result.receipt.mail_id for result in results]


def recipients(fleet: Fleet, ids: list[str]) -> list[mail.Recipient]:
    """As GetMail shows them."""
    with fleet.door() as door:
        return [door.get(mail_id).recipients[0] for mail_id in ids]


@pytest.mark.parametrize("policy", ["round_robin", "consistent_hash"])
def test_a_node_without_the_secret_gets_no_mail_of_the_route(tmp_path: Path, policy: str) -> None:
    """Three nodes. Under either policy a third of the mail would be its; hashed by recipient, again and again."""
    route = {**ROUTE, "policy": policy, **({"hash_by": "recipient"} if policy == "consistent_hash" else {})}
    with Scripted(wants_login) as server, Fleet(tmp_path, server.port, senders=3, route=route, each_env=[HAS, {}, HAS]) as fleet:
        for turn in range(4):
            ids = send(fleet, 15, f"turn{turn}-")
            found: list[mail.Recipient] = []

            def are_there(ids: list[str] = ids, found: list[mail.Recipient] = found) -> bool:
                found[:] = recipients(fleet, ids)
                return all(each.state == mail.RECIPIENT_STATE_DELIVERED for each in found)

            wait_until(are_there, f"not all are there\n{fleet.tails()}", 30, pause=0.1)
            assert {each.attempts for each in found} == {1}
            assert {each.last_attempt.node_id for each in found} <= {"node-a", "node-c"}


def test_a_node_without_the_secret_is_not_ejected(tmp_path: Path) -> None:
    """It finds out by mail, and gives back more at once than nodes are ejected for: other routes have no reason to spare it."""
    route = {**ROUTE, "connections": 60, "min_idle": 0, "policy": "round_robin"}
    with Scripted(wants_login) as server, Fleet(tmp_path, server.port, senders=3, route=route, each_env=[HAS, {}, HAS]) as fleet:
        ids = send(fleet, 300, "burst")

        def are_there() -> bool:
            return all(each.state == mail.RECIPIENT_STATE_DELIVERED for each in recipients(fleet, ids))

        wait_until(are_there, f"not all are there\n{fleet.tails()}", 30, pause=0.1)
        assert "login_refused" in fleet.senders[1].tail(), "it was asked"
        with fleet.door() as door:
            assert {node.node_id: node.ejections for node in door.nodes()} == {"node-a": 0, "node-b": 0, "node-c": 0}


def test_where_no_node_has_it_mail_waits_and_says_why(tmp_path: Path) -> None:
    """It is nobody's attempt, and whoever asks is told what to do. Once that is done it goes, long before the relay has rested."""
    route = {**ROUTE, "min_idle": 0}
    with Scripted(wants_login) as server, Fleet(tmp_path, server.port, senders=1, route=route) as fleet:
        (waits,) = send(fleet, 1, "x")

        def is_told() -> bool:
            (found,) = recipients(fleet, [waits])
            return found.state == mail.RECIPIENT_STATE_QUEUED and not found.attempts and "'relay' is not known here" in found.wait_reason

        wait_until(is_told, f"{recipients(fleet, [waits])}\n{fleet.tails()}", 30, pause=0.1)
        assert not server.taken
        fleet.configure(server.port, route, {"secrets": {"relay": "the-password"}})
        fleet.senders[0].signal(signal.SIGHUP)
        wait_until(lambda: len(server.taken) == 1, f"it does not go\n{fleet.tails()}", 15)
