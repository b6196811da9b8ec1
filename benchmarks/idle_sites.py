"""What a node costs that knows many sites and has nothing to do: 10,000 sites found by MX, 200 of them with connections.

    python benchmarks/idle_sites.py [--quick] [--json]

A gateway, one node, a name server that has a host of its own for each domain, and a receiver that is all those hosts. A mail goes to every
domain at a stroke; then 200 of them get mail until all the others' connections are closed. From the last mail on nothing is sent for ten
seconds, and the node is looked at from outside, by /proc: `known_…` while the node still has a way open to each site, `settled_…` when it
has given up those that nobody uses, and `active` ones are warm both times. Two minutes and a half; with --quick, 2,000 sites, two.

- `new_sites_s`: seconds from the first mail's sending until all those sites, which nobody knew, have theirs.
- `…_mb`: resident memory; 250 is what is wanted.
- `…_wakeups_per_s`: voluntary context switches of the thread of the event loop; 50 is what is wanted.
- `…_all_wakeups_per_s`: those of all threads; most of them are gRPC's own, for the beats with which gateway and node know of each other.
- `…_cpu_share`: of one core.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.peers.door import Door
from benchmarks.peers.fleet import Fleet
from benchmarks.peers.names import Names
from benchmarks.peers.process import Process, wait_until
from benchmarks.peers.receiver import Receiver
from benchmarks.report import Report, arguments
from mailgate.api.mail.v1 import mail_pb2 as mail
from mailgate.api.mail.v1 import mail_service_pb2 as service

SITES, QUICK_SITES, ACTIVE = 10_000, 2_000, 200
BATCH = 100
"""Mails of a call."""
IDLE_TIMEOUT = 15.0
SHUT_AFTER = 65.0
"""Seconds without use after which a node has no way open to a site; a little more than it says."""
WATCH = 10.0
"""Seconds; less than IDLE_TIMEOUT, so that active ones stay so."""


@dataclass(frozen=True)
class Look:
    """A process as it was for WATCH seconds."""

    mb: float
    wakeups: float
    all_wakeups: float
    cpu: float


def send(door: Door, sites: Iterable[int]) -> None:
    """A mail to each."""
    shared = mail.Mail(from_address=mail.Address(email="sender@example.com"), parts=mail.Parts(subject="Hi", text="Hello"))
    numbers = list(sites)
    for start in range(0, len(numbers), BATCH):
        request = service.BatchSendMailRequest(shared=shared)
        for number in numbers[start : start + BATCH]:
            request.entries.add().to.add(email=f"a@d{number}.test")
        door.send_batch(request)


def drained(door: Door, seconds: float = 120.0) -> None:
    """Wait until nothing waits."""
    wait_until(lambda: door.waiting() == 0, f"not all mails left: {door.queue()}", seconds, pause=0.2)


def keep_active(door: Door, seconds: float) -> None:
    """Send to those that are to be active, now and then, and at the end."""
    end = time.monotonic() + seconds
    while True:
        send(door, range(ACTIVE))
        drained(door)
        if time.monotonic() > end:
            return
        time.sleep(IDLE_TIMEOUT / 4)


def look(node: Process) -> Look:
    """From now on."""
    own, every, cpu = switches(node)[0], sum(switches(node)), node.cpu()
    time.sleep(WATCH)
    after = switches(node)
    return Look(node.resident_mb(), (after[0] - own) / WATCH, (sum(after) - every) / WATCH, (node.cpu() - cpu) / WATCH)


def switches(node: Process) -> list[int]:
    """Voluntary context switches of its threads, that of the event loop first."""
    found = []
    for task in sorted(Path(f"/proc/{node.pid}/task").iterdir(), key=lambda task: int(task.name)):
        lines = (task / "status").read_text().splitlines()
        found.append(next(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches")))
    return found


def measure(report: Report, folder: Path, sites: int) -> None:
    """All of it."""
    with Names(folder) as names, Receiver(folder, record=True) as receiver:
        route = {"relays": [], "mx": True, "mx_port": receiver.port, "tls": "none", "idle_timeout": f"{IDLE_TIMEOUT:g}s"}
        settings = {"sender": {"nameservers": [names.address], "private_mx": True}}
        with Fleet(folder, receiver.port, senders=1, route=route, settings=settings) as fleet, fleet.door() as door:
            (node,) = fleet.senders
            fresh = look(node)
            began = time.monotonic()
            send(door, range(sites))
            drained(door)
            new_sites = time.monotonic() - began
            keep_active(door, IDLE_TIMEOUT + 3)
            known, warm = look(node), connections(receiver)
            keep_active(door, SHUT_AFTER - IDLE_TIMEOUT)
            settled = look(node)
            taken = sum(one.what == "mail" for one in receiver.happened())
    looks = {"fresh": fresh, "known": known, "settled": settled}
    report.table(
        f"a node with {sites:,} sites, {warm} connections",
        ["", "MB", "wake-ups/s", "of all threads", "CPU"],
        [[name, f"{at.mb:.0f}", f"{at.wakeups:.0f}", f"{at.all_wakeups:.0f}", f"{at.cpu:.1%}"] for name, at in looks.items()],
    )
    for name, at in looks.items():
        report.figure(f"{name}_mb", at.mb)
        report.figure(f"{name}_wakeups_per_s", at.wakeups)
        report.figure(f"{name}_all_wakeups_per_s", at.all_wakeups)
        report.figure(f"{name}_cpu_share", at.cpu)
    report.figure("sites", sites)
    report.figure("active_connections", warm)
    report.figure("new_sites_s", new_sites)
    report.figure("mails_taken", taken)


def connections(receiver: Receiver) -> int:
    """Open now."""
    return sum({"open": 1, "close": -1}.get(one.what, 0) for one in receiver.happened())


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    options = arguments(__doc__, argv)
    report = Report("idle_sites", json=options.json)
    with tempfile.TemporaryDirectory(prefix="idle-sites-") as folder:
        measure(report, Path(folder), QUICK_SITES if options.quick else SITES)
    report.finish()


if __name__ == "__main__":
    main()
