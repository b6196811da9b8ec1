"""`mailgate sites` before a real fleet: how a site does over its nodes, and its dialogue live, of which nothing secret is ever shown."""

from __future__ import annotations

import base64
import contextlib
import json
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from benchmarks.peers.door import Door, plain_mail
from benchmarks.peers.fleet import KEY, Fleet
from benchmarks.peers.process import wait_until
from mailgate.api.admin.v1 import admin_service_pb2 as admin
from mailgate.api.admin.v1 import admin_service_pb2_grpc as admin_grpc
from mailgate.api.mail.v1 import mail_pb2, mail_service_pb2
from tests.process.scripted import Conversation, Scripted, Step, answer_at, behave

MARKER = "kaleidoscope"
SECRET = "correct-horse-battery"
HIDDEN = [SECRET, base64.b64encode(f"\0ann\0{SECRET}".encode()).decode(), base64.b64encode(SECRET.encode()).decode()]
ROUTE = {"connections": 2, "min_idle": 2, "tls": "none", "username": "ann", "secret": "relay"}
MAILGATE = str(Path(sys.executable).with_name("mailgate"))
PER_MAIL = 8
"""Lines: three commands, three replies, a body and its reply."""


def with_login(conversation: Conversation, step: Step) -> bytes:
    """A server that asks for a password, and does not wait for company with what it says."""
    if step == "greeting":
        conversation.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if step == "EHLO":
        return b"250-scripted\r\n250-PIPELINING\r\n250 AUTH PLAIN\r\n"
    return b"235 2.7.0 welcome\r\n" if step == "AUTH" else behave(conversation, step)


@dataclass
class Stage:
    """What the tests share."""

    server: Scripted
    fleet: Fleet


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Two nodes with two connections each."""
    folder = tmp_path_factory.mktemp("stage")
    with Scripted(with_login) as server, Fleet(folder, server.port, route=ROUTE, sender_env={"MAILGATE_SECRET_RELAY": SECRET}) as fleet:
        yield Stage(server, fleet)


@pytest.fixture
def server(stage: Stage) -> Scripted:
    """It behaves, and has taken nothing yet."""
    stage.server.script = with_login
    stage.server.taken.clear()
    return stage.server


@pytest.fixture
def fleet(stage: Stage, server: Scripted) -> Fleet:
    """All of it alive, and warm."""
    wait_until(lambda: sum(node.warm for node in nodes_of(stage.fleet)) == 4, "the nodes have no connections", 30)
    return stage.fleet


def nodes_of(fleet: Fleet) -> list[admin.Node]:
    with fleet.door() as door:
        return door.nodes()


def command(fleet: Fleet, *words: str) -> list[str]:
    return [MAILGATE, *words, "--address", fleet.address, "--key", KEY]


def run(fleet: Fleet, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(fleet, *words), capture_output=True, text=True, timeout=40, check=False)


def listed(fleet: Fleet) -> dict:
    (site,) = json.loads(run(fleet, "sites", "--nodes", "--json").stdout)["sites"]
    return site


def send(door: Door, count: int = 1) -> None:
    """Mails with the marker, delivered."""
    for number in range(count):
        mail = plain_mail(f"b{number}@example.org", f"Look, a {MARKER}")
        answer = door.send(mail_service_pb2.SendMailRequest(mail=mail, wait=Duration(seconds=15)), timeout=25)
        assert answer.receipt.recipients[0].state == mail_pb2.RECIPIENT_STATE_DELIVERED


def send_many(door: Door, count: int) -> None:
    shared = plain_mail("", f"Look, a {MARKER}")
    del shared.to[:]
    entries = [mail_service_pb2.BatchEntry(to=[mail_pb2.Address(email=f"u{number}@example.org")]) for number in range(count)]
    door.send_batch(mail_service_pb2.BatchSendMailRequest(shared=shared, entries=entries))


class Trace:
    """A running `mailgate sites trace --json`, and what it says."""

    def __init__(self, fleet: Fleet, *options: str) -> None:
        words = command(fleet, "sites", "trace", "default", "--json", *options)
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines: list[dict] = []
        self._came: queue.Queue[None] = queue.Queue()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def __enter__(self) -> Trace:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._thread.join(10)
        self.process.stdout.close()
        self.process.stderr.close()

    def interrupt(self) -> tuple[int, str]:
        """Ctrl-C: how it ends, and what it says then."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(20)
        return code, self.process.stderr.read()

    def dialogues(self, *, notes: bool = False) -> dict[tuple[str, int], list[str]]:
        """By node and connection."""
        found: dict[tuple[str, int], list[str]] = {}
        for line in self.lines:
            if notes or line["direction"] != "NOTE":
                sign = {"SENT": "> ", "RECEIVED": "< ", "NOTE": "- "}[line["direction"]]
                found.setdefault((line["node_id"], line["connection"]), []).append(sign + line["text"])
        return found


