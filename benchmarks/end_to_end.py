"""Mailgate against Postfix in one run: durable accept to delivered, mails of 2 KB, from the first send to the last 250 of smtp-sink.

    python benchmarks/end_to_end.py [--quick] [--json]

Mailgate runs as a user starts it: a gateway and two nodes as processes, journal on disk, ledger on. Its load comes from one Python process;
Postfix, with its connection cache on, is fed by its own smtp-source in C over connections that stay open. Both hand over to smtp-sink.
Rounds alternate and medians count, also of the ratios of each round. Last rounds go to a receiver that keeps what it takes, to count what
was lost, what came twice, and what came without its own values.
"""

from __future__ import annotations

import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.peers.fleet import KEY, Fleet
from benchmarks.peers.load import Load, Plan
from benchmarks.peers.postfix import Postfix, postfix
from benchmarks.peers.process import Process, wait_until
from benchmarks.peers.sinks import SmtpSink, smtp_source
from benchmarks.peers.witness import Witness
from benchmarks.report import Report, arguments
from benchmarks.verification import verify

OCTETS = 2048
CONNECTIONS = 100
"""Warm connections of each node: the route's one setting that is not its default (the handshake costs nothing from here on)."""
SESSIONS = 20
"""Postfix: sessions of smtp-source, and parallel deliveries; 50 and 100 were slower on two cores."""
WINDOW = 250
"""Unanswered messages of each of four streams: together as many as the SDK's stream has."""

POSTFIX, BATCH, KEYS = "Postfix", "Mailgate, batches of 100", "Mailgate, batches of 100, idempotency keys"
VARIABLES, STREAM = "Mailgate, batches of 100, own variables", "Mailgate, 4 streams of single mails"
UNARY, HOLD = "Mailgate, unary from 64 callers", "Mailgate, batches of 100, HOLD"

FIGURES = {
    POSTFIX: "postfix_per_s",
    BATCH: "batch_per_s",
    KEYS: "batch_keys_per_s",
    VARIABLES: "variables_per_s",
    STREAM: "stream_per_s",
    UNARY: "unary_per_s",
    HOLD: "batch_hold_per_s",
}
RATIOS = {
    "batch_vs_postfix": (BATCH, POSTFIX),
    "variables_vs_postfix": (VARIABLES, POSTFIX),
    "stream_vs_postfix": (STREAM, POSTFIX),
    "unary_vs_postfix": (UNARY, POSTFIX),
    "hold_vs_resend": (HOLD, BATCH),
    "idempotency_vs_without": (KEYS, BATCH),
}


@dataclass
class Round:
    """One peer, once."""

    mails: int
    seconds: float
    accept_seconds: float
    cpu: dict[str, float] = field(default_factory=dict)
    p50_ms: float = 0.0
    p99_ms: float = 0.0

    @property
    def rate(self) -> float:
        """Mails a second from the first send to the last delivery."""
        return self.mails / self.seconds

    @property
    def accept_rate(self) -> float:
        """Mails a second from the first send to the last answer of the accepting side."""
        return self.mails / self.accept_seconds


class Meter:
    """CPU seconds of named things between two looks."""

    def __init__(self, things: dict[str, Callable[[], float]]) -> None:
        self._things = things
        self._before = {name: cpu() for name, cpu in things.items()}

    def read(self) -> dict[str, float]:
        """Since the beginning."""
        return {name: cpu() - self._before[name] for name, cpu in self._things.items()}


