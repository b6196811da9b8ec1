"""Two gateways over one etcd, with the nodes of both: a gateway dies, etcd dies, a node comes back as another boot, and mail flows on."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration

from benchmarks.peers.door import Door, plain_mail
from benchmarks.peers.etcd import Cluster
from benchmarks.peers.fleet import KEY, Fleet
from benchmarks.peers.process import Process, free_port, wait_until
from benchmarks.peers.witness import Witness
from mailgate.api.mail.v1 import mail_pb2 as mail
from mailgate.api.mail.v1 import mail_service_pb2 as service
from tests.contract.registries import etcd

pytestmark = pytest.mark.servers


@dataclass
class Stage:
    """The first gateway is the fleet's; both have the same settings but for their door and data."""

    etcd: Cluster
    fleet: Fleet
    second: Process
    address: str
    witness: Witness

    def entries(self) -> dict[str, dict[str, object]]:
        """What etcd has of the nodes, by their ids."""
        told = self.etcd.ctl("get", "--prefix", "/mailgate/nodes/", "--print-value-only")
        return {entry["node_id"]: entry for entry in map(json.loads, filter(None, told.splitlines()))}

    def gateways(self) -> dict[str, str]:
        """The ids of those that callers find, by their addresses."""
        told = self.etcd.ctl("get", "--prefix", "/mailgate/gateways/").split()
        return {json.loads(value)["Addr"]: key.rpartition("/")[2] for key, value in zip(told[::2], told[1::2], strict=True)}

    def holders(self) -> set[object]:
        """The ids of the gateways that nodes have registered with."""
        return {entry["gateway"] for entry in self.entries().values()}

    def wait_ready(self, address: str, nodes: int = 2) -> None:
        """Until that gateway gives jobs to so many."""
        try:
            with Door(address, KEY) as door:
                wait_until(lambda: door.ready_nodes() == nodes, f"{address} has not {nodes} nodes", 15, pause=0.02)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.fleet.tails()}\n--- {self.second!r}\n{self.second.tail()}") from None

    def send(self, address: str) -> None:
        """A mail by way of that gateway arrives."""
        with Door(address, KEY) as door:
            sent = door.send(service.SendMailRequest(mail=plain_mail("to@example.net", "text"), wait=Duration(seconds=10)), timeout=15)
            assert sent.receipt.recipients[0].state == mail.RECIPIENT_STATE_DELIVERED, sent


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Nodes that ask the first gateway first. The tests are of one life, in their order."""
    tmp_path = tmp_path_factory.mktemp("two")
    port = free_port()
    address = f"127.0.0.1:{port}"
    with etcd(tmp_path / "etcd") as cluster, Witness(tmp_path) as witness:
        fleet = Fleet(tmp_path / "fleet", witness.port)
        settings = {"etcd": {"endpoints": cluster.endpoints, "ttl": "2s"}, "sender": {"gateways": [fleet.address, address]}}
        fleet.configure(witness.port, settings=settings)
        second = Process(
            "second gateway",
            [sys.executable, "-m", "gateway", "--config", fleet.settings],
            tmp_path / "second.log",
            cwd=Path(__file__).parents[2],
            env={"MAILGATE_GATEWAY__LISTEN": address, "MAILGATE_GATEWAY__DATA": str(tmp_path / "second")},
        )
        with fleet, second:  # the nodes have registered when the second one starts
            yield Stage(cluster, fleet, second, address, witness)


def test_gateways_share_nodes_and_survive_each_other(stage: Stage) -> None:
    """A node registers with one and works for both. That gateway is killed: the node goes to the other, and nobody drops it."""
    stage.wait_ready(stage.address)
    assert set(stage.gateways()) == {stage.fleet.address, stage.address}
    for address in (stage.fleet.address, stage.address):
        stage.send(address)
    first = stage.gateways()[stage.fleet.address]
    assert stage.holders() == {first}, "all asked the first gateway"
    stage.fleet.gateway.kill()
    stage.send(stage.address)
    wait_until(lambda: first not in stage.holders(), "the nodes do not move", 15)
    wait_until(lambda: set(stage.gateways()) == {stage.address}, "the dead gateway is still told", 10)  # its lease is over
    assert set(stage.entries()) == {"node-a", "node-b"}
    stage.send(stage.address)
    told = stage.second.log.read_text()
    assert (told.count("node_joined"), told.count("node_lost")) == (2, 0), told

    # The first one comes back: it knows the nodes at once, though they are registered with the other.
    stage.fleet.gateway.start()
    stage.fleet.wait_ready()
    stage.send(stage.fleet.address)

    # A node dies, and comes back as another boot: both use it.
    node = stage.fleet.senders[0]
    node.kill()
    stage.send(stage.fleet.address)
    stage.send(stage.address)
    node.start()
    for address in (stage.fleet.address, stage.address):
        stage.wait_ready(address)


def test_a_gateway_that_hangs_is_left_and_undoes_nothing(stage: Stage) -> None:
    """Its nodes are with the other soon; going on, it finds its lease gone and its nodes moved, and works with them."""
    stage.wait_ready(stage.address)
    hung = stage.gateways()[stage.fleet.address]
    assert hung in stage.holders(), "the node that came back asked the first gateway first"
    stage.fleet.gateway.signal(signal.SIGSTOP)
    try:
        wait_until(lambda: hung not in stage.holders() and len(stage.entries()) == 2, "the nodes do not move", 15)
        wait_until(lambda: set(stage.gateways()) == {stage.address}, "the hung gateway is still told", 10)
    finally:
        stage.fleet.gateway.signal(signal.SIGCONT)
    moved = stage.entries()
    wait_until(lambda: len(stage.gateways()) == 2, "it does not put itself again", 10)
    for address in (stage.fleet.address, stage.address):
        stage.wait_ready(address)
        stage.send(address)
    assert stage.entries() == moved


def test_etcd_down_changes_nothing_for_traffic(stage: Stage) -> None:
    """Both gateways send on, nobody is dropped; back again, a node that restarted meanwhile registers."""
    stage.wait_ready(stage.address)
    before = {log: len(log.read_text()) for log in (stage.fleet.gateway.log, stage.second.log)}
    stage.etcd.members[0].kill()
    for address in (stage.fleet.address, stage.address):
        stage.send(address)
    node = stage.fleet.senders[1]
    node.kill()
    node.start()
    stage.etcd.start()
    for address in (stage.fleet.address, stage.address):
        stage.wait_ready(address)
        stage.send(address)
    for log, length in before.items():
        told = log.read_text()[length:]
        assert "node-a" not in "".join(line for line in told.splitlines() if "node_lost" in line)
    assert stage.witness.doubled() == {}


def test_a_drain_is_every_gateways(stage: Stage) -> None:
    """Said to one, heeded by both; it outlives the gateway that was asked and the node's restart; either may end it."""
    first, second = stage.fleet.address, stage.address
    for address in (first, second):
        stage.wait_ready(address)

    def drained(address: str) -> str:
        with Door(address, KEY) as door:
            return next((node.drain.reason for node in door.nodes() if node.node_id == "node-a" and node.HasField("drain")), "")

    with Door(first, KEY) as door:
        assert door.drain("node-a", "new kernel")
    wait_until(lambda: drained(second) == "new kernel", "the other gateway does not hear of it")
    stage.fleet.gateway.kill()
    stage.fleet.senders[0].kill()
    stage.fleet.senders[0].start()
    stage.fleet.gateway.start()
    stage.fleet.wait_accepting()
    for address in (first, second):
        stage.wait_ready(address, 1)
        assert drained(address) == "new kernel"
        stage.send(address)
    assert not any(seen.client.startswith("node-a") for seen in stage.witness.seen()[-2:])
    with Door(second, KEY) as door:
        door.resume("node-a")
    for address in (first, second):
        stage.wait_ready(address)
