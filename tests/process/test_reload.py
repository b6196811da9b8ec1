"""SIGHUP on a gateway under load: what changed counts, for nodes too, and nothing is lost or sent twice; a bad file changes nothing."""

from __future__ import annotations

import hashlib
import signal
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from benchmarks.peers.door import OPTIONS, Door, plain_mail
from benchmarks.peers.fleet import KEY, TENANT, Fleet
from benchmarks.peers.process import wait_until
from benchmarks.peers.witness import Witness
from mailgate.api.mail.v1 import mail_pb2 as mail
from mailgate.api.mail.v1 import mail_service_pb2 as service
from mailgate.api.mail.v1 import mail_service_pb2_grpc as service_grpc
from tests.process.scripted import Conversation, Scripted, behave

DELIVERED = mail.RECIPIENT_STATE_DELIVERED
OTHER_KEY = "a key that is revoked"


class Stage:
    """A fleet, two receivers, and the settings that a test writes."""

    def __init__(self, fleet: Fleet, a: Witness, b: Witness, door: Door) -> None:
        self.fleet, self.a, self.b, self.door = fleet, a, b, door
        self.sent: dict[str, str] = {}
        """Recipients by mail id."""

    def write(self, to: Witness, route: Mapping[str, object] | None = None, **settings: Mapping[str, object]) -> None:
        """Other settings, which nobody has read yet."""
        tables = {name.replace("__", "."): values for name, values in settings.items()}
        self.fleet.configure(to.port, {"tls": "none", "connections": 5, "min_idle": 5, **(route or {})}, tables)

    def hang_up(self) -> None:
        """SIGHUP."""
        self.fleet.gateway.signal(signal.SIGHUP)

    def reload(self) -> str:
        """SIGHUP, and wait until all nodes have what the gateway has; its version."""
        before = self.door.settings().load_time.ToNanoseconds()
        self.hang_up()
        wait_until(lambda: self.door.settings().load_time.ToNanoseconds() > before, f"no reload\n{self.fleet.gateway.tail()}")
        return self.everywhere()

    def everywhere(self) -> str:
        """Wait until all nodes have the gateway's version; which that is."""

        def all_have_it() -> bool:
            version = self.door.settings().version
            return bool(version) and {node.settings_version for node in self.door.nodes()} == {version}

        wait_until(all_have_it, "nodes have other settings than the gateway")
        return self.door.settings().version

    def refused(self) -> str:
        """SIGHUP, and wait until that was refused; why."""
        before = self.fleet.gateway.log.read_text().count("settings_refused")
        self.hang_up()
        wait_until(lambda: self.fleet.gateway.log.read_text().count("settings_refused") > before, "it was not refused")
        wait_until(lambda: self.door.settings().refusal, "no refusal is shown")
        return self.door.settings().refusal

    def send(self, count: int, name: str, domain: str = "example.net") -> list[str]:
        """So many mails in a batch under HOLD; their ids."""
        shared = plain_mail("", "text", hold=True)
        shared.ClearField("to")
        to = [f"{name}-{number}@{domain}" for number in range(count)]
        entries = [service.BatchEntry(to=[mail.Address(email=each)]) for each in to]
        results = self.door.send_batch(service.BatchSendMailRequest(shared=shared, entries=entries)).results
        ids = [result.receipt.mail_id for result in results]
        self.sent |= dict(zip(ids, to, strict=True))
        return ids

    def check(self) -> None:
        """Wait until all that was sent is over: each was delivered, and came once, to one of the two."""
        wait_until(lambda: not self.door.waiting(), f"mail waits: {self.door.queue()}\n{self.fleet.tails()}", 40)
        states = dict(self.door.states(self.sent))
        assert set(states.values()) <= {(DELIVERED,)}, {name: state for name, state in states.items() if state != (DELIVERED,)}
        came = [recipient for witness in (self.a, self.b) for seen in witness.seen() for recipient in seen.recipients]
        assert sorted(came) == sorted(self.sent.values())

    def came_to(self, witness: Witness, name: str) -> int:
        """How many mails of that name it took."""
        return sum(recipient.startswith(f"{name}-") for seen in witness.seen() for recipient in seen.recipients)

    def warm(self) -> list[int]:
        """Connections, node by node."""
        return [node.warm for node in self.door.nodes()]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("reload")
    for name in "ab":
        (folder / name).mkdir()
    with Witness(folder / "a", delay=0.02) as a, Witness(folder / "b", delay=0.02) as b:  # type: ignore[attr-defined]
        route = {"tls": "none", "connections": 5, "min_idle": 5}
        with Fleet(folder / "fleet", a.port, route=route) as fleet, fleet.door() as door:
            yield Stage(fleet, a, b, door)


