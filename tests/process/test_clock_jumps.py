"""The clocks of the gateway and of a node jump by an hour, forwards and back, while mail runs.

etcd's can't be set so: Go asks the kernel for the time, not the library. Its leases go by monotonic time.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from benchmarks.peers.door import Door, plain_mail
from benchmarks.peers.fleet import Fleet
from benchmarks.peers.process import wait_until
from benchmarks.peers.witness import Witness
from mailgate.api.mail.v1 import mail_pb2 as mail
from mailgate.api.mail.v1 import mail_service_pb2 as service
from tests.contract.registries import LONG, etcd
from tests.process.clocks import WallClock
from tests.process.scripted import Scripted, answer_at

pytestmark = pytest.mark.servers

HOUR = 3600


def taken(door: Door, hold: bool, refused: list[grpc.RpcError]) -> list[str]:
    """The id of one more mail; none for the call that is under way when the gateway's clock goes forwards: nothing of it is stored.

    gRPC for Python reckons what is left of a call's time by the wall clock.
    """
    try:
        return [door.send(service.SendMailRequest(mail=plain_mail("a@example.net", "x", hold=hold))).receipt.mail_id]
    except grpc.RpcError as error:
        if refused or error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
            raise
        refused.append(error)
        return []


def test_no_mail_is_lost_doubled_or_expired(tmp_path: Path) -> None:
    """Nor is a node taken away; what was deferred is tried after the seconds that it was told."""
    with (
        etcd(tmp_path / "etcd") as cluster,
        Witness(tmp_path) as witness,
        Scripted(answer_at("RCPT", b"451 4.3.0 Later\r\n")) as busy,
    ):
        settings = {
            "etcd": {"endpoints": cluster.endpoints, "ttl": f"{LONG}s"},
            "dispatch": {"retry_first": "1s", "retry_max": "1s", "retry_jitter": 0.0},
            "routes.later": {"domains": ["later.example"], "relays": [f"smtp://127.0.0.1:{busy.port}"], "tls": "none"},
        }
        clocks = [WallClock(tmp_path / name) for name in ("gateway", "node")]
        fleet = Fleet(tmp_path / "fleet", witness.port, settings=settings, gateway_env=clocks[0].env, each_env=[clocks[1].env, {}])
        ended, ids, failed = threading.Event(), list[str](), list[BaseException]()

        def entries() -> dict[str, object]:
            told = cluster.ctl("get", "--prefix", "/mailgate/nodes/", "--print-value-only")
            return {entry["node_id"]: entry for entry in map(json.loads, filter(None, told.splitlines()))}

        def send() -> None:
            with fleet.door() as door:
                refused: list[grpc.RpcError] = []
                try:
                    while not ended.wait(0.01):
                        ids.extend(taken(door, len(ids) % 2 == 0, refused))
                except BaseException as error:
                    failed.append(error)

        with fleet, fleet.door() as door:
            short = plain_mail("b@later.example", "x")
            short.ttl.CopyFrom(Duration(seconds=HOUR // 2))
            deferred = door.send(service.SendMailRequest(mail=short)).receipt.mail_id

            def attempts() -> int:
                (found,) = door.get(deferred).recipients
                assert found.state not in (mail.RECIPIENT_STATE_EXPIRED, mail.RECIPIENT_STATE_BOUNCED), found
                return found.attempts

            wait_until(lambda: attempts() > 0, "the server was not asked")
            before = entries()
            sender = threading.Thread(target=send)
            sender.start()
            try:
                for clock in clocks:
                    for seconds in (HOUR, -HOUR):
                        clock.set(seconds)
                        sent, tried = len(ids), attempts()
                        wait_until(lambda sent=sent: len(ids) > sent + 20 or failed, "no mail is taken", 20)
                        wait_until(lambda tried=tried: attempts() > tried + 1, "what was deferred is not tried", 30)
            finally:
                ended.set()
                sender.join()
            assert not failed
            wait_until(lambda: witness.count() >= len(ids), "mail is missing", 15)
            assert door.ready_nodes() == 2
            states = [states for _, states in door.states(ids)]
            assert states == [(mail.RECIPIENT_STATE_DELIVERED,)] * len(ids)
        assert witness.doubled() == {}
        assert witness.count() == len(ids)
        assert entries() == before
        assert fleet.gateway.log.read_text().count("clock_jumped") == 2
