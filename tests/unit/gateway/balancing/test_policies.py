"""What holds of every policy, and what each is for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.balancing.least_connections import LeastConnections
from gateway.balancing.policies import POLICIES, make_picker
from gateway.balancing.ring import Ring
from gateway.balancing.round_robin import RoundRobin
from gateway.balancing.skeleton import Skeleton
from gateway.balancing.slow_start import SlowStart

MAKERS = {
    **{name: lambda random, make=make: make(random, Ring()) for name, make in POLICIES.items()},
    "skeleton": lambda random: SlowStart(Skeleton(random), random),
    "skeleton alone": Skeleton,
}


@dataclass
class Node:
    node_id: str
    in_flight: int = 0
    weight: float = 1.0
    ramp: float = 1.0


FLEETS = st.lists(
    st.tuples(st.integers(0, 45), st.integers(0, 10**6), st.floats(1e-3, 1e6), st.floats(0.1, 1.0)),
    min_size=1,
    max_size=40,
    unique_by=lambda node: node[0],
).map(lambda nodes: [Node(f"n{number:03}", *node) for number, *node in sorted(nodes)])
"""Any nodes, so that some come and go from one fleet to the next."""


@pytest.mark.parametrize("policy", MAKERS)
@given(fleets=st.lists(FLEETS, min_size=1, max_size=5), seed=st.integers(0, 1000), key=st.text(max_size=5))
def test_it_picks_one_of_the_candidates(policy: str, fleets: list[list[Node]], seed: int, key: str):
    """Whatever a fleet weighs and carries, and though it changes between two picks."""
    picker = MAKERS[policy](Random(seed).random)
    for fleet in fleets:
        before = list(fleet)
        picked = picker.pick(fleet, key)
        assert any(picked is node for node in fleet)
        assert fleet == before, "the list is the caller's"


@pytest.mark.parametrize("policy", MAKERS)
def test_extreme_draws(policy: str):
    """0 and the greatest number below 1."""
    for draw in (0.0, 1 - 2**-53):
        for count in (1, 2, 5, 33):
            fleet = [Node(f"n{n}") for n in range(count)]
            assert MAKERS[policy](lambda draw=draw: draw).pick(fleet) in fleet


@pytest.mark.parametrize(("policy", "bound"), [("round_robin", 1.01), ("least_connections", 1.2), ("consistent_hash", 1.26)])
@pytest.mark.parametrize("nodes", [2, 4, 5, 16])
def test_the_peak_is_near_the_mean(policy: str, bound: float, nodes: int):
    """Equal nodes, jobs that stay: nobody carries much more than the mean."""
    fleet = [Node(f"n{n:02}") for n in range(nodes)]
    picker = make_picker(policy, Random(1).random)
    for number in range(100 * nodes):
        picker.pick(fleet, f"key {number % 7}").in_flight += 1
    assert max(node.in_flight for node in fleet) <= bound * 100


@pytest.mark.parametrize("nodes", [3, 12])
def test_least_connections_follows_the_weight(nodes: int):
    """A node of twice the weight carries about twice as much."""
    fleet = [Node(f"n{n:02}", weight=2.0 if n == 0 else 1.0) for n in range(nodes)]
    picker = LeastConnections(Random(1).random)
    for _ in range(300 * nodes):
        picker.pick(fleet).in_flight += 1
    others = sum(node.in_flight for node in fleet[1:]) / (nodes - 1)
    assert 1.6 <= fleet[0].in_flight / others <= 2.4


@pytest.mark.parametrize("nodes", [3, 8])
def test_least_connections_avoids_a_slow_node(nodes: int):
    """Whoever is far behind gets nothing while two others can be compared."""
    fleet = [Node(f"n{n}", in_flight=1000 if n == 0 else 0) for n in range(nodes)]
    picker = LeastConnections(Random(1).random)
    for _ in range(200):
        assert picker.pick(fleet) is not fleet[0]


def test_round_robin_survives_joins_and_leaves():
    """The round goes on by id: nobody is passed over, nobody gets two in a row."""
    picker = RoundRobin()
    fleet = [Node(name) for name in "bdf"]
    assert [picker.pick(fleet).node_id for _ in range(2)] == ["b", "d"]
    fleet = [Node(name) for name in "abcdef"]
    assert [picker.pick(fleet).node_id for _ in range(3)] == ["e", "f", "a"]
    fleet = [Node(name) for name in "df"]
    assert [picker.pick(fleet).node_id for _ in range(3)] == ["d", "f", "d"]


def test_round_robin_is_fair_while_nodes_come_and_go():
    """One node flaps; the others' shares stay equal."""
    picker = RoundRobin()
    counts: Counter[str] = Counter()
    for turn in range(3000):
        fleet = [Node(name) for name in ("a", "b", "c", "d") if name != "b" or turn % 7]
        counts[picker.pick(fleet).node_id] += 1
    assert max(counts[name] for name in "acd") <= 1.35 * min(counts[name] for name in "acd")


def test_an_unknown_policy():
    """Settings have checked it."""
    with pytest.raises(KeyError):
        make_picker("fastest", lambda: 0.0)