@pytest.fixture
def stage(world: Stage) -> Stage:
    """All goes to A by five connections, and nothing is under way."""
    world.write(world.a)
    world.reload()
    assert not world.door.settings().refusal
    return world


def while_streaming(stage: Stage, name: str, during: Callable[[], None]) -> None:
    """Mails one after another on one stream, as long as it takes."""
    done, started = threading.Event(), threading.Event()
    sent: list[str] = []

    def requests() -> Iterator[service.StreamMailRequest]:
        while not done.is_set() and len(sent) < 20_000:
            to = f"{name}-{len(sent)}@example.net"
            sent.append(to)
            yield service.StreamMailRequest(sequence=len(sent), send=service.SendMailRequest(mail=plain_mail(to, "text", hold=True)))
            started.set()
            done.wait(0.002)

    def act() -> None:
        started.wait(10)
        try:
            during()
        finally:
            done.set()

    acting = threading.Thread(target=act)
    acting.start()
    with grpc.insecure_channel(stage.fleet.address, options=OPTIONS) as channel:
        stream = service_grpc.MailServiceStub(channel).StreamMail(requests(), metadata=(("authorization", f"Bearer {KEY}"),), timeout=60)
        receipts = {each.sequence: each.receipt.mail_id for frame in stream for each in frame.receipts}
    acting.join()
    assert len(receipts) == len(sent)
    stage.sent |= {receipts[number]: to for number, to in enumerate(sent, 1)}


def test_another_relay_under_load(stage: Stage) -> None:
    """500 mails are under way to A when all is to go to B: each comes once, and what is sent when all nodes know goes to B."""
    few = {"connections": 2, "min_idle": 2}
    stage.write(stage.a, few)
    stage.reload()
    stage.send(500, "under-way")
    wait_until(lambda: stage.came_to(stage.a, "under-way") > 20, "nothing came to A")
    stage.write(stage.b, few)
    before = stage.door.settings().version
    assert stage.reload() != before
    stage.send(200, "after")
    stage.check()
    assert (stage.came_to(stage.a, "after"), stage.came_to(stage.b, "after")) == (0, 200)
    assert stage.came_to(stage.b, "under-way") > 0


def test_more_connections_and_fewer_again(stage: Stage) -> None:
    """Both while mail is under way."""
    wait_until(lambda: stage.warm() == [5, 5], "not five connections")
    stage.send(300, "more")
    stage.write(stage.a, {"connections": 20, "min_idle": 20})
    stage.reload()
    wait_until(lambda: stage.warm() == [20, 20], "not twenty connections")
    stage.send(300, "fewer")
    stage.write(stage.a)
    stage.reload()
    stage.check()
    wait_until(lambda: stage.warm() == [5, 5], f"not five connections again: {stage.warm()}")


def test_a_bad_file_changes_nothing_and_says_why(stage: Stage) -> None:
    """Every mistake, in the log and to who asks, until a good file was read."""
    version = stage.door.settings().version
    stage.write(stage.b, {"connections": 0, "tls": "maybe"}, limits={"max_recipients": "many"})
    refusal = stage.refused()
    for key in ("routes.default.connections", "routes.default.tls", "limits.max_recipients"):
        assert key in refusal
        assert key in stage.fleet.gateway.tail(5)
    assert "did you mean" in refusal or "write one of" in refusal
    assert stage.everywhere() == version
    stage.send(20, "bad")
    stage.check()
    assert stage.came_to(stage.a, "bad") == 20
    stage.write(stage.b)
    stage.reload()
    assert not stage.door.settings().refusal


