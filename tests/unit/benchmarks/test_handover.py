"""What the records of a run say of hand-overs, joins and the curve."""

from __future__ import annotations

import json

import pytest

from benchmarks.peers.handover import BEFORE, BIN, Said, Strike, curve, handovers, joins, read_log
from benchmarks.peers.offered import Look, Offered
from benchmarks.peers.witness import Begun, Seen

KILL = Strike("node-a", 100.0, 101.0)


def test_a_job_is_handed_over_when_another_node_begins_it():
    """After the strike, whoever had begun it before; one that nobody begins stays open; losses of other nodes and times are not meant."""
    said = [
        Said(50.0, "jobs_go_elsewhere", "node-a", ("m9",)),
        Said(100.01, "jobs_go_elsewhere", "node-b", ("m8",)),
        Said(100.02, "jobs_go_elsewhere", "node-a", ("m1", "m2", "m3")),
    ]
    begun = [
        Begun(99.9, "node-a.example.com", "r1"),
        Begun(100.03, "node-b.example.com", "r1"),
        Begun(100.09, "node-c.example.com", "r1"),
        Begun(101.5, "node-a.example.com", "r2"),
    ]
    found = handovers(said, begun, {"m1": "r1", "m2": "r2", "m3": "r3"}, [KILL])
    assert [each.mail_id for each in found] == ["m1", "m2", "m3"]
    assert found[0].after == pytest.approx(0.03)
    assert [each.after for each in found[1:]] == [None, None]


def test_the_log_is_read_by_the_clock_of_the_records():
    """Lines of nodes alone; jobs by their mails."""
    line = {"timestamp": "2026-11-24T12:00:00.500000Z", "event": "jobs_go_elsewhere", "node": "node-a", "jobs": "0192.0 0193.12"}
    offset = 1_795_521_600.0 - 1000.0
    found = read_log(["no json", json.dumps({"event": "gateway_started", "timestamp": "x"}), json.dumps(line)], offset)
    assert found == [Said(pytest.approx(1000.5), "jobs_go_elsewhere", "node-a", ("0192", "0193"))]


def test_a_join_counts_from_the_registration():
    """A node that is dialled before it registers may have its first job sooner: nothing was waited for. Without a job it never ends."""
    other = Strike("node-b", 200.0, 201.0)
    said = [Said(102.0, "node_registered", "node-a"), Said(90.0, "node_registered", "node-a"), Said(203.0, "node_registered", "node-b")]
    assert joins(said, {KILL: 102.05, other: 202.9}) == [pytest.approx(0.05), 0.0]
    assert joins(said, {KILL: None}) == [float("inf")]


def test_the_curve_is_a_rate_around_the_strikes():
    """By 10 ms, as a mean of all strikes."""
    second = Strike("node-b", 200.0, 201.0)
    seen = [Seen(at, "node-a", "<1>", 1, ("r",)) for at in (99.995, 99.996, 100.005, 200.005, 300.0)]
    points = dict(curve(seen, [KILL, second]))
    place = {round(at, 3): rate for at, rate in points.items()}
    assert place[-0.005] == 2 / BIN / 2
    assert place[0.005] == 2 / BIN / 2
    assert sum(points.values()) * BIN == 4 / 2
    assert min(points) == pytest.approx(-BEFORE + BIN / 2)


def test_last_and_first_jobs_by_the_gateways_counter():
    """Rises between two moments; what rose before or after is not meant."""
    offered = Offered()
    offered.looks = [Look(at, "node-a", 2, count) for at, count in ((1.0, 5), (2.0, 6), (2.1, 7), (2.2, 7), (5.0, 8))]
    assert offered.last("node-a", 1.5, 4.0) == 2.1
    assert offered.last("node-a", 2.3, 4.0) == 2.3
    assert offered.first("node-a", 2.2) == 5.0
    assert offered.first("node-a", 6.0) is None
