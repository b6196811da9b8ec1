"""SMTP hand-off from one core: ours, aiosmtplib, and Postfix's smtp-source in C, each over 20 warm connections to smtp-sink.

    python benchmarks/smtp_handoff.py [--quick] [--json]

Mails of 2 KB to one recipient each; ours with the READY and COMMIT of a real hand-off, answered at once. All three alternate, with a fresh
connection set each round; the clock runs from the first mail on warm connections to the last 250 (smtp-source dials within its time: it
has no other way). The medians count. The ratios by time suffer when other processes want the two cores that we and the sink keep busy;
those by CPU seconds of the sending process (`…_cpu`) do not.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import aiosmtplib
import uvloop

from benchmarks.peers.sinks import SmtpSink, smtp_source
from benchmarks.report import Report, alternate, arguments, median
from mailgate.job import Fence, JobRecipient
from mailgate.route import Relay, Route, TlsMode
from mailgate.verdict import Outcome, Tried
from sender.pool.handoff import Handoff
from sender.pool.pool import Pool

CONNECTIONS = 20
OCTETS = 2048
MESSAGE = b"From: a@example.com\r\nTo: b@example.net\r\nSubject: hand-off\r\n\r\n"
MESSAGE += (b"x" * 76 + b"\r\n") * ((OCTETS - len(MESSAGE)) // 78)
MESSAGE += b"x" * (OCTETS - len(MESSAGE) - 2) + b"\r\n"
FROM, TO = "a@example.com", "b@example.net"


@dataclass(frozen=True)
class Round:
    """One peer's: mails, seconds, and the CPU seconds of the process that sent."""

    mails: int
    seconds: float
    cpu: float


class QuietSink(SmtpSink):
    """Without its counter on the terminal, which costs it as much as taking a mail does: the receiver must not be what is measured."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.argv.remove("-c")


class Source:
    """A listener that has so many mails to send, commits each at once, and counts what is delivered."""

    def __init__(self, mails: int) -> None:
        self.pool: Pool
        self.left = self.unsent = mails
        self.warm = asyncio.Event()
        self.over = asyncio.Event()
        self.failed: list[Tried] = []
        self._recipients = (JobRecipient(0, TO),)

    def ready(self, handoff: Handoff) -> None:
        """As if the gateway's COMMIT had come; then, as delivery does, the next mail that can be started."""
        self.pool.commit(handoff)
        if self.unsent:
            self.start(handoff.route)

    def done(self, handoff: Handoff, tried: Tried) -> None:
        """Counts."""
        if tried.recipients[0].outcome is not Outcome.DELIVERED:
            self.failed.append(tried)
        self.left -= 1
        if not self.left:
            self.over.set()

    def idle(self, route: str) -> None:
        """The next mail, once all connections are there."""
        if not self.warm.is_set():
            if self.pool.warm(route) == CONNECTIONS:
                self.warm.set()
        elif self.unsent:
            self.start(route)

    def start(self, route: str) -> None:
        """A mail of its own, as delivery makes one, if a connection takes it."""
        if self.pool.start(Handoff(Fence(b"", self.unsent), route, FROM, self._recipients, MESSAGE)):
            self.unsent -= 1


async def ours(port: int, mails: int) -> Round:
    """The pool and its conversation."""
    source = Source(mails)
    route = Route("sink", (Relay("127.0.0.1", port),), tls=TlsMode.NONE, connections=CONNECTIONS, max_mails_per_connection=mails)
    async with Pool(source, {}, "bench.example") as pool:
        source.pool = pool
        pool.configure([route])
        await source.warm.wait()
        start, cpu = time.perf_counter(), time.process_time()
        for _ in range(min(CONNECTIONS, mails)):
            source.start(route.name)
        await source.over.wait()
        found = Round(mails, time.perf_counter() - start, time.process_time() - cpu)
        await pool.drain(5)
    if source.failed:
        raise RuntimeError(f"{len(source.failed)} mails were not delivered, such as {source.failed[0]}")
    return found


