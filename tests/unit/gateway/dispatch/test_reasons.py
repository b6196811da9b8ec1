"""Why a recipient waits where its route asks for a pool of sources."""

from __future__ import annotations

from gateway.dispatch.link import NodeSource
from gateway.dispatch.losses import Losses
from gateway.dispatch.member import Member
from gateway.dispatch.reasons import Reasons, no_source
from gateway.ledger.port import Wait
from gateway.registry.port import Drain
from mailgate.mail import RecipientState
from tests.unit.gateway.dispatch.test_feeder import both, member

GOOD = NodeSource("s1", "news")
BAD = NodeSource("s2", "news", "the source s2 can't dial from 192.0.2.7: this machine has no such address")
OTHER = NodeSource("s3", "default", warnings=("mx.example.com has no address",))


def node(*sources: NodeSource) -> Member:
    made = member("a", both("out", 5))
    made.has_sources(sources)
    return made


def test_one_node_that_can_send_is_enough():
    """Of one source, of one node."""
    assert no_source("news", [node(), node(BAD, GOOD)]) == ""
    assert no_source("", [node(), node(GOOD)]) == "", "a route that asks for none may leave from anywhere"
    assert no_source("", [node(OTHER)]) == "", "a warning is no trouble"


def test_why_no_node_can():
    """None has the pool, or what each has can't be dialled from."""
    assert no_source("news", [node(), node(OTHER)]) == "no node has a source of the pool 'news'"
    assert no_source("news", [node(OTHER), node(BAD)]) == BAD.trouble
    assert no_source("", [node(NodeSource("s4", "default", "gone"))]) == "gone"
    assert no_source("", [node(NodeSource("s4", "default", "gone")), node()]) == ""


def test_a_fleet_that_is_drained_says_so():
    """Mail waits for an operator then, and not for a node."""
    node = member("a", both("out", 5))
    node.link = object()  # type: ignore[assignment]
    reasons = Reasons({"a": node}, Losses(2, 3))
    assert reasons(RecipientState.QUEUED, Wait("out")) == ""
    node.drained(Drain("new kernel"))
    assert reasons(RecipientState.QUEUED, Wait("out")) == "no node is ready (a drained by an operator)"


def test_what_an_operator_is_told():
    """Of each source, by its name."""
    assert OTHER.told() == ("source s3: mx.example.com has no address",)
    assert BAD.told() == (f"source s2: {BAD.trouble}",)
    assert GOOD.told() == ()
