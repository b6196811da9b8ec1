"""A node's health by ticks of 250 ms."""

from __future__ import annotations

import pytest

from gateway.dispatch.link import Load
from gateway.dispatch.member import Member, NodeState
from gateway.registry.port import Drain, NodeRecord
from mailgate.mail import Lane


@pytest.fixture
def member() -> Member:
    made = Member(NodeRecord("a", b"b" * 16, "h:1", "1"), 1000)
    made.joined(b"b" * 16, "1")
    return made


def test_suspect_at_two_misses_and_back_after_two_good_ticks(member: Member):
    """One missed report is a pause of somebody's loop."""
    member.tick(heard=False)
    assert member.takes_jobs
    member.tick(heard=False)
    assert member.state is NodeState.SUSPECT
    assert not member.takes_jobs
    member.tick(heard=True)
    assert not member.takes_jobs
    member.tick(heard=True)
    assert member.takes_jobs
    assert member.reason == ""


def test_misses_must_be_in_a_row(member: Member):
    """Every other report missing is a slow node, not a silent one."""
    for _ in range(10):
        member.tick(heard=False)
        member.tick(heard=True)
    assert member.state is NodeState.READY


def test_a_draining_node_stays_so(member: Member):
    """Good ticks do not bring it back; a new life of the stream does."""
    member.report(Load(True, 3, 0, {}))
    for _ in range(4):
        member.tick(heard=True)
    assert member.state is NodeState.DRAINING
    member.left("gone")
    assert (member.state, member.reason) == (NodeState.OUT, "gone")
    member.joined(b"c" * 16, "2")
    assert member.takes_jobs


def test_weight_counts_connections_that_could_be(member: Member):
    """A node that has none warm yet counts as much as one that would open as many, lest nobody ever warms it."""
    assert member.weight == 1.0
    member.report(Load(False, 20, 0, {}))
    assert member.weight == 20
    member.report(Load(False, 0, 0, {(Lane.BULK, "r"): 54, (Lane.TRANSACTIONAL, "r"): 60, (Lane.TRANSACTIONAL, "s"): 2}))
    assert member.weight == 30


def test_a_drained_node_is_draining_over_its_lives(member: Member):
    """It gets nothing, whatever its reports and streams do, until it is resumed."""
    member.drained(Drain("new kernel"))
    assert (member.state, member.reason) == (NodeState.DRAINING, "drained: new kernel")
    member.tick(heard=True)
    member.report(Load(False, 3, 0, {}))
    assert not member.takes_jobs
    member.left("gone")
    assert member.state is NodeState.OUT
    member.joined(b"c" * 16, "2")
    assert member.state is NodeState.DRAINING
    member.drained(None)
    assert member.takes_jobs


def test_resumed_it_is_what_it_would_have_been(member: Member):
    """A node that stops goes on stopping, and one that fell silent is a suspect until it has spoken."""
    member.drained(Drain())
    member.tick(heard=False)
    member.tick(heard=False)
    assert member.reason == "drained: by an operator"
    member.drained(None)
    assert member.state is NodeState.SUSPECT
    member.tick(heard=True)
    member.tick(heard=True)
    assert member.takes_jobs
    member.drained(Drain())
    member.report(Load(True, 3, 0, {}))
    member.drained(None)
    assert (member.state, member.reason) == (NodeState.DRAINING, "it is stopping")
