"""How a new node comes to its whole share."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from gateway.balancing.policies import make_picker
from gateway.balancing.slow_start import LEAST, WINDOW, ramp
from tests.unit.gateway.balancing.test_policies import Node


def test_a_straight_line():
    """From a tenth to all of it in ten seconds; a clock that goes back does no harm."""
    assert [ramp(age) for age in (-1.0, 0.0, 5.0, 10.0, 1e9)] == [LEAST, LEAST, pytest.approx(0.55), 1.0, 1.0]
    assert WINDOW == 10.0


@pytest.mark.parametrize("policy", ["round_robin", "least_connections", "consistent_hash"])
@pytest.mark.parametrize("part", [0.1, 0.5, 1.0])
def test_a_new_node_gets_a_part_of_its_share(policy: str, part: float):
    """By every policy: what it is given of jobs that stay is that part of what others have, or less."""
    fleet = [Node(f"n{n}", ramp=part if n == 0 else 1.0, weight=part if n == 0 else 1.0) for n in range(4)]
    picker = make_picker(policy, Random(1).random)
    for number in range(4000):
        picker.pick(fleet, f"key {number}").in_flight += 1
    others = sum(node.in_flight for node in fleet[1:]) / 3
    assert 0.5 * part <= fleet[0].in_flight / others <= 1.35 * part


def test_nodes_that_came_together_share_evenly():
    """A gateway that starts has only new nodes."""
    fleet = [Node(f"n{n}", ramp=0.1) for n in range(4)]
    picker = make_picker("round_robin", Random(1).random)
    counts = Counter(picker.pick(fleet).node_id for _ in range(400))
    assert set(counts.values()) == {100}


def test_a_new_node_alone_gets_all():
    """There is nobody else."""
    fleet = [Node("a", ramp=0.1)]
    assert make_picker("round_robin", lambda: 0.99).pick(fleet) is fleet[0]


def test_an_empty_new_node_gets_its_first_job_where_little_is_to_be_sent():
    """One at a time, since from the second on its slow start counts."""
    picker = make_picker("least_connections", lambda: 0.0)
    old = [Node("a", weight=60.0, in_flight=2), Node("b", weight=60.0, in_flight=2)]
    new = Node("c", weight=6.0, ramp=0.1)
    assert picker.pick([*old, new]) is new
    new.in_flight = 1
    assert picker.pick([*old, new]) is old[0]