async def with_aiosmtplib(port: int, mails: int) -> Round:
    """As many clients as connections, each a task that sends one mail after another over its own connection."""
    clients = [
        aiosmtplib.SMTP(hostname="127.0.0.1", port=port, local_hostname="bench.example", start_tls=False) for _ in range(CONNECTIONS)
    ]
    for client in clients:
        await client.connect()
        await client.ehlo()
    left = mails

    async def send(client: aiosmtplib.SMTP) -> None:
        nonlocal left
        while left:
            left -= 1
            await client.sendmail(FROM, [TO], MESSAGE)

    start, cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as tasks:
        for client in clients:
            tasks.create_task(send(client))
    found = Round(mails, time.perf_counter() - start, time.process_time() - cpu)
    for client in clients:
        await client.quit()
    return found


def with_smtp_source(port: int, mails: int) -> Round:
    """A process of its own."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    if smtp_source(port, mails, OCTETS, CONNECTIONS).wait(timeout=120):
        raise RuntimeError("smtp-source failed")
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Round(mails, seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def on_a_fresh_loop(run: Callable[[int, int], Coroutine[None, None, Round]], port: int, mails: int) -> Round:
    """With uvloop, and with what the last round left collected."""
    gc.collect()
    return uvloop.run(run(port, mails))


def measure(report: Report, *, quick: bool) -> None:
    """All of it into the report."""
    scale = 1 if quick else 4
    with tempfile.TemporaryDirectory(prefix="smtp-handoff-") as folder, QuietSink(Path(folder)) as sink:
        runs = {
            "Mailgate": lambda: on_a_fresh_loop(ours, sink.port, 20_000 * scale),
            "aiosmtplib": lambda: on_a_fresh_loop(with_aiosmtplib, sink.port, 4_000 * scale),
            "smtp-source": lambda: with_smtp_source(sink.port, 20_000 * scale),
        }
        for run in (ours, with_aiosmtplib):
            on_a_fresh_loop(run, sink.port, 500)
        rounds = alternate(runs, 7 if quick else 9)
    rates = {name: median([one.mails / one.seconds for one in found]) for name, found in rounds.items()}
    cpus = {name: median([one.cpu / one.mails * 1000 for one in found]) for name, found in rounds.items()}
    report.table(
        f"mails of {OCTETS} octets over {CONNECTIONS} connections to smtp-sink (medians of {len(rounds['Mailgate'])} rounds)",
        ["peer", "mails/s", "slowest", "fastest", "CPU s / 1,000"],
        [
            [
                name,
                f"{rates[name]:,.0f}",
                f"{min(one.mails / one.seconds for one in found):,.0f}",
                f"{max(one.mails / one.seconds for one in found):,.0f}",
                f"{cpus[name]:.4f}",
            ]
            for name, found in rounds.items()
        ],
    )
    for name, figure in (("Mailgate", "handoff"), ("aiosmtplib", "aiosmtplib"), ("smtp-source", "smtp_source")):
        report.figure(f"{figure}_per_s", rates[name])
        report.figure(f"{figure}_cpu_s_per_1000", cpus[name])
    report.ratio("handoff_vs_aiosmtplib", rates["Mailgate"] / rates["aiosmtplib"])
    report.ratio("handoff_vs_smtp_source", rates["Mailgate"] / rates["smtp-source"])
    report.ratio("handoff_vs_aiosmtplib_cpu", cpus["aiosmtplib"] / cpus["Mailgate"])
    report.ratio("handoff_vs_smtp_source_cpu", cpus["smtp-source"] / cpus["Mailgate"])


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    options = arguments(__doc__, argv)
    report = Report("smtp_handoff", json=options.json)
    measure(report, quick=options.quick)
    report.finish()


if __name__ == "__main__":
    main()