def watching(trace: Trace, door: Door) -> None:
    """Mails go until lines come: a trace says nothing of itself."""
    end = time.monotonic() + 20
    while not trace.lines:
        assert time.monotonic() < end, "nothing is traced"
        send(door)
        time.sleep(0.3)
    time.sleep(0.5)


def test_sites_are_listed(fleet: Fleet, server: Scripted) -> None:
    """What nodes did is added up; what waits is the gateway's own; and both are a table for people."""
    before = listed(fleet)
    with fleet.door() as door:
        send(door, 6)
        server.script = answer_at("RCPT", b"450 4.2.0 later\r\n")
        door.send(mail_service_pb2.SendMailRequest(mail=plain_mail("c@example.org", "text"), wait=Duration(seconds=10)))

    wait_until(lambda: listed(fleet)["mails"] == before["mails"] + 7, "the nodes do not tell", 20)
    site = listed(fleet)
    assert (site["site_key"], site["state"], site["later"]) == ("default", "OK", 1)
    assert (site["delivered"], site["deferred"]) == (before["delivered"] + 6, before["deferred"] + 1)
    assert (site["connections"]["warm"], site["connections"]["limit"]) == (4, 4)
    assert site["mails_per_second"] > 0
    assert set(site["nodes"]) == {"node-a", "node-b"}
    assert sum(node["delivered"] for node in site["nodes"].values()) == site["delivered"]
    table = run(fleet, "sites").stdout.splitlines()
    assert table[0].split()[:3] == ["SITE", "STATE", "BUSY/OPEN/MAX"]
    assert table[1].split()[:3] == ["default", "OK", "0/4/4"]


def test_a_site_that_nobody_reaches_says_why(fleet: Fleet, server: Scripted) -> None:
    """Its connections are gone, and dials fail: the state, and in whose words."""
    server.script = answer_at("greeting", b"554 5.7.1 go away\r\n")
    server.drop_all()

    def row() -> str:
        return " ".join(run(fleet, "sites").stdout.splitlines()[1].split())

    wait_until(lambda: "UNREACHABLE" in row() and row().endswith("go away (554 5.7.1)"), "the site is not told of", 30)


