"""Mail by MX from end to end: a gateway, nodes, a real name server, and the servers of domains at 127.0.0.x."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration

from benchmarks.peers.door import plain_mail
from benchmarks.peers.fleet import Fleet
from benchmarks.peers.process import free_port, wait_until
from mailgate.api.mail.v1 import mail_pb2 as mail
from mailgate.api.mail.v1 import mail_service_pb2 as service
from tests.process.scripted import Conversation, Scripted, Step, answer_at, behave
from tests.process.test_sources import IN_ENV_A, IN_ENV_B, Greylist
from tests.servers.name_server import NameServer, name_server

RECORDS = (
    "two MX 10 mx1",
    "two MX 20 mx2",
    "one MX 10 mx2",
    "bare A 127.0.0.22",
    "none MX 0 .",
    "wide MX 10 mx2",
    "wide MX 10 mx3",
    "mx1 A 127.0.0.21",
    "mx2 A 127.0.0.22",
    "mx3 A 127.0.0.23",
    "fair MX 10 fair1",
    "fair MX 10 fair2",
    "fair1 A 127.0.0.26",
    "fair2 A 127.0.0.27",
    "hole MX 10 hole1",
    "hole MX 20 mx2",
    "hole1 A 127.0.0.25",
    "dead MX 10 gone",
    "gone A 127.0.0.29",
    "lost MX 10 x.broken.",
)
SHORT = {"connections": 4, "connect_timeout": "2s", "command_timeout": "2s", "data_timeout": "2s", "body_timeout": "5s"}
DELIVERED, DEFERRED, BOUNCED = mail.RECIPIENT_STATE_DELIVERED, mail.RECIPIENT_STATE_DEFERRED, mail.RECIPIENT_STATE_BOUNCED


@dataclass
class Stage:
    """What the tests share; `hosts` by their last number."""

    dns: NameServer
    hosts: dict[int, Scripted]
    fleet: Fleet

    def send(self, *to: str, wait: int = 15) -> list[mail.Recipient]:
        """What became of a mail, after each recipient's first attempt."""
        message = plain_mail(to[0], "text")
        message.to.extend([mail.Address(email=each) for each in to[1:]])
        with self.fleet.door() as door:
            sent = door.send(service.SendMailRequest(mail=message, wait=Duration(seconds=wait)), timeout=wait + 10)
            return list(door.get(sent.receipt.mail_id).recipients)

    def send_many(self, count: int, domain: str) -> list[str]:
        """Their ids."""
        request = service.BatchSendMailRequest(shared=plain_mail("", "text"))
        del request.shared.to[:]
        for number in range(count):
            request.entries.add().to.add(email=f"u{number}@{domain}")
        with self.fleet.door() as door:
            return [result.receipt.mail_id for result in door.send_batch(request).results]

    def wait_for(self, ids: list[str], state: int, timeout: float = 30) -> None:
        """Until all of these mails are so."""
        with self.fleet.door() as door:
            wait_until(lambda: all(set(states) == {state} for _, states in door.states(ids)), f"{len(ids)} mails are not {state}", timeout)


@contextmanager
def staged(
    folder: Path,
    *,
    senders: int = 2,
    private: bool = True,
    sources: str = "",
    policy: str = "",
    each_env: Sequence[Mapping[str, str]] = (),
    further: Mapping[str, dict[str, object]] | None = None,
) -> Iterator[Stage]:
    port = free_port()
    settings = {"dispatch": {"retry_first": "1s", "retry_jitter": 0.0}, "sender": {"private_mx": private}, **(further or {})}
    with name_server(folder, *RECORDS) as dns:
        settings["sender"]["nameservers"] = [dns.address]
        hosts = {last: Scripted(host=f"127.0.0.{last}", port=port) for last in (21, 22, 23)}
        route = {**SHORT, "relays": [], "mx": True, "mx_port": port, "tls": "none", "sources": sources, "policy": policy}
        try:
            for host in hosts.values():
                host.__enter__()
            with Fleet(folder / "fleet", 1, route=route, settings=settings, senders=senders, each_env=each_env) as fleet:
                yield Stage(dns, hosts, fleet)
        finally:
            for host in hosts.values():
                host.__exit__()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("mx")) as stage:
        yield stage


@pytest.fixture
def stage(shared: Stage) -> Stage:
    """Hosts that behave and have taken nothing."""
    for host in shared.hosts.values():
        host.script = behave
        host.drop_all()
        host.taken.clear()
    return shared


def test_a_mail_goes_to_the_best_host_of_each_domain(stage: Stage) -> None:
    """One mail to three domains is three transactions; a domain without MX is its own host."""
    found = stage.send("a@two.test", "b@two.test", "c@one.test", "d@bare.test")
    assert [each.state for each in found] == [DELIVERED] * 4
    assert {last: len(host.taken) for last, host in stage.hosts.items()} == {21: 1, 22: 2, 23: 0}
    assert [each.last_attempt.remote_host for each in found] == ["mx1.test", "mx1.test", "mx2.test", "bare.test"]
    assert [each.last_attempt.remote_address.partition(":")[0] for each in found] == ["127.0.0.21"] * 2 + ["127.0.0.22"] * 2


@pytest.mark.parametrize(
    ("address", "state", "code", "kind"),
    [
        ("a@none.test", BOUNCED, "5.1.10", "unknown_domain"),
        ("a@missing.test", BOUNCED, "5.1.2", "unknown_domain"),
        ("a@lost.test", DEFERRED, "4.4.3", "dns"),
        ("a@elsewhere.example", DEFERRED, "4.4.3", "dns"),
        ("a@dead.test", DEFERRED, "", "connect"),
    ],
)
def test_where_a_mail_does_not_go(stage: Stage, address: str, state: int, code: str, kind: str) -> None:
    """A null MX and no domain bounce at once; what nobody knows now, and a host that is down, defer."""
    (found,) = stage.send(address)
    assert (found.state, found.last_attempt.enhanced_code, found.last_attempt.bounce_class) == (state, code, kind)


