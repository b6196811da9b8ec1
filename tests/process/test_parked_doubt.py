"""HOLD: a node that was cut off before COMMIT reached it knows that it sent nothing, however late it is asked."""

from __future__ import annotations

from pathlib import Path

from benchmarks.peers.door import plain_mail
from benchmarks.peers.fleet import Fleet
from benchmarks.peers.process import free_port, wait_until
from mailgate.api.mail.v1 import mail_pb2 as mail
from mailgate.api.mail.v1 import mail_service_pb2 as service
from tests.process.scripted import Conversation, Scripted, behave
from tests.process.wire import Wire


def test_a_doubt_ends_when_its_node_is_back(tmp_path: Path) -> None:
    """READY comes through, COMMIT does not; parked IN_DOUBT after two seconds, and sent once when the link is mended."""
    listen = free_port()
    with Scripted() as server, Wire(listen) as wire:
        env = {"MAILGATE_SENDER__LISTEN": f"127.0.0.1:{listen}", "MAILGATE_SENDER__ADVERTISE": f"127.0.0.1:{wire.port}"}

        def deaf_from_data_on(conversation: Conversation, step: str) -> bytes | None:
            if step == "DATA":
                wire.deaf = True
            return behave(conversation, step)

        server.script = deaf_from_data_on
        with Fleet(tmp_path, server.port, senders=1, sender_env=env) as fleet, fleet.door() as door:
            mail_id = door.send(service.SendMailRequest(mail=plain_mail("to@example.net", "text", hold=True))).receipt.mail_id

            def is_(state: mail.RecipientState) -> bool:
                return door.get(mail_id).recipients[0].state == state

            wait_until(lambda: is_(mail.RECIPIENT_STATE_SENDING), "COMMIT never left", 10)
            server.script = behave
            wire.cut()
            wait_until(lambda: is_(mail.RECIPIENT_STATE_IN_DOUBT), f"never in doubt\n{fleet.tails()}", 15)
            wire.mend()
            wait_until(lambda: is_(mail.RECIPIENT_STATE_DELIVERED), f"still in doubt\n{fleet.tails()}", 15)
            assert door.doubts() == []
    assert len(server.taken) == 1