def test_a_file_that_is_gone_or_half_written(stage: Stage) -> None:
    """Neither is taken for settings without routes."""
    version, whole = stage.door.settings().version, stage.fleet.settings.read_text()
    stage.fleet.settings.unlink()
    assert "can't be read" in stage.refused()
    stage.fleet.settings.write_text(whole[: whole.index("relays") + 9])
    assert "it is not TOML" in stage.refused()
    assert stage.everywhere() == version
    stage.fleet.settings.write_text(whole)
    assert stage.reload() == version


def test_a_route_that_is_removed_and_comes_back(stage: Stage) -> None:
    """Its mails wait and say why; those of other routes go; and when it is back all go, once."""
    partner = {"relays": [f"smtp://127.0.0.1:{stage.b.port}"], "domains": ["partner.example"], "tls": "none", "connections": 1}
    stage.write(stage.a, routes__partner=partner)
    stage.reload()
    ids = stage.send(200, "partner", "partner.example")
    wait_until(lambda: stage.came_to(stage.b, "partner") > 5, "nothing came to B")
    stage.write(stage.a)
    stage.reload()

    def reasons() -> set[str]:
        found = [stage.door.get(mail_id).recipients[0] for mail_id in ids]
        return {each.wait_reason for each in found if each.state != DELIVERED}

    wait_until(lambda: reasons() == {"route gone: partner is not in the settings any more"}, f"other reasons: {reasons()}", 15)
    taken = stage.came_to(stage.b, "partner")
    assert taken < 200
    sent = stage.door.send(service.SendMailRequest(mail=plain_mail("others-1@example.net", "x", hold=True), wait=Duration(seconds=15)))
    assert sent.receipt.recipients[0].state == DELIVERED
    stage.sent[sent.receipt.mail_id] = "others-1@example.net"
    assert stage.came_to(stage.b, "partner") == taken
    stage.write(stage.a, routes__partner={**partner, "connections": 5})
    stage.reload()
    stage.check()
    assert stage.came_to(stage.b, "partner") == 200


def test_ten_in_a_row_while_mail_streams(stage: Stage) -> None:
    """One or a few readings, none of them of half a file; the last one counts."""

    def during() -> None:
        for number in range(10):
            stage.write([stage.a, stage.b][number % 2], {"connections": 3 + number})
            stage.hang_up()

    before = stage.fleet.gateway.log.read_text().count("settings_reloaded")
    while_streaming(stage, "streamed", during)
    stage.reload()
    assert stage.fleet.gateway.log.read_text().count("settings_reloaded") - before in range(2, 12)
    stage.send(50, "last")
    stage.check()
    assert stage.came_to(stage.b, "last") == 50


def test_what_cannot_change_is_named_and_the_rest_counts(stage: Stage) -> None:
    """In the log and to who asks, until the file has the old value again."""
    stage.write(stage.b, gateway={"listen": "127.0.0.1:1", "data": str(stage.fleet.data)}, journal={"group_rows": 7})
    stage.reload()
    assert list(stage.door.settings().restart_keys) == ["gateway.listen", "journal.group_rows"]
    assert "settings_need_a_restart" in stage.fleet.gateway.tail(5)
    stage.send(20, "restart")
    stage.check()
    assert stage.came_to(stage.b, "restart") == 20
    stage.write(stage.b)
    stage.reload()
    assert not stage.door.settings().restart_keys


def test_the_text_of_the_shaping_file_counts_too(stage: Stage) -> None:
    """It is read again with the settings, though these are as before; one that is wrong changes nothing."""
    shaping = stage.fleet.folder / "shaping.toml"
    shaping.write_text("[default]\nconnections = 10\n")
    stage.write(stage.a, shaping={"file": str(shaping)})
    before = stage.reload()
    shaping.write_text("[default]\nconnections = 11\n")
    after = stage.reload()
    assert after != before
    shaping.write_text("[default]\nconnections = 0\nno_such = 1\n")
    assert "no_such" in stage.refused()
    assert stage.everywhere() == after


def test_routes_that_count_limits_each_by_itself_are_told(stage: Stage) -> None:
    """They are in force all the same: with one node it is no matter."""
    by_mx = {"mx": True, "domains": ["one.example"]}
    stage.write(stage.a, routes__one=by_mx, routes__other={**by_mx, "domains": ["other.example"], "policy": "round_robin"})
    stage.reload()
    told = [line for line in stage.fleet.gateway.log.read_text().splitlines() if "settings_doubtful" in line]
    assert len(told) == 1
    assert "routes.other.policy" in told[0]


