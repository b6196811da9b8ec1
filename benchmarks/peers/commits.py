"""What READY and COMMIT cost in throughput: nodes as they are, against nodes that end each body at the 354."""

from __future__ import annotations

import statistics
import tempfile
from dataclasses import replace
from pathlib import Path
from time import monotonic as clock

from .fleet import KEY, Fleet
from .load import Load, Plan
from .process import wait_until
from .sinks import SmtpSink

MAILS, BATCH, OCTETS = 20_000, 100, 2048
WITH, WITHOUT = "sender", "tests.chaos.node_without_commit"


def cost_of_commit(connections: int, rounds: int) -> tuple[float, float, float]:
    """Throughput with ÷ without, in rounds that alternate; and both, mails a second (medians).

    Every other round is in reverse: who comes second finds the machine as the first left it, which was worth up to 5 %.
    """
    rates: dict[str, list[float]] = {WITH: [], WITHOUT: []}
    for number in range(rounds):
        for module in (WITH, WITHOUT) if number % 2 == 0 else (WITHOUT, WITH):
            with tempfile.TemporaryDirectory(prefix="commit-") as folder:
                rates[module].append(rate(Path(folder), module, connections))
    ratios = [with_commit / without for with_commit, without in zip(rates[WITH], rates[WITHOUT], strict=True)]
    return statistics.median(ratios), statistics.median(rates[WITH]), statistics.median(rates[WITHOUT])


def rate(folder: Path, module: str, connections: int) -> float:
    """Mails a second, from the first send to the last 250 of smtp-sink."""
    plans = [
        Plan("", KEY, mails, batch=BATCH, callers=8, octets=OCTETS, name=name) for mails, name in ((MAILS // 10, "warm"), (MAILS, "all"))
    ]
    seconds = 0.0
    with SmtpSink(folder) as sink, Fleet(folder, sink.port, route={"connections": connections}, sender_module=module) as fleet:
        for plan in plans:
            base = sink.count()
            with Load(folder, replace(plan, address=fleet.address)) as load, fleet.door() as door:
                result = load.result(120)
                wait_until(lambda end=base + plan.mails: sink.count() >= end, "the sink waits for mails", 120, pause=0.002)
                seconds = clock() - result.first_send
                wait_until(lambda door=door: door.waiting() == 0, "the gateway has not settled everything", 60)
    return MAILS / seconds
