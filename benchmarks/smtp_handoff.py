"""SMTP hand-off from one core: ours, aiosmtplib, and Postfix's smtp-source in C, each over 20 warm connections to smtp-sink.

    python benchmarks/smtp_handoff.py [--quick] [--json]

Mails of 2 KB to one recipient each; ours with the READY and COMMIT of a real hand-off, answered at once, and with compose's word that no
line begins with a dot, as all composed mail has it. All three alternate, with a fresh connection set each round; the clock runs from the
first mail on warm connections to the last 250 (smtp-source dials within its time: it has no other way). The medians count: of each peer's
rounds, and for the ratios of what each round gives, since peers of one round had the same neighbours.

The sender is to be measured, not the receiver. Whoever sends has one core for itself, and no other; each smtp-sink has one of the others:
a single one on two cores, two of them on more, and then each peer's connections are spread over both (smtp-source: one process for each,
on the sender's core). The column `sink` is the share of its core that the busier of them used: near 100 % it is the receiver that was the
limit, and the peer is faster than it looks. So what a core hands off is counted by its own CPU seconds, the kernel's for it included: the
ratios are of mails a core second. By the clock (`…_by_time`) they are the same where the sender is the limit.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import aiosmtplib
import uvloop

from benchmarks.peers.sinks import SmtpSink, smtp_source
from benchmarks.report import Report, alternate, arguments, median
from mailgate.job import Fence, JobRecipient
from mailgate.route import Relay, Route, TlsMode
from mailgate.verdict import Outcome, Tried
from sender.pool import path
from sender.pool.handoff import Handoff
from sender.pool.pool import Pool

CONNECTIONS = 20
SINKS = 2
"""At most: one takes about as much as one core of ours gives."""
OCTETS = 2048
MESSAGE = b"From: a@example.com\r\nTo: b@example.net\r\nSubject: hand-off\r\n\r\n"
MESSAGE += (b"x" * 76 + b"\r\n") * ((OCTETS - len(MESSAGE)) // 78)
MESSAGE += b"x" * (OCTETS - len(MESSAGE) - 2) + b"\r\n"
FROM, TO = "a@example.com", "b@example.net"


@dataclass(frozen=True)
class Round:
    """One peer's: mails, seconds, the CPU seconds of the process that sent, and those of the busiest sink."""

    mails: int
    seconds: float
    cpu: float
    sink: float = 0.0

    @property
    def rate(self) -> float:
        """Mails a second."""
        return self.mails / self.seconds

    @property
    def cost(self) -> float:
        """CPU seconds for a thousand mails."""
        return self.cpu / self.mails * 1000


