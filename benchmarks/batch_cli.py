"""`mailgate batch` with a CSV of 100,000 rows: the memory and time of the command, until all are accepted, and until all are delivered.

    python benchmarks/batch_cli.py [--quick] [--json]

The gateway and two nodes are processes, as `mailgate up` starts them; they hand over to smtp-sink. Each mail has 2 KB and names its
recipient in subject, text and HTML. The same command is given once more: it finds that all was sent, and sends nothing. `--quick` has
10,000 rows.
"""

from __future__ import annotations

import csv
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.peers.fleet import KEY, Fleet
from benchmarks.peers.letters import name_of, template_of
from benchmarks.peers.process import Process, wait_until
from benchmarks.peers.sinks import SmtpSink
from benchmarks.report import Report, arguments

ROWS, QUICK_ROWS = 100_000, 10_000
OCTETS = 2048


class Run(NamedTuple):
    """The command, once."""

    began: float
    seconds: float
    cpu: float
    peak_mb: float


def write_inputs(folder: Path, rows: int) -> None:
    """The CSV, with a column that no mail uses, and what the mails say."""
    parts = template_of(OCTETS)
    (folder / "text.txt").write_text(parts.text)
    (folder / "text.html").write_text(parts.html)
    (folder / "subject.txt").write_text(parts.subject)
    with (folder / "people.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["email", "name", "number", "joined"])
        writer.writerows([f"row.{number}@sink.example.net", name_of(number), number, "2026-11-24"] for number in range(rows))


def run(fleet: Fleet, folder: Path, number: int) -> Run:
    """To its end.

    Raises:
        RuntimeError: it did not accept all rows.
    """
    subject = (folder / "subject.txt").read_text()
    texts = ["--text-file", "text.txt", "--html-file", "text.html"]
    argv = ["-m", "mailgate.cli", "batch", "people.csv", "--from", "news@example.com", "--subject", subject, *texts]
    env = {"MAILGATE_ADDRESS": fleet.address, "MAILGATE_KEY": KEY, "PYTHONPATH": str(Path(__file__).parents[1])}
    began, cpu, peak = time.monotonic(), 0.0, 0.0
    with Process("mailgate batch", [sys.executable, *argv], folder / f"batch-{number}.log", cwd=folder, env=env) as command:
        while command.alive:
            cpu, peak = max(cpu, command.cpu()), max(peak, command.peak_mb())
            time.sleep(0.005)
        if command.wait(10) != 0:
            raise RuntimeError(f"{command!r}:\n{command.tail()}\n{fleet.tails()}")
        return Run(began, time.monotonic() - began, cpu, peak)


def measure(report: Report, rows: int) -> None:
    """All of it into the report."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="batch-cli-")))
        sink = stack.enter_context(SmtpSink(folder))
        fleet = stack.enter_context(Fleet(folder, sink.port, route={"connections": 100}))
        write_inputs(folder, rows)
        first = run(fleet, folder, 1)
        wait_until(lambda: sink.count() >= rows, f"the sink has {sink.count()} of {rows} mails", 300, pause=0.005)
        delivered = time.monotonic() - first.began
        with fleet.door() as door:
            wait_until(lambda: door.waiting() == 0, "the gateway has not settled everything", 60)
        again = run(fleet, folder, 2)
        if sink.count() != rows:
            raise RuntimeError(f"the sink has {sink.count()} mails of {rows} rows")
        with (folder / "people.results.csv").open(newline="") as file:
            results = sum(1 for _ in csv.reader(file)) - 1
        peak = fleet.gateway.peak_mb()
    report.figure("rows", rows)
    report.figure("cli_peak_mb", first.peak_mb)
    report.figure("cli_mails_per_s", rows / first.seconds)
    report.figure("cli_cpu_us_per_mail", first.cpu / rows * 1e6)
    report.figure("delivered_per_s", rows / delivered)
    report.figure("again_s", again.seconds)
    report.figure("again_peak_mb", again.peak_mb)
    report.figure("gateway_peak_mb", peak)
    report.figure("results", results)


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    options = arguments(__doc__, argv)
    report = Report("batch_cli", json=options.json)
    measure(report, QUICK_ROWS if options.quick else ROWS)
    report.finish()


if __name__ == "__main__":
    main()
