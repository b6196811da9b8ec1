"""A gateway that is stopped in order soon after it was killed: it may not have heard from the nodes what its former life gave them."""

from __future__ import annotations

import signal
import time
from contextlib import closing
from pathlib import Path

import apsw

from benchmarks.peers.door import plain_mail
from benchmarks.peers.fleet import Fleet
from benchmarks.peers.process import wait_until
from benchmarks.peers.witness import Witness
from mailgate.api.mail.v1 import mail_pb2 as mail
from mailgate.api.mail.v1 import mail_service_pb2 as service

MAILS = 40


def test_what_a_node_has_is_not_sent_again(tmp_path: Path) -> None:
    """Killed between COMMIT and its row, started, stopped before the nodes are back, started: the nodes live, so nothing comes twice."""
    with Witness(tmp_path, delay=4.0) as witness, Fleet(tmp_path, witness.port, route={"connections": MAILS}) as fleet:
        with fleet.door() as door:
            shared = plain_mail("", "text")
            shared.ClearField("to")
            entries = [service.BatchEntry(to=[mail.Address(email=f"to-{number}@example.net")]) for number in range(MAILS)]
            sent = door.send_batch(service.BatchSendMailRequest(shared=shared, entries=entries))
            ids = [result.receipt.mail_id for result in sent.results]
        wait_until(lambda: witness.count() == MAILS, "they never came", pause=0.002)
        fleet.gateway.signal(signal.SIGKILL)
        fleet.gateway.kill()
        fleet.gateway.start()
        fleet.wait_accepting()
        assert fleet.gateway.stop() == 0
        fleet.gateway.start()
        fleet.wait_ready()
        with fleet.door() as door:

            def delivered() -> bool:
                return all(state == (mail.RECIPIENT_STATE_DELIVERED,) for _, state in door.states(ids))

            wait_until(delivered, f"never delivered\n{fleet.tails()}", 25, pause=0.1)
        assert witness.doubled() == {}


def test_whose_wait_is_over_ends_clean(tmp_path: Path) -> None:
    """A later stop is in order again; else no start would ever send at once what waits, after one kill."""
    with Fleet(tmp_path, 9, senders=1, settings={"dispatch": {"recovery_wait": "0s"}}) as fleet:
        fleet.gateway.signal(signal.SIGKILL)
        fleet.gateway.kill()
        for seconds in (2, 4, 8, 16):  # a machine may be slow
            fleet.gateway.start()
            fleet.wait_accepting()
            time.sleep(seconds)
            assert fleet.gateway.stop() == 0
            if ended_clean(fleet.data):
                return
    raise AssertionError(f"no stop was clean\n{fleet.tails()}")


def ended_clean(data: Path) -> bool:
    """What the next start will read."""
    with closing(apsw.Connection(str(data / "journal.db"))) as journal:
        return journal.execute("select value from meta where name = 'clean'").fetchall() == [(1,)]
