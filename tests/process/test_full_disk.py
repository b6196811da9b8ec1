"""A full disk: new mail is refused with a clear error, what was accepted stays and is delivered, and the gateway takes mail again."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from benchmarks.peers.door import Door, plain_mail
from benchmarks.peers.fleet import Fleet
from benchmarks.peers.process import wait_until
from benchmarks.peers.witness import Witness
from mailgate.api.mail.v1 import mail_pb2 as mail
from mailgate.api.mail.v1 import mail_service_pb2 as service

DISK_MIB, RESERVE_MIB = 24, 8
JOURNAL = {"journal": {"reserve_bytes": RESERVE_MIB * 2**20, "checkpoint_pages": 500}}
"""The log is folded after 2 MiB, so that it stays as far below the reserve as it does with the defaults (80 of 256 MiB)."""
TEXT = "A line of text that takes its place.\n" * 2700
"""About 100 KB a mail."""

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0 and os.environ.get("CI") != "true", reason="mounting a small tmpfs needs root"),
]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", disk], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def fill(door: Door, accepted: dict[str, str], limit: int) -> grpc.RpcError | None:
    """Send until the gateway refuses; the refusal."""
    for number in range(limit):
        to = f"full.{len(accepted)}@example.net"
        try:
            receipt = door.send(service.SendMailRequest(mail=plain_mail(to, f"{number}\n{TEXT}"))).receipt
        except grpc.RpcError as error:
            return error
        accepted[receipt.mail_id] = to
    return None


def reason_of(error: grpc.RpcError) -> tuple[str, float]:
    """ErrorInfo's reason, and RetryInfo's seconds."""
    status = rpc_status.from_call(error)
    assert status is not None, error
    reason, seconds = "", 0.0
    for detail in status.details:
        info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            reason = info.reason
        elif detail.Unpack(retry):
            seconds = retry.retry_delay.ToTimedelta().total_seconds()
    return reason, seconds


def drained(door: Door, fleet: Fleet, accepted: dict[str, str], witness: Witness) -> None:
    """Everything accepted is DELIVERED and was seen once."""
    wait_until(lambda: door.waiting() == 0, f"what was accepted does not drain: {door.queue()}\n{fleet.tails()}", 30)
    assert {states for _, states in door.states(accepted)} == {(mail.RECIPIENT_STATE_DELIVERED,)}
    assert sorted(to for seen in witness.seen() for to in seen.recipients) == sorted(accepted.values())


def test_mail_fills_the_disk(tmp_path: Path, small_disk: Path) -> None:
    """UNAVAILABLE, STORAGE_FULL with RetryInfo below the reserve; the accepted are delivered; what that freed takes new mail."""
    accepted: dict[str, str] = {}
    with Witness(tmp_path) as witness:
        fleet = Fleet(tmp_path, witness.port, settings=JOURNAL, data=small_disk / "data")
        try:
            fleet.gateway.start()
            fleet.wait_accepting()
            with fleet.door() as door:
                refusal = fill(door, accepted, 1000)
                assert refusal is not None, "a disk of 24 MiB took 100 MB"
                assert refusal.code() == grpc.StatusCode.UNAVAILABLE
                reason, seconds = reason_of(refusal)
                assert reason == "STORAGE_FULL"
                assert seconds > 0
                assert accepted
                for node in fleet.senders:
                    node.start()
                fleet.wait_ready()
                drained(door, fleet, accepted, witness)
                wait_until(lambda: fill(door, accepted, 1) is None, f"it never takes mail again\n{fleet.tails()}", 20, pause=0.2)
                drained(door, fleet, accepted, witness)
            assert fleet.gateway.alive
        finally:
            fleet.kill()


def test_others_fill_the_disk_to_the_last_octet(tmp_path: Path, small_disk: Path) -> None:
    """Not even a verdict can be written: no COMMIT is given, or its verdict waits; with room again all is delivered, once."""
    accepted: dict[str, str] = {}
    ballast = small_disk / "ballast"
    with Witness(tmp_path) as witness:
        fleet = Fleet(tmp_path, witness.port, settings=JOURNAL, data=small_disk / "data")
        try:
            fleet.gateway.start()
            fleet.wait_accepting()
            with fleet.door() as door:
                assert fill(door, accepted, 40) is None
                subprocess.run(["dd", "if=/dev/zero", f"of={ballast}", "bs=4096"], check=False, capture_output=True)
                for node in fleet.senders:
                    node.start()
                fleet.wait_ready()
                refusal = fill(door, accepted, 1)
                assert refusal is not None
                assert reason_of(refusal)[0] == "STORAGE_FULL"
                time.sleep(2)
                ballast.unlink()
                drained(door, fleet, accepted, witness)
                wait_until(lambda: fill(door, accepted, 1) is None, f"it never takes mail again\n{fleet.tails()}", 20, pause=0.2)
                drained(door, fleet, accepted, witness)
            assert fleet.gateway.alive
        finally:
            fleet.kill()
