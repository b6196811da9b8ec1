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


def test_each_node_and_the_gateway(capsys: pytest.CaptureFixture[str]) -> None:
    """What is not the gateway's version says so; nothing is said of a refusal where there was none."""
    nodes._tell(decode.fleet(answer()), json=False)
    head, first, second, third, settings = capsys.readouterr().out.splitlines()
    assert "SETTINGS" in head
    assert "  new" in first
    assert "old (not the gateway's)" in second
    assert third.rstrip().endswith("-")
    assert settings == "settings new, read 2026-09-21T14:13:20.000Z"


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
