"""A fleet that works in virtual time: how long its jobs take, how even its nodes are, and how many keys stay at home."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import accumulate
from random import Random
from statistics import mean, quantiles

from gateway.balancing.picker import Picker
from gateway.balancing.policies import make_picker
from gateway.balancing.ring import Ring

SERVICE = 0.1
"""Seconds of a job in the mean."""


@dataclass
class Node:
    """Works on as many jobs as it has connections, each for `service` seconds in the mean; the others wait in their order."""

    node_id: str
    service: float = SERVICE
    connections: int = 20
    weight: float = 20.0
    ramp: float = 1.0
    in_flight: int = 0
    free_at: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.free_at = [0.0] * self.connections

    def take(self, now: float, draw: float) -> float:
        """When the job is done."""
        self.in_flight += 1
        start = max(now, heappop(self.free_at))
        heappush(self.free_at, done := start + self.service * draw)
        return done


@dataclass
class Run:
    """What came of it: seconds of each job, jobs by node, and what the fullest node had in hand by the mean, wherever that was ≥ 20."""

    seconds: list[float] = field(default_factory=list)
    picks: Counter[str] = field(default_factory=Counter)
    at_home: int = 0
    """Jobs that went to the home of their key."""
    peaks: list[float] = field(default_factory=list)

    @property
    def share_at_home(self) -> float:
        """Of all jobs."""
        return self.at_home / len(self.seconds)

    @property
    def p99(self) -> float:
        """Seconds."""
        return quantiles(self.seconds, n=100)[98]

    @property
    def peak_to_mean(self) -> float:
        """Jobs of the busiest node by those of the mean one."""
        return max(self.picks.values()) / mean(self.picks.values())


def simulate(
    picker: Picker, fleet: list[Node], rate: float, jobs: int, random: Random, key: Callable[[], str] = lambda: "", ring: Ring | None = None
) -> Run:
    """Jobs come at random at `rate` a second (Poisson), and take a time of their own (exponential)."""
    run, under_way, now = Run(), list[tuple[float, int, Node]](), 0.0
    for number in range(jobs):
        now += random.expovariate(rate)
        while under_way and under_way[0][0] <= now:
            heappop(under_way)[2].in_flight -= 1
        its = key()
        node = picker.pick(fleet, its)
        heappush(under_way, (done := node.take(now, random.expovariate(1.0)), number, node))
        if number < jobs // 10:
            continue  # until it is as it stays
        run.seconds.append(done - now)
        run.picks[node.node_id] += 1
        run.at_home += ring is not None and ring.homes(its, 1) == (node.node_id,)
        loads = [each.in_flight for each in fleet]
        if mean(loads) >= 20:
            run.peaks.append(max(loads) / mean(loads))
    return run


def zipf(random: Random, exponent: float, keys: int) -> Callable[[], str]:
    """Draws of keys whose shares are 1, 1/2^s, 1/3^s and so on."""
    sums = list(accumulate((n + 1) ** -exponent for n in range(keys)))
    return lambda: f"site{bisect_left(sums, random.random() * sums[-1])}"


def skewed(seed: int, connections: int = 20, jobs: int = 30_000) -> Run:
    """8 nodes at 80 % of what they can do, by consistent hashing; of 10,000 keys a few have most of the mail: Zipf(1.1)."""
    random, ring = Random(seed), Ring([f"n{n}" for n in range(8)])
    fleet = [Node(f"n{n}", connections=connections) for n in range(8)]
    picker = make_picker("consistent_hash", random.random, ring)
    return simulate(picker, fleet, 0.8 * 8 * connections / SERVICE, jobs, random, zipf(random, 1.1, 10_000), ring)
