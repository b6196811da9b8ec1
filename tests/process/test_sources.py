"""Sources over processes and sockets: a greylisting server lets in who comes back from the same address, and so every second attempt."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.peers.door import plain_mail
from benchmarks.peers.fleet import Fleet
from benchmarks.peers.process import wait_until
from mailgate.api.admin.v1 import admin_service_pb2 as admin
from mailgate.api.mail.v1 import mail_pb2 as mail
from mailgate.api.mail.v1 import mail_service_pb2 as service
from tests.process.conftest import SHORT
from tests.process.scripted import Conversation, Scripted, Step, behave

AGAIN = b"450 4.2.0 Greylisted, come back later\r\n"
DISPATCH = {"dispatch": {"retry_first": "400ms", "retry_jitter": 0.0}}
A = {"address": "127.0.0.11", "helo": "a.example.com", "pool": "news"}
B = {"address": "127.0.0.12", "helo": "b.example.com", "pool": "news"}
NEWS = {**SHORT, "sources": "news"}
IN_ENV_A = {f"MAILGATE_SOURCES__A__{key.upper()}": value for key, value in A.items()}
IN_ENV_B = {f"MAILGATE_SOURCES__B__{key.upper()}": value for key, value in B.items()}


class Greylist:
    """A script: 450 to each (address, recipient) that it has not seen, and what it has seen."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.came: dict[str, list[str]] = {}
        """Addresses by recipient, each time that one asked."""
        self.names: dict[str, set[str]] = {}
        """In EHLO, by address."""
        self.always = False
        """It lets nobody in."""

    def __call__(self, conversation: Conversation, step: Step) -> bytes | None:
        address = str(conversation.socket.getpeername()[0])
        with self._lock:
            if step == "EHLO":
                self.names.setdefault(address, set()).add(conversation.client)
            if step == "RCPT":
                before = self.came.setdefault(conversation.recipients[-1], [])
                before.append(address)
                if address not in before[:-1] or self.always:
                    return AGAIN
        return behave(conversation, step)


def send(fleet: Fleet, count: int) -> list[str]:
    """So many mails in one batch; their ids."""
    shared = plain_mail("", "text")
    shared.ClearField("to")
    entries = [service.BatchEntry(to=[mail.Address(email=f"user{number}@example.net")]) for number in range(count)]
    with fleet.door() as door:
        results = door.send_batch(service.BatchSendMailRequest(shared=shared, entries=entries)).results
    return [result.receipt.mail_id for result in results]


def recipients(fleet: Fleet, ids: Sequence[str]) -> list[mail.Recipient]:
    """As GetMail shows them."""
    with fleet.door() as door:
        return [door.get(mail_id).recipients[0] for mail_id in ids]


def settled(fleet: Fleet, ids: Sequence[str], state: mail.RecipientState, attempts: int = 0) -> list[mail.Recipient]:
    """Wait until all are in this state, after so many attempts at least."""
    found: list[mail.Recipient] = []

    def are() -> bool:
        found[:] = recipients(fleet, ids)
        return all(each.state == state and each.attempts >= attempts for each in found)

    wait_until(are, f"not all are there\n{fleet.tails()}", 30, pause=0.1)
    return found


def nodes(fleet: Fleet) -> Sequence[admin.Node]:
    with fleet.door() as door:
        return door.nodes()


def test_a_retry_comes_from_the_same_source(tmp_path: Path) -> None:
    """One node, two sources: each mail is in at its second attempt, and the mails are spread over both."""
    script = Greylist()
    settings = {**DISPATCH, "sources.a": A, "sources.b": B}
    with Scripted(script) as server, Fleet(tmp_path, server.port, senders=1, route=NEWS, settings=settings) as fleet:
        done = settled(fleet, send(fleet, 40), mail.RECIPIENT_STATE_DELIVERED)
        assert {each.attempts for each in done} == {2}
        assert {each.last_attempt.source for each in done} == {"a", "b"}
        for each in done:
            assert script.came[each.email] == [A["address"] if each.last_attempt.source == "a" else B["address"]] * 2
        assert script.names == {A["address"]: {A["helo"]}, B["address"]: {B["helo"]}}


def test_a_retry_finds_the_node_that_has_its_source(tmp_path: Path) -> None:
    """Two nodes with a source each: half of the retries would go to the wrong one by chance."""
    script = Greylist()
    with (
        Scripted(script) as server,
        Fleet(tmp_path, server.port, route=NEWS, settings=DISPATCH, each_env=[IN_ENV_A, IN_ENV_B]) as fleet,
    ):
        done = settled(fleet, send(fleet, 40), mail.RECIPIENT_STATE_DELIVERED)
        assert {each.attempts for each in done} == {2}
        assert {(each.last_attempt.node_id, each.last_attempt.source) for each in done} == {("node-a", "a"), ("node-b", "b")}


def test_without_its_source_a_mail_goes_from_another(tmp_path: Path) -> None:
    """The node that had it is gone for good: it begins anew from the other one's source, and is in."""
    script = Greylist()
    script.always = True
    slow = {"dispatch": {"retry_first": "2s", "retry_jitter": 0.0}}
    with (
        Scripted(script) as server,
        Fleet(tmp_path, server.port, route=NEWS, settings=slow, each_env=[IN_ENV_A, IN_ENV_B]) as fleet,
    ):
        ids = send(fleet, 20)
        assert {each.last_attempt.source for each in settled(fleet, ids, mail.RECIPIENT_STATE_DEFERRED, 1)} == {"a", "b"}
        fleet.senders[0].kill()
        script.always = False
        done = settled(fleet, ids, mail.RECIPIENT_STATE_DELIVERED)
        assert {each.last_attempt.source for each in done} == {"b"}
        moved = [each for each in done if A["address"] in script.came[each.email]]
        assert moved
        assert {script.came[each.email][-1] for each in done} == {B["address"]}