class QuietSink(SmtpSink):
    """Without its counter on the terminal, which costs it as much as taking a mail does: the receiver must not be what is measured."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.argv.remove("-c")


class Source:
    """A listener that has so many mails to send, commits each at once, and counts what is delivered."""

    def __init__(self, mails: int, routes: Sequence[str]) -> None:
        self.pool: Pool
        self.routes = routes
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
            if sum(map(self.pool.warm, self.routes)) == CONNECTIONS:
                self.warm.set()
        elif self.unsent:
            self.start(route)

    def start(self, route: str) -> None:
        """A mail of its own, as delivery makes one, if a connection takes it."""
        if self.pool.start(Handoff(Fence(b"", self.unsent), route, FROM, self._recipients, MESSAGE, clean=True, path=route)):
            self.unsent -= 1


async def ours(ports: Sequence[int], mails: int) -> Round:
    """The pool and its conversation; a route for each sink."""
    each = CONNECTIONS // len(ports)
    routes = [
        Route(
            f"sink {port}", (Relay("127.0.0.1", port),), tls=TlsMode.NONE, connections=each, min_idle=each, max_mails_per_connection=mails
        )
        for port in ports
    ]
    source = Source(mails, [route.name for route in routes])
    async with Pool(source, {}, "bench.example") as pool:
        source.pool = pool
        for route in routes:
            pool.open(path.Path(route.name, route))
        await source.warm.wait()
        start, cpu = time.perf_counter(), time.process_time()
        for number in range(min(CONNECTIONS, mails)):
            source.start(routes[number % len(routes)].name)
        await source.over.wait()
        found = Round(mails, time.perf_counter() - start, time.process_time() - cpu)
        await pool.drain(5)
    if source.failed:
        raise RuntimeError(f"{len(source.failed)} mails were not delivered, such as {source.failed[0]}")
    return found


async def with_aiosmtplib(ports: Sequence[int], mails: int) -> Round:
    """As many clients as connections, each a task that sends one mail after another over its own connection."""
    clients = [
        aiosmtplib.SMTP(hostname="127.0.0.1", port=ports[number % len(ports)], local_hostname="bench.example", start_tls=False)
        for number in range(CONNECTIONS)
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


def with_smtp_source(ports: Sequence[int], mails: int) -> Round:
    """A process of its own for each sink."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    senders = [smtp_source(port, mails // len(ports), OCTETS, CONNECTIONS // len(ports)) for port in ports]
    if any([sender.wait(timeout=120) for sender in senders]):
        raise RuntimeError("smtp-source failed")
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Round(mails, seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def on_a_fresh_loop(run: Callable[[Sequence[int], int], Coroutine[None, None, Round]], ports: Sequence[int], mails: int) -> Round:
    """With uvloop, and with what the last round left collected."""
    gc.collect()
    return uvloop.run(run(ports, mails))


def watched(sinks: Sequence[SmtpSink], run: Callable[[], Round]) -> Round:
    """A round, and what it cost the sinks."""
    before = [sink.cpu() for sink in sinks]
    found = run()
    return replace(found, sink=max(sink.cpu() - was for sink, was in zip(sinks, before, strict=True)))


def placed(stack: ExitStack, folder: Path) -> list[QuietSink]:
    """Sinks that run, each on a core that neither this process nor what it starts may use from now on; where there is one core, on that."""
    mine, *others = sorted(os.sched_getaffinity(0))
    sinks = [QuietSink(folder) for _ in range(min(SINKS, max(1, len(others))))]
    for sink in sinks:
        stack.enter_context(sink)
    if others:
        stack.callback(os.sched_setaffinity, 0, {mine, *others})
        os.sched_setaffinity(0, {mine})
        for sink, core in zip(sinks, others, strict=False):
            os.sched_setaffinity(sink.pid, {core})
    return sinks


def measure(report: Report, *, quick: bool) -> None:
    """All of it into the report."""
    scale = 1 if quick else 4
    with ExitStack() as stack:
        sinks = placed(stack, Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="smtp-handoff-"))))
        ports = [sink.port for sink in sinks]
        runs = {
            "Mailgate": lambda: watched(sinks, lambda: on_a_fresh_loop(ours, ports, 10_000 * scale)),
            "aiosmtplib": lambda: watched(sinks, lambda: on_a_fresh_loop(with_aiosmtplib, ports, 2_000 * scale)),
            "smtp-source": lambda: watched(sinks, lambda: with_smtp_source(ports, 10_000 * scale)),
        }
        for run in (ours, with_aiosmtplib):
            on_a_fresh_loop(run, ports, 500)
        rounds = alternate(runs, 15)
    many = "a smtp-sink" if len(ports) == 1 else f"{len(ports)} smtp-sinks"
    report.table(
        f"mails of {OCTETS} octets over {CONNECTIONS} connections to {many} (medians of {len(rounds['Mailgate'])} rounds)",
        ["peer", "mails/s", "slowest", "fastest", "CPU s / 1,000", "sink"],
        [
            [
                name,
                f"{median([one.rate for one in found]):,.0f}",
                f"{min(one.rate for one in found):,.0f}",
                f"{max(one.rate for one in found):,.0f}",
                f"{median([one.cost for one in found]):.4f}",
                f"{median([one.sink / one.seconds for one in found]):.0%}",
            ]
            for name, found in rounds.items()
        ],
    )
    for name, figure in (("Mailgate", "handoff"), ("aiosmtplib", "aiosmtplib"), ("smtp-source", "smtp_source")):
        report.figure(f"{figure}_per_s", median([one.rate for one in rounds[name]]))
        report.figure(f"{figure}_cpu_s_per_1000", median([one.cost for one in rounds[name]]))
        report.figure(f"{figure}_sink_share", median([one.sink / one.seconds for one in rounds[name]]))
    for name, figure in (("aiosmtplib", "handoff_vs_aiosmtplib"), ("smtp-source", "handoff_vs_smtp_source")):
        pairs = list(zip(rounds["Mailgate"], rounds[name], strict=True))
        report.ratio(figure, median([theirs.cost / mine.cost for mine, theirs in pairs]))
        report.ratio(f"{figure}_by_time", median([mine.rate / theirs.rate for mine, theirs in pairs]))


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    options = arguments(__doc__, argv)
    report = Report("smtp_handoff", json=options.json)
    measure(report, quick=options.quick)
    report.finish()


if __name__ == "__main__":
    main()
