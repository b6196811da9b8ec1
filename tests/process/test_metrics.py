"""The metrics pages of a real gateway and a real node: every metric that has a name is there, and says what happened."""

from __future__ import annotations

import urllib.request
from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.peers.door import plain_mail
from benchmarks.peers.fleet import Fleet
from benchmarks.peers.process import free_port, wait_until
from mailgate.api.mail.v1 import mail_service_pb2
from mailgate.telemetry.names import METRICS
from tests.contract.registries import etcd
from tests.process.scripted import Scripted, answer_at

ROUTE = {"route": "default"}
LANE = {"lane": "transactional"}


def scrape(port: int) -> dict[str, Metric]:
    """The families that have samples, by the names of names.py."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
        families = text_string_to_metric_families(page.read().decode())
    return {each.name + "_total" * (each.type == "counter"): each for each in families if each.samples}


def value(page: dict[str, Metric], family: str, suffix: str = "", **labels: str) -> float:
    """Of the one sample with these labels."""
    (found,) = [each.value for each in page[family].samples if each.name == family + suffix and each.labels == labels]
    return found


def test_every_metric_is_told_and_tells_what_happened(tmp_path: Path) -> None:
    """A mail is delivered, one is deferred, one is refused, the node dies: no name is without a sample, and the counts agree.

    The nodes are in etcd, and the first of its members that the gateway knows is not there.
    """
    pages = {"gateway": free_port(), "node": free_port()}
    telemetry = {"telemetry": {"listen": f"127.0.0.1:{pages['gateway']}"}}
    listen = {"MAILGATE_TELEMETRY__LISTEN": f"127.0.0.1:{pages['node']}"}
    with (
        Scripted() as server,
        etcd(tmp_path / "etcd") as cluster,
        Fleet(
            tmp_path,
            server.port,
            senders=1,
            settings=telemetry | {"etcd": {"endpoints": [f"127.0.0.1:{free_port()}", *cluster.endpoints]}},
            sender_env=listen,
        ) as fleet,
        fleet.door() as door,
    ):
        door.send(mail_service_pb2.SendMailRequest(mail=plain_mail("a@example.org", "Hello"), wait=Duration(seconds=10)))
        server.script = answer_at("RCPT", b"450 4.2.0 later\r\n")
        door.send(mail_service_pb2.SendMailRequest(mail=plain_mail("b@example.org", "Hello"), wait=Duration(seconds=10)))
        with pytest.raises(grpc.RpcError):
            door.send(mail_service_pb2.SendMailRequest(mail=plain_mail("nonsense", "Hello")))
        wait_until(lambda: value(scrape(pages["node"]), "mailgate_unsettled_verdicts") == 0, "the verdicts are not settled")
        node = scrape(pages["node"])
        before = scrape(pages["gateway"])
        fleet.senders[0].kill()
        wait_until(lambda: "mailgate_node_losses_total" in scrape(pages["gateway"]), "the loss of the node is not counted")
        wait_until(lambda: "mailgate_queue_deferred" in scrape(pages["gateway"]), "what waits is not counted")
        wait_until(lambda: "mailgate_node_warm" not in scrape(pages["gateway"]), "the node's entry does not end", 20)
        gateway = scrape(pages["gateway"])

    assert not set(METRICS) - set(before) - set(gateway) - set(node)
    assert value(gateway, "mailgate_mails_accepted_total", **LANE) == 2
    assert value(gateway, "mailgate_recipients_delivered_total", **LANE) == 1
    assert value(gateway, "mailgate_recipients_deferred_total", **LANE) == 1
    assert value(gateway, "mailgate_mails_refused_total", reason="INVALID_ARGUMENT") == 1
    assert value(gateway, "mailgate_queue_deferred", **LANE, **ROUTE) == 1
    assert value(gateway, "mailgate_commits_total") == 1
    assert value(gateway, "mailgate_accept_seconds", "_count", **LANE) == 2
    assert value(node, "mailgate_compose_seconds", "_count") == 2
    assert value(node, "mailgate_transaction_seconds", "_count", **ROUTE) == 2
    assert value(node, "mailgate_pool_busy", **ROUTE) == 0
    assert value(node, "mailgate_registered") == 1
    for direction in ("in", "out"):
        was, now = (value(page, "mailgate_link_frames_total", direction=direction) for page in (before, gateway))
        assert now >= was > 0, "a counter goes down with the node that it counted"