def test_a_pool_that_no_node_has(tmp_path: Path) -> None:
    """The mail waits, GetMail says for what, and the node's log says it once; when a node has it, the mail goes."""
    with Scripted() as server, Fleet(tmp_path, server.port, senders=1, route=NEWS, settings=DISPATCH) as fleet:
        (mail_id,) = send(fleet, 1)
        wanted = "no node has a source of the pool 'news'"
        wait_until(lambda: recipients(fleet, [mail_id])[0].wait_reason == wanted, f"no reason\n{fleet.tails()}", 10, pause=0.1)
        assert recipients(fleet, [mail_id])[0].attempts == 0
        with fleet.door() as door:
            assert [site.reason for site in door.sites()] == [wanted]
        log = fleet.senders[0].log
        wait_until(lambda: log.read_text().count("this node has none of that pool") == 1, f"it is not in the log\n{fleet.tails()}", 10)
        fleet.configure(server.port, NEWS, {**DISPATCH, "sources.a": A})
        fleet.senders[0].kill()
        fleet.senders[0].start()
        assert settled(fleet, [mail_id], mail.RECIPIENT_STATE_DELIVERED)[0].last_attempt.source == "a"


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("ip") is None, reason="gives and takes an address")
def test_an_address_that_is_taken_away_and_comes_back(tmp_path: Path) -> None:
    """Its mail leaves from the other source without an attempt more, operators are told, and it is used again by itself."""
    mine = {"address": "192.0.2.77", "helo": "m.example.com", "pool": "news"}
    route = {**NEWS, "idle_timeout": "1s", "min_idle": 0}
    with (
        Address(mine["address"]) as address,
        Scripted() as server,
        Fleet(tmp_path, server.port, senders=1, route=route, settings={**DISPATCH, "sources.m": mine, "sources.b": B}) as fleet,
    ):
        found = settled(fleet, send(fleet, 20), mail.RECIPIENT_STATE_DELIVERED)
        assert {each.last_attempt.source for each in found} == {"m", "b"}
        wait_until(lambda: not nodes(fleet)[0].warm, "connections stay", 10)
        address.take()
        found = settled(fleet, send(fleet, 20), mail.RECIPIENT_STATE_DELIVERED)
        assert {(each.last_attempt.source, each.attempts) for each in found} == {("b", 1)}
        told = "source m: the source m can't dial from 192.0.2.77: this machine has no such address"
        wait_until(lambda: list(nodes(fleet)[0].warnings) == [told], "nobody is told", 10)
        address.give()

        def leaves_from_it() -> bool:
            return "m" in {each.last_attempt.source for each in settled(fleet, send(fleet, 20), mail.RECIPIENT_STATE_DELIVERED)}

        wait_until(leaves_from_it, f"it is not used again\n{fleet.tails()}", 20, pause=0.2)
        wait_until(lambda: not nodes(fleet)[0].warnings, "the warning stays", 10)


class Address:
    """One that this machine has, until the test is over."""

    def __init__(self, address: str) -> None:
        self._address = address

    def __enter__(self) -> Address:
        self.give()
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["ip", "address", "delete", f"{self._address}/32", "dev", "lo"], check=False, capture_output=True)

    def give(self) -> None:
        subprocess.run(["ip", "address", "add", f"{self._address}/32", "dev", "lo"], check=True, capture_output=True)

    def take(self) -> None:
        subprocess.run(["ip", "address", "delete", f"{self._address}/32", "dev", "lo"], check=True, capture_output=True)


def test_sources_change_while_a_node_runs(tmp_path: Path) -> None:
    """SIGHUP: what waits on a source that is gone leaves from the new one; one that is not this machine's changes nothing."""
    other = {"address": "127.0.0.13", "helo": "c.example.com", "pool": "news"}
    script = Greylist()
    script.always = True
    slow = {"dispatch": {"retry_first": "2s", "retry_jitter": 0.0}, "sources.a": A}
    with Scripted(script) as server, Fleet(tmp_path, server.port, senders=1, route=NEWS, settings=slow) as fleet:
        node = fleet.senders[0]
        ids = send(fleet, 10)
        assert {each.last_attempt.source for each in settled(fleet, ids, mail.RECIPIENT_STATE_DEFERRED, 1)} == {"a"}
        fleet.configure(server.port, NEWS, {**slow, "sources.a": {**A, "address": "192.0.2.7"}})
        node.signal(signal.SIGHUP)
        wait_until(lambda: "this machine has no such address" in node.log.read_text(), f"it was not refused\n{fleet.tails()}")
        del slow["sources.a"]
        fleet.configure(server.port, NEWS, {**slow, "sources.c": other})
        node.signal(signal.SIGHUP)
        wait_until(lambda: other["address"] in script.names, f"nothing leaves from the new source\n{fleet.tails()}")
        script.always = False
        done = settled(fleet, ids, mail.RECIPIENT_STATE_DELIVERED)
        assert {each.last_attempt.source for each in done} == {"c"}


def test_an_address_that_is_not_this_machines_stops_the_start(tmp_path: Path) -> None:
    """By its key, with the cure; and nothing else was started."""
    wrong = {"address": "192.0.2.7", "helo": "a.example.com"}
    with Scripted() as server:
        fleet = Fleet(tmp_path, server.port, senders=1, settings={"sources.a": wrong})
        fleet.senders[0].start()
        wait_until(lambda: not fleet.senders[0].alive, "it runs", 20)
        said = fleet.senders[0].log.read_text()
        assert 'sources.a.address = "192.0.2.7": this machine has no such address' in said
        assert "Traceback" not in said