def test_one_bad_domain_does_not_hold_up_the_others_of_a_mail(stage: Stage) -> None:
    """Each recipient has its own end."""
    found = stage.send("a@none.test", "b@two.test", "c@lost.test")
    assert [each.state for each in found] == [BOUNCED, DELIVERED, DEFERRED]


def test_hosts_of_one_preference_share_the_load(stage: Stage) -> None:
    """While several connections are open. The hosts are new here: one whose dial was cut off at the end of the test before would rest."""

    def slow(conversation: Conversation, step: Step) -> bytes | None:
        time.sleep(0.02)
        return behave(conversation, step)

    port = stage.hosts[22].port
    with Scripted(slow, "127.0.0.26", port) as one, Scripted(slow, "127.0.0.27", port) as other:
        stage.wait_for(stage.send_many(200, "fair.test"), DELIVERED)
    taken = [len(one.taken), len(other.taken)]
    assert sum(taken) == 200
    assert min(taken) >= 10, taken


def test_many_mails_to_a_domain_that_is_new(stage: Stage) -> None:
    """The first are few; once its site is known the others go as fast as to any relay."""
    begun = time.monotonic()
    stage.wait_for(stage.send_many(1000, "one.test"), DELIVERED)
    assert len(stage.hosts[22].taken) == 1000
    assert time.monotonic() - begun < 30
    sites = {each.last_attempt.site for each in stage.send("x@one.test")}
    assert sites == {"default/mx2.test"}


def test_a_host_that_dies_costs_no_wait_a_mail(tmp_path: Path) -> None:
    """The best of two hosts goes: mail goes by the other, and each mail in its first attempt."""
    with staged(tmp_path, senders=1) as stage:
        stage.send("a@two.test")
        stage.hosts[21].__exit__()
        begun = time.monotonic()
        ids = stage.send_many(200, "two.test")
        stage.wait_for(ids, DELIVERED)
        assert time.monotonic() - begun < 10
        assert len(stage.hosts[22].taken) == 200
        with stage.fleet.door() as door:
            assert {door.get(mail_id).recipients[0].attempts for mail_id in ids} == {1}


def test_a_host_that_is_a_black_hole_costs_one_time_out(stage: Stage) -> None:
    """It takes no connection and refuses none: all mails go by the next host when the first dial is given up, in their first attempt."""
    with socket.socket() as hole, socket.socket() as one, socket.socket() as two:
        hole.bind(("127.0.0.25", stage.hosts[22].port))
        hole.listen(0)
        for filling in (one, two):
            filling.setblocking(False)
            filling.connect_ex(hole.getsockname())
        ids = stage.send_many(50, "hole.test")
        stage.wait_for(ids, DELIVERED)
        with stage.fleet.door() as door:
            assert {door.get(mail_id).recipients[0].attempts for mail_id in ids} == {1}
    assert len(stage.hosts[22].taken) == 50


def test_a_host_that_refuses_now_is_passed_over_for_the_next(tmp_path: Path) -> None:
    """By a greeting of 421: the other host of the domain takes the mail."""
    with staged(tmp_path, senders=1) as stage:
        stage.hosts[21].script = answer_at("greeting", b"421 4.3.2 not now\r\n")
        (found,) = stage.send("a@two.test")
        assert (found.state, found.attempts, found.last_attempt.remote_host) == (DELIVERED, 1, "mx2.test")


def test_dns_that_is_gone_defers_and_is_asked_again(tmp_path: Path) -> None:
    """While the name server is stopped new domains wait, known ones are sent to; when it is back all goes."""
    with staged(tmp_path, senders=1) as stage:
        stage.send("a@two.test")
        pids = stage.dns.pids
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            begun = time.monotonic()
            (found,) = stage.send("b@two.test")
            assert found.state == DELIVERED
            assert time.monotonic() - begun < 5
            (found,) = stage.send("c@one.test")
            assert (found.state, found.last_attempt.enhanced_code) == (DEFERRED, "4.4.3")
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        wait_until(lambda: len(stage.hosts[22].taken) == 1, "the deferred mail does not go", timeout=60)


def test_loopback_is_no_place_for_mail_by_mx(tmp_path: Path) -> None:
    """Unless the settings say so, which is for tests: nobody's DNS sends our mail to ourselves."""
    with staged(tmp_path, senders=1, private=False) as stage:
        for address in ("a@two.test", "a@bare.test"):
            (found,) = stage.send(address)
            assert (found.state, found.last_attempt.enhanced_code, found.last_attempt.bounce_class) == (BOUNCED, "5.4.4", "dns")
        assert not any(host.connections for host in stage.hosts.values())


def test_who_greylists_by_domain_sees_each_mail_come_back(tmp_path: Path) -> None:
    """Two nodes with a source each, two sites: every mail is in at its second attempt, from where it came first."""
    script = Greylist()
    with staged(tmp_path, sources="news", each_env=[IN_ENV_A, IN_ENV_B]) as stage:
        for host in stage.hosts.values():
            host.script = script
        ids = [*stage.send_many(15, "two.test"), *stage.send_many(15, "wide.test")]
        stage.wait_for(ids, DELIVERED)
        with stage.fleet.door() as door:
            found = [door.get(each).recipients[0] for each in ids]
        assert {each.attempts for each in found} == {2}
        assert {each.last_attempt.source for each in found} == {"a", "b"}
        assert all(len(set(came)) == 1 for came in script.came.values())
