"""A fleet that speaks TLS throughout: to etcd with certificates and users, at the gateway's door, and between gateway and nodes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.peers.etcd import Cluster
from benchmarks.peers.fleet import KEY, Fleet
from benchmarks.peers.postfix import make_certificate
from benchmarks.peers.process import wait_until
from benchmarks.peers.witness import Witness
from mailgate.client import Address, EtcdOptions, Mail, MailClient, Parts
from mailgate.config.secret import Secret
from mailgate.errors import Unavailable
from mailgate.mail import RecipientState
from mailgate.rpc.tls import TlsOptions
from tests.contract.registries import demand_etcd

pytestmark = pytest.mark.servers

USERS = (
    ("user", "add", "root:rootpw"),
    ("user", "add", "gateway:gatewaypw"),
    ("user", "add", "caller:callerpw"),
    ("role", "add", "gateway"),
    ("role", "add", "caller"),
    ("role", "grant-permission", "gateway", "readwrite", "/mailgate/", "--prefix"),
    ("role", "grant-permission", "caller", "read", "/mailgate/gateways/", "--prefix"),
    ("user", "grant-role", "gateway", "gateway"),
    ("user", "grant-role", "caller", "caller"),
    ("user", "grant-role", "root", "root"),
    ("auth", "enable"),
)


@dataclass
class Stage:
    """All have one certificate, which is its own authority; `stranger` is another one's."""

    etcd: Cluster
    fleet: Fleet
    witness: Witness
    certificate: str
    key: str
    stranger: str

    def client(self, ca: str = "", *, tls: bool = True, who: str = "caller") -> MailClient:
        """One that may look for gateways, and nothing else."""
        etcd = EtcdOptions(ca=self.certificate, certificate=self.certificate, key=self.key, username=who, password=Secret("callerpw"))
        place = f"etcd://{','.join(self.etcd.endpoints)}/mailgate/gateways"
        return MailClient(place, KEY, tls=TlsOptions(ca=ca or self.certificate) if tls else None, etcd=etcd)

    def boots(self) -> dict[str, str]:
        """The boot id of each node that etcd has."""
        told = self.etcd.ctl("--user", "root:rootpw", "get", "--prefix", "/mailgate/nodes/", "--print-value-only")
        return {entry["node_id"]: entry["boot_id"] for entry in map(json.loads, filter(None, told.splitlines()))}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Etcd, a gateway and two nodes."""
    demand_etcd("3.5")
    make_certificate(tmp_path)
    make_certificate(tmp_path / "stranger")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    pair = {"certificate": str(certificate), "key": str(key)}
    dial, door = {"ca": str(certificate), **pair}, {"client_ca": str(certificate), **pair}
    with ExitStack() as stack:
        cluster = Cluster(tmp_path / "etcd", tls=(certificate, key, certificate), mutual=True)
        stack.callback(cluster.kill)
        cluster.start()
        for command in USERS:
            cluster.ctl(*command)
        witness = stack.enter_context(Witness(tmp_path))
        fleet = Fleet(tmp_path / "fleet", witness.port)
        settings = {
            "gateway": {"fleet_token": "a-token-of-the-tests"},
            "gateway.node_tls": dial,
            "tls": pair,
            "etcd": {"endpoints": cluster.endpoints, "username": "gateway", "password": "gatewaypw", **dial},
            "sender": {"gateways": [fleet.address], "fleet_token": "a-token-of-the-tests"},
            "sender.tls": door,
            "sender.gateway_tls": {"ca": str(certificate)},
        }
        fleet.configure(witness.port, settings=settings)
        stack.callback(fleet.kill)
        for process in fleet.processes:
            process.start()
        yield Stage(cluster, fleet, witness, *pair.values(), str(tmp_path / "stranger" / "certificate.pem"))


async def delivered(client: MailClient, number: int) -> None:
    """A mail arrives."""
    mail = Mail(Address("shop@example.com"), to=(Address(f"to{number}@example.net"),), content=Parts("Hello", text="x"))
    receipt = await client.send(mail, wait=10, within=15)
    assert receipt.recipients[0].state is RecipientState.DELIVERED, receipt


async def test_mail_flows_by_tls_over_a_death_of_etcd_and_of_a_node(stage: Stage):
    """A client that finds the gateway in etcd sends on through both, and so does one that comes later. Strangers get nothing."""
    node, other = stage.fleet.senders
    async with stage.client() as client:
        await delivered(client, 0)
        wait_until(lambda: len(stage.boots()) == 2, f"not both nodes have registered\n{stage.fleet.tails()}", 15)
        stage.etcd.members[0].kill()
        await delivered(client, 1)
        stage.etcd.start()  # its tokens are forgotten
        before = stage.boots()
        node.kill()
        await delivered(client, 2)
        node.start()
        wait_until(
            lambda: stage.boots().get(node.name) not in (None, before[node.name]), f"it does not register\n{stage.fleet.tails()}", 15
        )
        other.kill()
        await delivered(client, 3)
    async with stage.client() as client:
        await delivered(client, 4)
    for strange in (stage.client(tls=False), stage.client(stage.stranger), stage.client(who="nobody")):
        async with strange as client:
            with pytest.raises(Unavailable):
                await client.send(Mail(Address("a@example.com"), to=(Address("b@example.net"),), content=Parts("No", text="x")), within=1)
    assert sorted(seen.recipients for seen in stage.witness.seen()) == [(f"to{number}@example.net",) for number in range(5)]
    assert {f"{node.name}.example.com", f"{other.name}.example.com"} >= {seen.client for seen in stage.witness.seen()}
