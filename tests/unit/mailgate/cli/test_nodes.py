"""`mailgate nodes`: which settings each node has, and what the gateway did not take of those that it read last."""

from __future__ import annotations

import json

import pytest

from mailgate.api.admin.v1 import admin_service_pb2 as pb
from mailgate.cli import nodes
from mailgate.client import decode


def answer(**settings: object) -> pb.ListNodesResponse:
    """Two nodes, of which the second one has earlier settings."""
    made = pb.ListNodesResponse(settings=pb.Settings(version="new", **settings))
    made.settings.load_time.seconds = 1_790_000_000
    for name, version in (("a", "new"), ("b", "old"), ("c", "")):
        made.nodes.add(node_id=name, state=pb.NODE_STATE_READY, registered=True, settings_version=version)
    return made


def busy(node_id: str = "sender-1", **more: object) -> pb.Node:
    """A node with much to do."""
    made = pb.Node(node_id=node_id, state=pb.NODE_STATE_READY, registered=True, version="0.1.0", protocol=2, in_flight=4321, **more)
    made.committed, made.warm, made.weight, made.picks_per_second, made.ejections = 1234, 2000, 2000.0, 12345.67, 12
    made.service_p50.nanos, made.service_p99.seconds, made.service_p99.nanos = 12_340_000, 59, 999_900_000
    made.address, made.offered, made.delivered = "192.0.2.1:8700", 123_456_789, 123_456_789
    return made


def test_each_node_and_the_gateway(capsys: pytest.CaptureFixture[str]) -> None:
    """What is not the gateway's version says so; nothing is said of a refusal where there was none."""
    nodes._tell(decode.fleet(answer()), json=False)
    _head, _first, _second, _third, note, settings = capsys.readouterr().out.splitlines()
    assert note == "b: settings old (not the gateway's)"
    assert settings == "settings new, read 2026-09-21T14:13:20.000Z"


def test_the_table_fits_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """With large numbers, in 100 columns; what is to be said of a node stands below; all else is behind --wide."""
    found = decode.fleet(
        pb.ListNodesResponse(nodes=[busy(), busy("sender-2", reason="drained: new kernel", warnings=["source s: no PTR"])])
    )
    nodes._tell(found, json=False)
    head, first, _second, note = capsys.readouterr().out.splitlines()
    assert head.split("  ")[0] == "NODE"
    assert max(map(len, (head, first))) <= 100
    assert first.split() == ["sender-1", "READY", "4321", "(1234)", "2000", "2000.0", "12.3", "59999.9", "12345.7", "12", "0.1.0/2"]
    assert note == "sender-2: drained: new kernel; source s: no PTR"
    nodes._tell(found, json=False, wide=True)
    head, first, *_ = capsys.readouterr().out.splitlines()
    assert "192.0.2.1:8700" in first
    assert "HEARD MS AGO" in head


def test_one_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is made up of its numbers, and its words cannot steer the terminal."""
    gone = pb.Node(node_id="a\x1b", state=pb.NODE_STATE_OUT, reason="no\x1b[2J")
    nodes._tell(decode.fleet(pb.ListNodesResponse(nodes=[gone])), json=False)
    _, row, note = capsys.readouterr().out.splitlines()
    assert row.split() == ["a\\x1b", "OUT", "0", "0", "0.0", "-", "-", "0.0", "0", "-"]
    assert note == "a\\x1b: unregistered; no\\x1b[2J"


def test_what_was_refused_and_what_waits_for_a_restart(capsys: pytest.CaptureFixture[str]) -> None:
    """Every mistake on a line; what stands in a file cannot steer the terminal."""
    found = decode.fleet(answer(refusal='limits.x = "\x1b[2J": cure\nroutes: cure', restart_keys=["gateway.listen", "tls.key"]))
    nodes._tell(found, json=False)
    assert capsys.readouterr().out.splitlines()[-4:] == [
        "the last reading was refused, and nothing has changed:",
        '  limits.x = "\\x1b[2J": cure',
        "  routes: cure",
        "counts when the gateway is started anew: gateway.listen, tls.key",
    ]
    nodes._tell(found, json=True)
    told = json.loads(capsys.readouterr().out)
    assert [(node["settings_version"], node["settings_current"]) for node in told["nodes"]] == [("new", True), ("old", False), ("", False)]
    assert told["settings"]["restart_keys"] == ["gateway.listen", "tls.key"]
    assert told["settings"]["refusal"].endswith("routes: cure")


def test_a_gateway_of_an_earlier_release(capsys: pytest.CaptureFixture[str]) -> None:
    """It tells of no settings: nothing is made up."""
    nodes._tell(decode.fleet(pb.ListNodesResponse()), json=False)
    assert capsys.readouterr().out == f"{nodes.EMPTY}\n"
