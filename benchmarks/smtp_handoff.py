"""SMTP hand-off from one core: ours, aiosmtplib, and Postfix's smtp-source in C, each over 20 warm connections to the same receivers.

    python benchmarks/smtp_handoff.py [--quick] [--json]

Mails of 2 KB to one recipient each; ours with compose's word that no line begins with a dot, as all composed mail has it. Peers of one
scene alternate, with a fresh connection set each round; the clock runs from the first mail on warm connections to the last 250
(smtp-source dials within its time: it has no other way). The medians count: of each peer's rounds, and for the ratios of what each round
gives, since peers of one round had the same neighbours.

- `handoff_…`: in clear to smtp-sink, the body let go as soon as the server is ready for it, as a sender does that knows no handshake.
- `committed_…`: the same, but each READY is told, and COMMIT comes in the loop's next turn: the hand-off of a node, whose gateway costs
  nothing and answers at once.
- `starttls_…`: as `committed`, over TLS to a receiver of ours (smtp-sink has none), handshakes before the clock starts.
- `chunking_vs_data`: as `committed`, by BDAT against by DATA, to the same receiver.
- `rtt20_…`: as `committed`, to smtp-sink through a proxy that takes 10 ms each way; by the clock, since waiting is what is measured.

The sender is to be measured, not the receiver. Whoever sends has one core for itself, and no other; each smtp-sink has one of the others:
a single one on two cores, two of them on more, and then each peer's connections are spread over both (smtp-source: one process for each,
on the sender's core). The column `sink` is the share of its core that the busier of them used: near 100 % it is the receiver that was the
limit, and the peer is faster than it looks. So what a core hands off is counted by its own CPU seconds, the kernel's for it included: the
ratios are of mails a core second. By the clock (`…_by_time`) they are the same where the sender is the limit.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.peers.distance import Distance
from benchmarks.peers.handoffs import CONNECTIONS, OCTETS, Round, Way, on_a_fresh_loop, with_aiosmtplib, with_pool
from benchmarks.peers.postfix import make_certificate
from benchmarks.peers.process import Process
from benchmarks.peers.receiver import Receiver
from benchmarks.peers.sinks import SmtpSink, smtp_source
from benchmarks.report import Report, alternate, arguments, median

SINKS = 2
"""At most: one takes about as much as one core of ours gives."""
ROUND_TRIP = 0.02
Rounds = Mapping[str, Sequence[Round]]


class QuietSink(SmtpSink):
    """Without its counter on the terminal, which costs it as much as taking a mail does: the receiver must not be what is measured."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.argv.remove("-c")