def children_cpu() -> float:
    """CPU seconds of children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def wait_count(sink: SmtpSink, count: int, timeout: float, what: str) -> float:
    """Wait until the sink has taken that many; when that was."""
    wait_until(lambda: sink.count() >= count, f"{what}: the sink has {sink.count()} of {count} mails", timeout, pause=0.002)
    return time.monotonic()


def postfix_round(server: Postfix, sink: SmtpSink, mails: int) -> Round:
    """smtp-source → Postfix → smtp-sink."""
    meter = Meter({"postfix, all daemons": server.cpu, "smtp-sink": sink.cpu, "client (smtp-source)": children_cpu})
    base, start = sink.count(), time.monotonic()
    source = smtp_source(server.port, mails, OCTETS, SESSIONS)
    if source.wait(timeout=300):
        raise RuntimeError(f"smtp-source failed\n{server.log()[-2000:]}")
    accepted = time.monotonic()
    end = wait_count(sink, base + mails, 300, "Postfix")
    return Round(mails, end - start, accepted - start, meter.read())


def mailgate_round(fleet: Fleet, sink: SmtpSink, folder: Path, plan: Plan) -> Round:
    """The load → gateway → nodes → smtp-sink; the CPU counts until the gateway has recorded everything."""
    meter = Meter({process.name: process.cpu for process in fleet.processes} | {"smtp-sink": sink.cpu})
    base = sink.count()
    with Load(folder, plan) as load, fleet.door() as door:
        result = load.result(300)
        if result.mails != plan.mails:
            raise RuntimeError(f"{plan.mails - result.mails} of {plan.mails} mails were not accepted: {result.errors}\n{fleet.tails()}")
        end = wait_count(sink, base + plan.mails, 300, "Mailgate")
        wait_until(lambda: door.waiting() == 0, "the gateway has not settled everything", 60)
    cpu = meter.read() | {"client (Python)": result.cpu}
    return Round(plan.mails, end - result.first_send, result.last_answer - result.first_send, cpu, result.p50_ms, result.p99_ms)


class Course:
    """The rounds of all peers, alternating, until there are enough or the time is over."""

    def __init__(self, fleet: Fleet, sink: SmtpSink, server: Postfix, server_sink: SmtpSink, folder: Path, *, quick: bool) -> None:
        scale = 1 if quick else 8

        def plan(name: str, mails: int, **values: object) -> Plan:
            return Plan(fleet.address, KEY, mails * scale, octets=OCTETS, name=name, **values)  # type: ignore[arg-type]

        batch = {"batch": 100, "callers": 4}
        streams = {"window": WINDOW, "callers": 4}
        self._runs: dict[str, Callable[[], Round]] = {
            POSTFIX: lambda: postfix_round(server, server_sink, 1_500 * scale),
            KEYS: lambda: mailgate_round(fleet, sink, folder, plan("keys", 5_000, keys=True, **batch)),
            BATCH: lambda: mailgate_round(fleet, sink, folder, plan("batch", 5_000, **batch)),
            HOLD: lambda: mailgate_round(fleet, sink, folder, plan("hold", 5_000, hold=True, **batch)),
            VARIABLES: lambda: mailgate_round(fleet, sink, folder, plan("variables", 4_000, variables=True, **batch)),
            STREAM: lambda: mailgate_round(fleet, sink, folder, plan("stream", 3_000, **streams)),
            UNARY: lambda: mailgate_round(fleet, sink, folder, plan("unary", 2_000, callers=64)),
        }
        self.rounds: dict[str, list[Round]] = {name: [] for name in self._runs}

    def warm_up(self, fleet: Fleet, sink: SmtpSink, server: Postfix, server_sink: SmtpSink, folder: Path) -> None:
        """Connections, caches and daemons, before anything counts."""
        postfix_round(server, server_sink, 200)
        mailgate_round(fleet, sink, folder, Plan(fleet.address, KEY, 2_000, batch=100, callers=4, octets=OCTETS, name="warm"))

    def run(self, count: int, until: float) -> None:
        """At least one round of each; every other time in reverse, since who comes after Postfix finds the disk busy and the rest cold."""
        runs = list(self._runs.items())
        for number in range(count):
            for name, one in runs if number % 2 == 0 else reversed(runs):
                if number == 0 or time.monotonic() < until:
                    self.rounds[name].append(one())
                    time.sleep(0.2)

    def ratio(self, name: str, other: str) -> float:
        """Of their rates, round by round: what the machine does meanwhile troubles both."""
        return statistics.median(one.rate / two.rate for one, two in zip(self.rounds[name], self.rounds[other], strict=False))

    def median(self, name: str, value: Callable[[Round], float]) -> float:
        """Over the rounds of one peer."""
        return statistics.median(value(one) for one in self.rounds[name])


def write_tables(report: Report, course: Course, peaks: dict[str, float]) -> None:
    """For people."""
    report.table(
        "from first send to last delivered (medians)",
        ["peer", "rounds", "mails/s", "accepted/s", "call p50 ms", "p99 ms"],
        [
            [
                name,
                str(len(rounds)),
                f"{course.median(name, lambda one: one.rate):,.0f}",
                f"{course.median(name, lambda one: one.accept_rate):,.0f}",
                f"{course.median(name, lambda one: one.p50_ms):.1f}" if rounds[0].p50_ms else "",
                f"{course.median(name, lambda one: one.p99_ms):.1f}" if rounds[0].p99_ms else "",
            ]
            for name, rounds in course.rounds.items()
        ],
    )
    rows = []
    for name, rounds in course.rounds.items():
        for process in rounds[0].cpu:
            seconds = statistics.median(one.cpu[process] / one.mails * 1000 for one in rounds)
            rows.append([name, process, f"{seconds:.3f}", f"{peaks[process]:.0f}" if process in peaks else ""])
    report.table("CPU seconds per 1,000 mails, and peak memory", ["peer", "process", "CPU s / 1,000", "peak MiB"], rows)


def measure(report: Report, *, quick: bool) -> None:
    """All of it into the report."""
    began = time.monotonic()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="end-to-end-")))
        sink, server_sink = (stack.enter_context(SmtpSink(folder)) for _ in range(2))
        witness = stack.enter_context(Witness(folder, keep=True))
        server = stack.enter_context(postfix(relay=server_sink.port, concurrency=SESSIONS))
        to_witness = {"relays": [f"smtp://127.0.0.1:{witness.port}"], "domains": ["witness.example.net"], "connections": 20}
        fleet = Fleet(folder, sink.port, route={"connections": CONNECTIONS}, settings={"routes.witness": to_witness})
        stack.enter_context(fleet)
        course = Course(fleet, sink, server, server_sink, folder, quick=quick)
        course.warm_up(fleet, sink, server, server_sink, folder)
        course.run(3 if quick else 5, began + (30 if quick else 600))
        verdict = verify(fleet, witness, folder, 2_000 if quick else 20_000)
        processes: list[Process] = [*fleet.processes, sink]
        peaks = {process.name: process.peak_mb() for process in processes} | {"postfix, all daemons": server.peak_mb()}
    write_tables(report, course, peaks)
    for name, figure in FIGURES.items():
        report.figure(figure, course.median(name, lambda one: one.rate))
    report.figure("unary_p99_ms", course.median(UNARY, lambda one: one.p99_ms))
    report.figure("stream_p99_ms", course.median(STREAM, lambda one: one.p99_ms))
    report.figure("lost", verdict.lost)
    report.figure("doubled", verdict.doubled)
    report.figure("misrendered", verdict.misrendered)
    for ratio, names in RATIOS.items():
        report.ratio(ratio, course.ratio(*names))


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    options = arguments(__doc__, argv)
    report = Report("end_to_end", json=options.json)
    measure(report, quick=options.quick)
    report.finish()


if __name__ == "__main__":
    main()
