"""What a pick costs by each policy at 16 nodes, what a change of nodes costs the ring, and how even a skewed fleet is (simulated).

    python benchmarks/balancing.py [--quick] [--json]

Nodes are the gateway's own members, with jobs in hand. Keys of `pick_consistent_hash` are sites, which come again; those of `…_fresh_keys`
are new each time, as recipients are. `ring_change_ms`: a node leaves 16, or comes back. `zipf_*`: 8 nodes at 80 % of what they can do, of
10,000 keys a few have most of the mail (Zipf, 1.1); the same seed each time.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from random import random

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.report import Report, alternate, arguments, median
from gateway.balancing.policies import POLICIES, make_picker
from gateway.balancing.ring import Ring
from gateway.dispatch.choice import Choice
from gateway.dispatch.keys import by_site
from gateway.dispatch.member import Member
from gateway.registry.port import NodeRecord
from tests.simulation.fleet import skewed
from tests.unit.gateway.dispatch.world import make_job

NODES, PICKS = 16, 2000


def members() -> list[Member]:
    """Ready ones, with some jobs in hand."""
    found = []
    for index in range(NODES):
        member = Member(NodeRecord(f"n{index:02}", bytes([index]) * 16, "127.0.0.1:1", "1"), 1 << 30)
        for number in range(20 + index * 7 % 16):
            member.hand.offer(make_job(1000 * index + number))
        found.append(member)
    return found


def timed(work: Callable[[str], object], keys: Callable[[], list[str]]) -> Callable[[], float]:
    """Microseconds a pick, the loop included."""

    def round_() -> float:
        given = keys()
        start = time.perf_counter()
        for key in given:
            work(key)
        return (time.perf_counter() - start) / len(given) * 1e6

    return round_


def picks() -> dict[str, Callable[[], float]]:
    """Each policy over the same nodes; and the whole way that the feeder goes, once for a job."""
    fleet, serial = members(), count()
    sites = [f"mx{number}.example.net" for number in range(PICKS)]
    found = {}
    for policy in POLICIES:
        picker = make_picker(policy, random)
        found[f"pick_{policy}_us"] = timed(lambda key, picker=picker: picker.pick(fleet, key), lambda: sites)
    fresh = make_picker("consistent_hash", random)
    new_keys = lambda: [f"someone{next(serial)}@example.org" for _ in range(PICKS)]  # noqa: E731
    found["pick_consistent_hash_fresh_keys_us"] = timed(lambda key: fresh.pick(fleet, key), new_keys)
    job, ring = make_job(1, key="direct/mx.example.net", route="direct"), Ring()
    choice = Choice(lambda _: make_picker("consistent_hash", random, ring), lambda _: by_site, ring)
    found["choose_us"] = timed(lambda _: choice.pick(job, fleet), lambda: sites)
    return found


def change() -> float:
    """Milliseconds for one of 16 nodes that leaves or comes back."""
    ids = [f"n{index:02}" for index in range(NODES)]
    ring = Ring(ids)
    start = time.perf_counter()
    for _ in range(10):
        for those in (ids[1:], ids):
            ring.use(those)
            next(ring.walk("key"))
    return (time.perf_counter() - start) / 20 * 1000


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    options = arguments(__doc__, argv)
    report = Report("balancing", json=options.json)
    runs = {**picks(), "ring_change_ms": change}
    alternate(runs, 3)
    for name, rounds in alternate(runs, 30 if options.quick else 200).items():
        report.figure(name, median(rounds))
    run = skewed(1, jobs=30_000 if options.quick else 200_000)
    report.figure("zipf_peak_to_mean", run.peak_to_mean)
    report.figure("zipf_share_at_home", run.share_at_home)
    report.finish()


if __name__ == "__main__":
    main()
