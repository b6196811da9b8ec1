"""How soon a node's connections follow the demand: from 10 mails a second to 2,000 at a stroke, before a receiver that takes 20 ms a reply.

    python benchmarks/demand.py [--quick] [--json]

A gateway, one node, a caller, and a receiver that says each reply 20 ms after the one before: a mail of MAIL, RCPT, DATA and a body holds a
connection for 80 ms, and so 2,000 a second ask for 160 connections where MIN_IDLE were enough. The receiver keeps the record, of each mail
and of each connection.

- `reached_s`: from the first of the many to the end of the first 200 ms in which 90 % of the rate was taken; 1 s is what is wanted.
- `second_second_per_s`: mails taken in the second after the first; 1,800 is what is wanted.
- `back_s`: from the last mail taken until no more than MIN_IDLE connections are open; IDLE_TIMEOUT + 10 s is what is wanted.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.peers.fleet import KEY, Fleet
from benchmarks.peers.load import Load, Plan
from benchmarks.peers.receiver import Happened, Receiver
from benchmarks.report import Report, arguments, median

LOW, HIGH = 10.0, 2000.0
"""Mails a second."""
CALM, LONG = 4.0, 6.0
"""Seconds of each."""
REPLY = 0.02
MIN_IDLE, CONNECTIONS, IDLE_TIMEOUT = 4, 400, 5.0
WINDOW = 0.2
ENOUGH = 0.9


@dataclass(frozen=True)
class Found:
    """Of one run. Infinite: it never came to that."""

    reached: float
    second: float
    back: float
    most: int
    """Connections at once."""
    taken: int


def run_once(folder: Path) -> Found:
    """The whole of it, from an empty data folder."""
    receiver = Receiver(folder, delay=REPLY, record=True)
    route = {"connections": CONNECTIONS, "min_idle": MIN_IDLE, "idle_timeout": f"{IDLE_TIMEOUT:g}s", "tls": "none"}
    with receiver, Fleet(folder, receiver.port, senders=1, route=route) as fleet:
        calm = Load(folder, Plan(fleet.address, KEY, int(LOW * CALM), rate=LOW, callers=4, name="calm"))
        with calm:
            calm.result()
        much = Load(folder, Plan(fleet.address, KEY, int(HIGH * LONG), batch=10, callers=16, rate=HIGH, name="much"))
        with much:
            began = much.result().first_send
        end = time.monotonic() + IDLE_TIMEOUT + 25
        while time.monotonic() < end and _open(receiver.happened())[-1][1] > MIN_IDLE:
            time.sleep(0.5)
        return judge(receiver.happened(), began)


def judge(happened: Sequence[Happened], began: float) -> Found:
    """What the record says of a load that began then."""
    taken = [one.at for one in happened if one.what == "mail" and one.at >= began]
    reached = float("inf")
    first = 0
    for last, at in enumerate(taken):
        while taken[first] < at - WINDOW:
            first += 1
        if last - first + 1 >= HIGH * ENOUGH * WINDOW:
            reached = at - began
            break
    connections = _open(happened)
    back = next((at for at, count in connections if at > taken[-1] and count <= MIN_IDLE), float("inf"))
    return Found(
        reached=reached,
        second=float(sum(began + 1 <= at < began + 2 for at in taken)),
        back=back - taken[-1],
        most=max(count for _, count in connections),
        taken=len(taken),
    )


def _open(happened: Sequence[Happened]) -> list[tuple[float, int]]:
    """Connections open from each moment on."""
    steps, count = [(0.0, 0)], 0
    for one in happened:
        count += {"open": 1, "close": -1}.get(one.what, 0)
        steps.append((one.at, count))
    return steps


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    options = arguments(__doc__, argv)
    report = Report("demand", json=options.json)
    runs = []
    for _ in range(1 if options.quick else 5):
        with tempfile.TemporaryDirectory(prefix="demand-") as folder:
            runs.append(run_once(Path(folder)))
    report.table(
        f"from {LOW:g} to {HIGH:g} mails/s, {REPLY * 1000:g} ms a reply",
        ["run", "reached after s", "in the second second", "back after s", "most connections", "taken"],
        [
            [str(number), f"{run.reached:.2f}", f"{run.second:,.0f}", f"{run.back:.1f}", str(run.most), f"{run.taken:,}"]
            for number, run in enumerate(runs, 1)
        ],
    )
    report.figure("reached_s", median([run.reached for run in runs]))
    report.figure("second_second_per_s", median([run.second for run in runs]))
    report.figure("back_s", median([run.back for run in runs]))
    report.figure("most_connections", median([run.most for run in runs]))
    report.ratio("reached_of_1_s", median([run.reached for run in runs]))
    report.ratio("back_of_limit", median([run.back for run in runs]) / (IDLE_TIMEOUT + 10))
    report.finish()


if __name__ == "__main__":
    main()
