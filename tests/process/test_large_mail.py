"""Mail as large as it may be, and larger: nobody else waits for it, and what was not taken whole was not taken."""

from __future__ import annotations

import os
import re
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from benchmarks.peers.door import Door, plain_mail
from benchmarks.peers.fleet import KEY, Fleet
from benchmarks.peers.load import Load, Plan
from benchmarks.peers.process import free_port, wait_until
from benchmarks.peers.witness import Witness
from mailgate.api.mail.v1 import mail_pb2 as mail
from mailgate.api.mail.v1 import mail_service_pb2 as service

MIB = 2**20


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witness]:
    """A receiver that keeps the record."""
    with Witness(tmp_path_factory.mktemp("witness")) as running:
        yield running


@pytest.fixture(scope="module")
def metrics() -> int:
    """The port of the gateway's page."""
    return free_port()


@pytest.fixture(scope="module")
def fleet(witness: Witness, metrics: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A gateway and two nodes before it."""
    settings = {"telemetry": {"listen": f"127.0.0.1:{metrics}"}}
    none = {"MAILGATE_TELEMETRY__LISTEN": ""}
    folder = tmp_path_factory.mktemp("fleet")
    with Fleet(folder, witness.port, route={"connections": 2}, settings=settings, sender_env=none) as running:
        yield running


def with_attachment(to: str, octets: int) -> service.SendMailRequest:
    """A mail with a file of random octets."""
    one = plain_mail(to, "see the file")
    one.attachments.add(data=os.urandom(octets), filename="large.bin")
    return service.SendMailRequest(mail=one, wait=Duration(seconds=60))


def beats(port: int) -> dict[str, float]:
    """Frames on the streams between gateway and nodes, so far, by direction. Each end sends one each 250 ms, while its loop turns."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as page:
        found = re.findall(r'^mailgate_link_frames_total\{direction="(\w+)"\} (\S+)$', page.read().decode(), re.MULTILINE)
    return {direction: float(count) for direction, count in found}


def test_50_mib_leave_the_beat_of_the_links(fleet: Fleet, witness: Witness, metrics: int) -> None:
    """While a mail of nearly 50 MiB goes its way, gateway and nodes beat as in as much time without it; the best of three rounds counts.

    Two thirds are asked for, since the mail wants both cores. A loop that it holds up sends nothing meanwhile, and makes nothing good.
    """
    rounds = []
    for number in range(3):
        with fleet.door() as door:
            wait_until(lambda door=door: door.ready_nodes() == 2, "no connection, or no nodes", 30)
            before, began = beats(metrics), time.monotonic()
            recipient = door.send(with_attachment(f"large.{number}@example.net", 49 * MIB), timeout=90).receipt.recipients[0]
        assert recipient.state == mail.RECIPIENT_STATE_DELIVERED, recipient
        after, took = beats(metrics), time.monotonic() - began
        time.sleep(took)
        idle = beats(metrics)
        rounds.append({way: (after[way] - before[way], idle[way] - after[way]) for way in ("in", "out")})
        if steady := all(busy >= quiet * 2 / 3 for busy, quiet in rounds[-1].values()):
            break
    assert steady, rounds
    assert max(seen.octets for seen in witness.seen()) > 49 * MIB * 4 / 3


def test_60_mb_are_refused_by_name(fleet: Fleet) -> None:
    """INVALID_ARGUMENT that says what is too large and what the limit is."""
    with fleet.door() as door, pytest.raises(grpc.RpcError) as raised:
        door.send(with_attachment("toolarge@example.net", 60_000_000), timeout=60)
    assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "52,428,800" in raised.value.details()


def test_a_call_cut_in_the_middle_stores_nothing(fleet: Fleet, witness: Witness) -> None:
    """The client leaves while its mail is on the wire: no mail of it ever comes, and the gateway goes on."""
    request = with_attachment("cut@example.net", 40 * MIB)
    with fleet.door() as door:
        with pytest.raises(grpc.RpcError):
            door.send(request, timeout=0.02)
        assert deliver(door) == mail.RECIPIENT_STATE_DELIVERED
        wait_until(lambda: door.waiting() == 0, "something waits", 10)
    time.sleep(0.5)
    assert not [seen for seen in witness.seen() if "cut@example.net" in seen.recipients]


def deliver(door: Door) -> mail.RecipientState:
    """A small mail's state after its first attempt."""
    request = service.SendMailRequest(mail=plain_mail("small@example.net", "text"), wait=Duration(seconds=15))
    return door.send(request, timeout=25).receipt.recipients[0].state


def test_a_killed_client_stores_all_or_nothing(fleet: Fleet, witness: Witness, tmp_path: Path) -> None:
    """Kill -9 of a client in the middle of its calls: each of its mails came once or not at all."""
    with Load(tmp_path, Plan(fleet.address, KEY, 1_000_000, batch=50, callers=8, octets=500, name="killed")) as load:
        wait_until(lambda: witness.count() > 200, "the load brings nothing", 20)
        load.kill()
    with fleet.door() as door:
        wait_until(lambda: door.waiting() == 0, "it does not drain", 60)
    assert not witness.doubled()
