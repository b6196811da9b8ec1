"""A fleet before a scripted server: short limits, so that a silent server is given up within a test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from benchmarks.peers.fleet import Fleet
from tests.process.scripted import Scripted, behave

SHORT = {
    "connections": 2,
    "connect_timeout": "700ms",
    "command_timeout": "1s",
    "data_timeout": "1s",
    "block_timeout": "1s",
    "body_timeout": "2s",
}
DISPATCH = {"dispatch": {"retry_first": "1s", "retry_jitter": 0.0}}


@dataclass
class Stage:
    """What the tests of one file share."""

    server: Scripted
    fleet: Fleet


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A gateway and two nodes before a scripted server."""
    with Scripted() as server, Fleet(tmp_path_factory.mktemp("stage"), server.port, route=SHORT, settings=DISPATCH) as fleet:
        yield Stage(server, fleet)


@pytest.fixture
def server(stage: Stage) -> Scripted:
    """The server, which behaves and has taken nothing until the test has it misbehave. Connections of the test before are gone."""
    stage.server.script = behave
    stage.server.drop_all()
    stage.server.taken.clear()
    return stage.server


@pytest.fixture
def fleet(stage: Stage, server: Scripted) -> Fleet:
    """The fleet, all of it alive and ready."""
    for process in stage.fleet.processes:
        if not process.alive:
            process.start()
    stage.fleet.wait_ready()
    return stage.fleet