def test_a_key_that_is_revoked_allows_nothing_any_more(stage: Stage) -> None:
    """At once, on a stream that is open too; and another limit counts."""
    digest = "sha256:" + hashlib.sha256(OTHER_KEY.encode()).hexdigest()
    text = stage.fleet.settings.read_text()
    stage.fleet.settings.write_text(f'{text}\n[[tenants.{TENANT}.keys]]\nhash = "{digest}"\n')
    stage.reload()
    go_on = threading.Event()

    def requests() -> Iterator[service.StreamMailRequest]:
        for number in range(1, 3):
            request = service.SendMailRequest(mail=plain_mail(f"revoked-{number}@example.net", "text", hold=True))
            yield service.StreamMailRequest(sequence=number, send=request)
            go_on.wait(20)

    metadata = (("authorization", f"Bearer {OTHER_KEY}"),)
    with grpc.insecure_channel(stage.fleet.address, options=OPTIONS) as channel, Door(stage.fleet.address, OTHER_KEY) as revoked:
        stream = service_grpc.MailServiceStub(channel).StreamMail(requests(), metadata=metadata, timeout=60)
        first = next(stream).receipts[0]
        stage.sent[first.receipt.mail_id] = "revoked-1@example.net"
        stage.write(stage.a, limits={"max_recipients": 1})
        stage.reload()
        go_on.set()
        with pytest.raises(grpc.RpcError) as ended:
            next(stream)
        assert ended.value.code() is grpc.StatusCode.UNAUTHENTICATED
        with pytest.raises(grpc.RpcError) as refused:
            revoked.get(first.receipt.mail_id)
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    two = plain_mail("one@example.net", "text")
    two.to.add(email="two@example.net")
    with pytest.raises(grpc.RpcError, match="at most 1 are allowed"):
        stage.door.send(service.SendMailRequest(mail=two))
    stage.check()


def test_the_settings_are_still_there_after_a_reconnect(stage: Stage) -> None:
    """A node that comes back has what the gateway has now, not what it had at its start."""
    stage.write(stage.b)
    version = stage.reload()
    node = stage.fleet.senders[0]
    node.kill()
    node.start()
    stage.fleet.wait_ready()
    assert stage.everywhere() == version
    stage.send(20, "again")
    stage.check()
    assert stage.came_to(stage.b, "again") == 20


def test_nodes_log_in_with_another_password_at_once(tmp_path: Path) -> None:
    """One that was refused lets the relay rest for half a minute at the least; a node that is told of another one tries it then."""
    good = b64encode(b"\0user\0right").decode()

    def script(conversation: Conversation, step: str) -> bytes | None:
        if step == "EHLO":
            return b"250-scripted\r\n250 AUTH PLAIN\r\n"
        if step == "AUTH":
            return b"235 2.7.0 welcome\r\n" if good in conversation.line else b"535 5.7.8 wrong\r\n"
        return behave(conversation, step)

    route = {"tls": "none", "username": "user", "secret": "relay", "connections": 1}
    settings = {"secrets": {"relay": "wrong"}, "dispatch": {"retry_first": "1s", "retry_jitter": 0.0}}
    with Scripted(script) as server, Fleet(tmp_path, server.port, route=route, settings=settings) as fleet, fleet.door() as door:
        sent = door.send(service.SendMailRequest(mail=plain_mail("to@example.net", "text"), wait=Duration(seconds=15))).receipt
        assert sent.recipients[0].last_attempt.code == 535
        fleet.configure(server.port, route, {**settings, "secrets": {"relay": "right"}, "sender": {"drain_timeout": "7s"}})
        for node in fleet.senders:
            node.signal(signal.SIGHUP)
        wait_until(lambda: door.get(sent.mail_id).recipients[0].state == DELIVERED, fleet.tails(), 15)
        assert all(node.alive for node in fleet.senders)
        log = fleet.senders[0].log.read_text()
        assert "secrets.relay" in log
        assert "sender.drain_timeout" in log
        assert "right" not in log
