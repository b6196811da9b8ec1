"""A backlog: how long new mail waits for its receipt while it drains, what it weighs, and how soon a killed gateway takes mail again.

    python benchmarks/backlog.py [--quick] [--json]

The backlog grows while no node is there. Then two nodes come and drain 50,000 mails while 32 callers send new ones. A second gateway, with
200,000 queued, is weighed, killed, started again, and drained. `--quick` has a fifth of each.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import grpc

from benchmarks.peers.door import Door, plain_mail
from benchmarks.peers.fleet import KEY, Fleet
from benchmarks.peers.load import Load, Plan
from benchmarks.peers.process import wait_until
from benchmarks.peers.sinks import SmtpSink
from benchmarks.report import Report, arguments
from mailgate.api.mail.v1 import mail_service_pb2 as service

OCTETS = 2048
DRAINED, QUEUED = 50_000, 200_000
NEW_RATE = 200.0
"""New mails a second while the backlog drains, each a call of its own. What comes of it is a figure too: callers that wait send fewer."""


def fill(fleet: Fleet, folder: Path, mails: int) -> float:
    """Queue mails on a gateway that has no node; how many a second it took."""
    plan = Plan(fleet.address, KEY, mails, batch=100, callers=4, octets=OCTETS, name="fill")
    with Load(folder, plan) as load:
        result = load.result(300)
    if result.mails != mails:
        raise RuntimeError(f"{mails - result.mails} of {mails} were not accepted: {result.errors}\n{fleet.tails()}")
    return mails / (result.last_answer - result.first_send)


def drain(report: Report, folder: Path, mails: int) -> None:
    """Accept latency while a backlog drains."""
    with SmtpSink(folder) as sink, ExitStack() as stack:
        fleet = Fleet(folder, sink.port, route={"connections": 100})
        stack.callback(fleet.kill)
        fleet.gateway.start()
        fleet.wait_accepting()
        report.figure("fill_per_s", fill(fleet, folder, mails))
        plan = Plan(fleet.address, KEY, 10_000_000, callers=32, octets=OCTETS, rate=NEW_RATE, name="new")
        load = stack.enter_context(Load(folder, plan))
        for node in fleet.senders:
            node.start()
        fleet.wait_ready()
        start, at_start = time.monotonic(), sink.count()
        wait_until(lambda: sink.count() >= mails, f"the backlog does not drain: {sink.count()}", 300)
        seconds, drained = time.monotonic() - start, sink.count() - at_start
        load.stop()
        result = load.result(60)
        if result.failed_calls:
            raise RuntimeError(f"{result.failed_calls} calls failed: {result.errors}\n{fleet.tails()}")
    report.figure("backlog_mails", mails)
    report.figure("backlog_drain_per_s", drained / seconds)
    report.figure("backlog_new_per_s", result.mails / (result.last_answer - result.first_send))
    report.figure("backlog_accept_p50_ms", result.p50_ms)
    report.figure("backlog_accept_p99_ms", result.p99_ms)
    report.figure("backlog_accept_max_ms", result.max_ms)


def weigh(report: Report, folder: Path, mails: int) -> None:
    """Memory of a gateway with much queued, at rest; and a restart after kill -9 until it takes a mail."""
    with SmtpSink(folder) as sink, ExitStack() as stack:
        fleet = Fleet(folder, sink.port, route={"connections": 100})
        stack.callback(fleet.kill)
        fleet.gateway.start()
        fleet.wait_accepting()
        fill(fleet, folder, mails)
        report.figure("queued_200k_gateway_mb", fleet.gateway.resident_mb())
        report.figure("queued_200k_gateway_peak_mb", fleet.gateway.peak_mb())
        fleet.gateway.kill()
        start = time.monotonic()
        fleet.gateway.start()
        with fleet.door() as door:
            first_accept(door)
            report.figure("restart_to_accept_s", time.monotonic() - start)
            start = time.monotonic()
            for node in fleet.senders:
                node.start()
            wait_until(lambda: door.waiting() == 0, f"the restarted gateway does not bring its queue: {door.queue()}", 300)
            report.figure("restart_to_drained_s", time.monotonic() - start)
        report.figure("restarted_gateway_peak_mb", fleet.gateway.peak_mb())
    report.figure("queued_mails", mails)


def first_accept(door: Door) -> None:
    """Send a mail, again and again until it is accepted."""
    request = service.SendMailRequest(mail=plain_mail("first@sink.example.net", "after the restart"))
    end = time.monotonic() + 60
    while True:
        try:
            door.send(request, timeout=5)
            return
        except grpc.RpcError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    options = arguments(__doc__, argv)
    report = Report("backlog", json=options.json)
    scale = 5 if options.quick else 1
    with tempfile.TemporaryDirectory(prefix="backlog-") as folder:
        for name, part, mails in (("drain", drain, DRAINED), ("weigh", weigh, QUEUED)):
            place = Path(folder) / name
            place.mkdir()
            part(report, place, mails // scale)
    report.finish()


if __name__ == "__main__":
    main()
