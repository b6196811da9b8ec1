"""What the policies make of a fleet, with fixed seeds: a slow node, equal nodes, and keys of which a few have most of the mail."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from gateway.balancing.picker import Picker
from gateway.balancing.policies import make_picker
from tests.simulation.fleet import SERVICE, Node, simulate, skewed

SEEDS = (1, 2, 3)


class Weighted:
    """The optimum for a fleet whose speeds are known: each node gets jobs by its speed, at random."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def pick(self, candidates, key=""):
        return self._random.choices(candidates, [1 / node.service for node in candidates])[0]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("nodes", [3, 8])
def test_one_slow_node_costs_little(seed: int, nodes: int):
    """One node 4 × slower, at 70 % of what the fleet can do: the 99th percentile is within 1.25 × the weighted optimum."""

    def p99(make: Callable[[Random], Picker]) -> float:
        random = Random(seed)
        fleet = [Node(f"n{n}", 4 * SERVICE if n == 0 else SERVICE) for n in range(nodes)]
        rate = 0.7 * sum(node.connections / node.service for node in fleet)
        return simulate(make(random), fleet, rate, 40_000, random).p99

    assert p99(lambda random: make_picker("least_connections", random.random)) <= 1.25 * p99(Weighted)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("nodes", [2, 4, 8, 16])
def test_equal_nodes_have_equal_parts_in_hand(seed: int, nodes: int):
    """Least connections, at a mean of 20 and more in hand: nobody has more than 1.5 × the mean, at any time."""
    random = Random(seed)
    fleet = [Node(f"n{n:02}") for n in range(nodes)]
    run = simulate(make_picker("least_connections", random.random), fleet, 1.5 * nodes * 20 / SERVICE, 5_000, random)
    assert len(run.peaks) > 1000
    assert max(run.peaks) <= 1.5


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("connections", [20, 100])
def test_a_few_keys_with_most_of_the_mail(seed: int, connections: int):
    """Zipf(1.1) keys on 8 nodes: the busiest node gets at most 1.45 × the mean, and three of four jobs find their key's home."""
    run = skewed(seed, connections)
    assert run.peak_to_mean <= 1.45
    assert max(run.peaks) <= 1.45
    assert run.share_at_home >= 0.75