def test_a_trace_shows_the_dialogue_and_nothing_secret(fleet: Fleet, server: Scripted) -> None:
    """Both ways and in order on each connection of both nodes; dials by what they came to; no octet of a body, and no password."""
    with fleet.door() as door, Trace(fleet) as trace:
        watching(trace, door)
        trace.lines.clear()
        send(door, 8)
        wait_until(lambda: sum(map(len, trace.dialogues().values())) >= 8 * PER_MAIL, "lines are missing")
        for lines in trace.dialogues().values():
            for place in range(0, len(lines), PER_MAIL):
                mail, rcpt, data, *replies, body, taken = lines[place : place + PER_MAIL]
                assert mail.startswith("> MAIL FROM:<")
                assert rcpt.startswith("> RCPT TO:<b")
                assert data == "> DATA"
                assert replies == ["< 250 2.0.0 ok", "< 250 2.0.0 ok", "< 354 go on"]
                assert body.startswith("> <… ")
                assert body.endswith(" octets>")
                assert taken == "< 250 2.0.0 taken"
        send_many(door, 200)
        wait_until(lambda: {node for node, _ in trace.dialogues()} == {"node-a", "node-b"}, "a node is not traced")
        wait_until(lambda: len(server.taken) >= 208, "mail does not go on")
        server.drop_all()
        wait_until(lambda: sum(line["text"].startswith("connected to") for line in trace.lines) >= 4, "no dial is told of", 20)
        assert any("logged in" in line["text"] for line in trace.lines)
        send(door, 2)
        code, words = trace.interrupt()
        assert code in (0, 130)
        assert "Traceback" not in words
    assert len(server.taken) >= 210
    assert all(MARKER.encode() in mail for mail in server.taken)
    told = json.dumps(trace.lines)
    assert not [secret for secret in (MARKER, *HIDDEN) if secret in told]


def test_a_tracer_that_does_not_read_costs_nobody_anything(fleet: Fleet, server: Scripted) -> None:
    """Mail goes on beside it; each line of another one, who reads, is there or is counted as lost."""
    mails = 3000
    with contextlib.ExitStack() as stack:
        door = stack.enter_context(fleet.door())
        channel = stack.enter_context(grpc.insecure_channel(fleet.address))
        metadata = (("authorization", f"Bearer {KEY}"),)
        calls = [
            admin_grpc.AdminServiceStub(channel).TraceSite(admin.TraceSiteRequest(site_key="default"), metadata=metadata) for _ in range(4)
        ]
        for call in calls:
            next(call)
            stack.callback(call.cancel)
        time.sleep(0.5)
        send_many(door, mails)
        wait_until(lambda: len(server.taken) == mails, "mail does not go on", 60)
        reader, heard = calls[0], 0
        while heard < mails * PER_MAIL:
            for line in next(reader).lines:
                heard += line.lost + (line.direction in (admin.DIRECTION_SENT, admin.DIRECTION_RECEIVED))
                assert MARKER not in line.text
        assert heard == mails * PER_MAIL
        send(door)


def test_a_node_dies_while_it_is_traced(fleet: Fleet) -> None:
    """It is said; the others are traced on, and the node again when it is back. Who asks for one node sees that one alone."""
    first = fleet.senders[0]
    with fleet.door() as door, Trace(fleet) as everything, Trace(fleet, "--node", "node-b") as one:
        watching(everything, door)
        first.kill()
        wait_until(lambda: any("no stream" in line["text"] for line in everything.lines), "the death is not told of", 20)
        assert {line["node_id"] for line in everything.lines if "no stream" in line["text"]} == {"node-a"}
        everything.lines.clear()
        send(door, 3)
        wait_until(everything.dialogues, "the other node is not traced any more")
        first.start()
        fleet.wait_ready()
        wait_until(lambda: any(line["node_id"] == "node-a" for line in everything.lines), "it is not traced anew", 30)
        assert {line["node_id"] for line in one.lines} == {"node-b"}


def test_a_trace_for_so_long(fleet: Fleet) -> None:
    """It ends by itself, and well."""
    done = run(fleet, "sites", "trace", "default", "--for", "700ms")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["defualt"], 1, "there is no site 'defualt': the sites are default"),
        (["default", "--node", "node-x"], 1, "there is no node 'node-x': the nodes are node-"),
        (["default", "--for", "soon"], 2, "--for soon: write a duration"),
    ],
)
def test_what_is_not_there(fleet: Fleet, words: list[str], code: int, told: str) -> None:
    """One line that names what there is."""
    done = run(fleet, "sites", "trace", *words)
    assert done.returncode == code
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1
