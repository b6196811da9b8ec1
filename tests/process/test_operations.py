"""`mailgate node drain` and `resume` as an operator uses them, under load: nothing new goes to a drained node, and nothing is lost."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.peers.fleet import KEY, Fleet
from benchmarks.peers.load import Load, Plan
from benchmarks.peers.process import Process, free_port, wait_until
from benchmarks.peers.witness import Witness
from mailgate.api.admin.v1 import admin_service_pb2 as admin

ROOT = Path(__file__).parents[2]


@dataclass
class Stage:
    """A fleet before a witness."""

    witness: Witness
    fleet: Fleet
    folder: Path

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command, to its end."""
        command = self.command(*arguments)
        return subprocess.run(command, cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=60, check=False)

    def command(self, *arguments: str) -> list[str]:
        """Its words."""
        return [sys.executable, "-m", "mailgate.cli", *arguments]

    @property
    def env(self) -> dict[str, str]:
        """Where the gateway is; this tree's code in whatever folder."""
        return {**os.environ, "MAILGATE_ADDRESS": self.fleet.address, "MAILGATE_KEY": KEY, "PYTHONPATH": str(ROOT)}

    def taken_by(self, node: str, since: float) -> int:
        """Mails that the node sent after a moment of time.monotonic()."""
        return sum(seen.at > since and seen.client.startswith(node) for seen in self.witness.seen())

    def state(self, node: str) -> admin.Node:
        """How the node is."""
        with self.fleet.door() as door:
            return next(each for each in door.nodes() if each.node_id == node)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A server that takes 50 ms for its 250: some mails are in hand at any time."""
    with Witness(tmp_path, delay=0.05) as witness, Fleet(tmp_path, witness.port, route={"connections": 20}) as fleet:
        yield Stage(witness, fleet, tmp_path)


def test_a_node_is_drained_started_anew_and_resumed(stage: Stage) -> None:
    """From the moment when `--wait` returns the node sends nothing, also started anew; resumed, it does; every mail comes once."""
    with Load(stage.folder, Plan(stage.fleet.address, KEY, 100_000, callers=8, octets=500, rate=200)) as load:
        wait_until(lambda: stage.taken_by("node-a", 0.0), "node-a sends nothing", 20)
        drained = stage.run("node", "drain", "node-a", "--reason", "new kernel", "--wait", "--json")
        since = time.monotonic()
        assert drained.returncode == 0, drained.stderr
        told = json.loads(drained.stdout)
        assert (told["state"], told["drain"]["reason"], told["in_flight"], told["in_hand"]) == ("DRAINING", "new kernel", 0, 0)

        node = stage.fleet.senders[0]
        assert node.stop() == 0
        node.start()
        wait_until(lambda: stage.state("node-a").state == admin.NODE_STATE_DRAINING, "it does not come back", 20)
        wait_until(lambda: stage.taken_by("node-b", since) > 200, "node-b sends nothing", 20)
        assert stage.taken_by("node-a", since) == 0
        assert "drained: new kernel" in stage.run("nodes").stdout

        resumed = stage.run("node", "resume", "node-a")
        assert (resumed.returncode, resumed.stdout) == (0, "node-a: resumed; it is READY\n"), resumed.stderr
        wait_until(lambda: stage.taken_by("node-a", since), "node-a sends nothing", 20)
        load.signal(signal.SIGTERM)
        result = load.result(60)
        assert not result.errors
        with stage.fleet.door() as door:
            wait_until(lambda: door.waiting() == 0, "it does not drain", 30)
        assert stage.witness.count() == result.mails
        assert not stage.witness.doubled()


def test_who_waits_no_more_is_told_what_stays(tmp_path: Path) -> None:
    """Ctrl-C ends the waiting, not the drain."""
    with Witness(tmp_path, delay=20) as witness, Fleet(tmp_path, witness.port, senders=1) as fleet:
        stage = Stage(witness, fleet, tmp_path)
        mail = ("--from", "a@example.com", "--to", "b@example.net", "--text", "x")
        assert stage.run("send", *mail).returncode == 0
        wait_until(lambda: stage.state("node-a").committed == 1, "the mail is not under way")
        with Process(
            "drain", stage.command("node", "drain", "node-a", "--wait"), tmp_path / "drain.log", env=stage.env, cwd=tmp_path
        ) as drain:
            wait_until(lambda: stage.state("node-a").state == admin.NODE_STATE_DRAINING, "it is not drained")
            drain.signal(signal.SIGINT)
            assert drain.wait(20) == 130
        assert drain.tail().strip() == "interrupted: node-a stays drained; `mailgate node resume node-a` gives it jobs again"
        assert stage.state("node-a").state == admin.NODE_STATE_DRAINING


def test_what_cannot_be_drained(stage: Stage) -> None:
    """A name that no node has is answered with those there are, and nothing changes; what is in hand for too long is told."""
    for word in ("drain", "resume"):
        wrong = stage.run("node", word, "node-aa")
        assert (wrong.returncode, wrong.stderr) == (1, "mailgate: there is no node 'node-aa': the nodes are node-a, node-b\n")
    assert stage.run("node", "drain", "node-a", "--wait", "5h").returncode == 2
    assert stage.state("node-a").state == admin.NODE_STATE_READY


def test_a_second_node_of_a_name_and_one_without_the_token(tmp_path: Path) -> None:
    """Refused, and told why: both addresses are named, and the token is. The first goes on, and its name is taken over when it has died."""
    settings = {"gateway": {"fleet_token": "secret"}, "sender": {"fleet_token": "secret"}}
    with Witness(tmp_path) as witness, Fleet(tmp_path, witness.port, senders=2, settings=settings) as fleet:
        node, other = fleet.senders
        with Process("double", node.argv, tmp_path / "double.log", env=env_of("node-a"), cwd=ROOT) as double:
            wait_until(lambda: "needs another: set sender.id" in double.tail(), "it is not refused", 20)
            assert double.tail().count("the node at 127.0.0.1:") == 2
            with fleet.door() as door:
                assert door.ready_nodes() == 2
            node.kill()
            wait_until(lambda: re.search(r"] registered  ", double.tail()), "the name stays taken", 20)
        forged = {**env_of("node-c"), "MAILGATE_SENDER__FLEET_TOKEN": "forged"}
        with Process("forged", other.argv, tmp_path / "forged.log", env=forged, cwd=ROOT) as stranger:
            wait_until(lambda: "the fleet token is missing or wrong" in stranger.tail(), "it is not refused", 20)
            with fleet.door() as door:
                assert "node-c" not in {each.node_id for each in door.nodes()}


def env_of(node: str) -> dict[str, str]:
    """Of a node with that name, on a port of its own."""
    return {"MAILGATE_SENDER__ID": node, "MAILGATE_SENDER__LISTEN": f"127.0.0.1:{free_port()}"}
