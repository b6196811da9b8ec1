"""A route that comes to go by MX, or by a relay again, while its mails wait: all go, each where its route leads now."""

from __future__ import annotations

import signal
from pathlib import Path

from benchmarks.peers.door import plain_mail
from benchmarks.peers.process import wait_until
from mailgate.api.mail.v1 import mail_pb2 as mail
from mailgate.api.mail.v1 import mail_service_pb2 as service
from tests.servers.test_mx import SHORT, Stage, staged

ADDRESSES = ("a@two.test", "b@one.test", "c@bare.test", "d@two.test")


def change(stage: Stage, route: dict[str, object]) -> None:
    """Another route, while the nodes are away; then they come back."""
    settings = {
        "dispatch": {"retry_first": "1s", "retry_jitter": 0.0},
        "sender": {"private_mx": True, "nameservers": [stage.dns.address]},
    }
    stage.fleet.configure(1, {**SHORT, "tls": "none", **route}, settings)
    with stage.fleet.door() as door:
        before = door.settings().version
        stage.fleet.gateway.signal(signal.SIGHUP)
        wait_until(lambda: door.settings().version != before, f"no reload: {door.settings().refusal}")
    for node in stage.fleet.senders:
        node.start()


def accept(stage: Stage) -> str:
    """A mail that waits, since there is no node."""
    for node in stage.fleet.senders:
        node.kill()
    message = plain_mail(ADDRESSES[0], "text", hold=True)
    message.to.extend([mail.Address(email=each) for each in ADDRESSES[1:]])
    with stage.fleet.door() as door:
        return door.send(service.SendMailRequest(mail=message)).receipt.mail_id


def test_mails_that_wait_follow_their_route(tmp_path: Path) -> None:
    """By MX a domain at a time where they came by relay; by relay where they came by MX. Nothing is dead, nothing comes twice."""
    with staged(tmp_path, senders=1) as stage:
        port = stage.hosts[21].port
        first = accept(stage)
        change(stage, {"relays": [f"smtp://127.0.0.23:{port}"]})
        stage.wait_for([first], mail.RECIPIENT_STATE_DELIVERED)
        assert {last: len(host.taken) for last, host in stage.hosts.items()} == {21: 0, 22: 0, 23: 3}
        second = accept(stage)
        change(stage, {"relays": [], "mx": True, "mx_port": port})
        stage.wait_for([second], mail.RECIPIENT_STATE_DELIVERED)
        assert {last: len(host.taken) for last, host in stage.hosts.items()} == {21: 1, 22: 2, 23: 3}