def with_smtp_source(ports: Sequence[int], mails: int) -> Round:
    """A process of its own for each sink."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    senders = [smtp_source(port, mails // len(ports), OCTETS, CONNECTIONS // len(ports)) for port in ports]
    if any([sender.wait(timeout=120) for sender in senders]):
        raise RuntimeError("smtp-source failed")
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Round(mails, seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


class Scene:
    """Where peers meet. Whoever is placed has a core that neither this process nor what it starts may use, if there is another."""

    def __init__(self, report: Report, *, quick: bool) -> None:
        self.report = report
        self.scale = 1 if quick else 4
        self.stack = ExitStack()
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="smtp-handoff-")))
        self.mine, *self.others = sorted(os.sched_getaffinity(0))
        if self.others:
            self.stack.callback(os.sched_setaffinity, 0, {self.mine, *self.others})
            os.sched_setaffinity(0, {self.mine})

    def placed(self, process: Process, number: int = 0) -> None:
        """Start it, on the core of that number."""
        self.stack.enter_context(process)
        if self.others:
            os.sched_setaffinity(process.pid, {self.others[number % len(self.others)]})

    def sinks(self) -> list[QuietSink]:
        """As many as have a core, which run."""
        sinks = [QuietSink(self.folder) for _ in range(min(SINKS, max(1, len(self.others))))]
        for number, sink in enumerate(sinks):
            self.placed(sink, number)
        return sinks

    def rounds(self, receivers: Sequence[Process], runs: Mapping[str, Callable[[], Round]], count: int) -> Rounds:
        """Of all peers, in turn, each with what it cost the receivers."""

        def watched(run: Callable[[], Round]) -> Round:
            before = [receiver.cpu() for receiver in receivers]
            found = run()
            return replace(found, sink=max(receiver.cpu() - was for receiver, was in zip(receivers, before, strict=True)))

        return alternate({name: lambda run=run: watched(run) for name, run in runs.items()}, count)

    def ours(self, way: Way, mails: int) -> Callable[[], Round]:
        """Mailgate, over and over."""
        return lambda: on_a_fresh_loop(with_pool, way, mails * self.scale)

    def aiosmtplib(self, way: Way, mails: int) -> Callable[[], Round]:
        """The other one."""
        return lambda: on_a_fresh_loop(with_aiosmtplib, way, mails * self.scale)

    def tell(self, title: str, names: Mapping[str, str], rounds: Rounds) -> None:
        """A table; and the figures of those that have a name for them."""
        self.report.table(
            f"{title} (medians of {len(next(iter(rounds.values())))} rounds)",
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
        for name, figure in names.items():
            self.report.figure(f"{figure}_per_s", median([one.rate for one in rounds[name]]))
            self.report.figure(f"{figure}_cpu_s_per_1000", median([one.cost for one in rounds[name]]))
            self.report.figure(f"{figure}_sink_share", median([one.sink / one.seconds for one in rounds[name]]))

    def compare(self, name: str, ours: Sequence[Round], theirs: Sequence[Round]) -> None:
        """Mails a core second, and by the clock."""
        pairs = list(zip(ours, theirs, strict=True))
        self.report.ratio(name, median([other.cost / one.cost for one, other in pairs]))
        self.report.ratio(f"{name}_by_time", median([one.rate / other.rate for one, other in pairs]))


def in_clear(scene: Scene) -> None:
    """To smtp-sink."""
    sinks = scene.sinks()
    ports = [sink.port for sink in sinks]
    free, asks = Way(ports), Way(ports, asks=True)
    for run in (with_pool, with_aiosmtplib):
        on_a_fresh_loop(run, free, 500)
    runs = {
        "Mailgate": scene.ours(free, 10_000),
        "Mailgate, READY and COMMIT": scene.ours(asks, 10_000),
        "aiosmtplib": scene.aiosmtplib(free, 2_000),
        "smtp-source": lambda: with_smtp_source(ports, 10_000 * scene.scale),
    }
    rounds = scene.rounds(sinks, runs, 11)
    many = "a smtp-sink" if len(ports) == 1 else f"{len(ports)} smtp-sinks"
    names = {"Mailgate": "handoff", "Mailgate, READY and COMMIT": "committed", "aiosmtplib": "aiosmtplib", "smtp-source": "smtp_source"}
    scene.tell(f"mails of {OCTETS} octets over {CONNECTIONS} connections to {many}", names, rounds)
    for ours in ("Mailgate", "Mailgate, READY and COMMIT"):
        for theirs in ("aiosmtplib", "smtp-source"):
            scene.compare(f"{names[ours]}_vs_{names[theirs]}", rounds[ours], rounds[theirs])


def from_afar(scene: Scene) -> None:
    """To smtp-sink, 20 ms away: a connection alone is what is limited, so all of them stand for one each."""
    sink = QuietSink(scene.folder)
    scene.placed(sink)
    distance = Distance(scene.folder, sink.port, ROUND_TRIP)
    scene.placed(distance)
    way = Way([distance.port], asks=True)
    names = {"Mailgate": "rtt20", "aiosmtplib": "rtt20_aiosmtplib"}
    rounds = scene.rounds([distance], {"Mailgate": scene.ours(way, 1000), "aiosmtplib": scene.aiosmtplib(way, 250)}, 5)
    scene.tell(f"{CONNECTIONS} connections, {ROUND_TRIP * 1000:.0f} ms there and back", {}, rounds)
    for name, figure in names.items():
        scene.report.figure(f"{figure}_per_connection_per_s", median([one.rate for one in rounds[name]]) / CONNECTIONS)
    pairs = zip(rounds["Mailgate"], rounds["aiosmtplib"], strict=True)
    scene.report.ratio("rtt20_vs_aiosmtplib", median([ours.rate / theirs.rate for ours, theirs in pairs]))


def in_secret(scene: Scene) -> None:
    """Over TLS."""
    make_certificate(scene.folder / "tls")
    receiver = Receiver(scene.folder, tls=scene.folder / "tls")
    scene.placed(receiver)
    way = Way([receiver.port], asks=True, tls=True)
    names = {"Mailgate": "starttls", "aiosmtplib": "starttls_aiosmtplib"}
    rounds = scene.rounds([receiver], {"Mailgate": scene.ours(way, 4000), "aiosmtplib": scene.aiosmtplib(way, 1000)}, 7)
    scene.tell("the same after STARTTLS, to a receiver of ours", names, rounds)
    scene.compare("starttls_vs_aiosmtplib", rounds["Mailgate"], rounds["aiosmtplib"])


def in_chunks(scene: Scene) -> None:
    """By BDAT and by DATA."""
    receiver = Receiver(scene.folder, chunking=True)
    scene.placed(receiver)
    ways = {name: Way([receiver.port], asks=True, chunking=name == "BDAT") for name in ("BDAT", "DATA")}
    names = {"BDAT": "chunking", "DATA": "data"}
    rounds = scene.rounds([receiver], {name: scene.ours(way, 4000) for name, way in ways.items()}, 7)
    scene.tell("the same in clear, by CHUNKING and by DATA", names, rounds)
    scene.compare("chunking_vs_data", rounds["BDAT"], rounds["DATA"])


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    options = arguments(__doc__, argv)
    report = Report("smtp_handoff", json=options.json)
    for run in (in_clear, in_secret, in_chunks, from_afar):
        scene = Scene(report, quick=options.quick)
        with scene.stack:
            run(scene)
    report.finish()


if __name__ == "__main__":
    main()
