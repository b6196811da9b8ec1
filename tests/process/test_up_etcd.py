"""`mailgate up --etcd`: nodes and gateway stand in a real etcd, which may die, and goes last."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mailgate.cli.etcd import etcd_command, etcd_program
from mailgate.cli.ports import Ports, free_ports
from tests.process.test_up import SEND, Up, running, wait_gone

OPTIONS = ("--etcd", "--etcd-port", "0")


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One for the tests that do not stop it."""
    with running(tmp_path_factory.mktemp("up") / "data", *OPTIONS) as started:
        yield started


def asked(endpoint: str, *flags: str) -> dict[str, Any] | None:
    """What stands there, asked with etcd's own client: keys without the prefix, and their values. None: it does not answer."""
    ask = [etcd_program().with_name("etcdctl"), "--endpoints", endpoint, *flags, "get", "--prefix", "/mailgate/"]
    told = subprocess.run(ask, capture_output=True, text=True, check=False, timeout=30)
    lines = told.stdout.splitlines()
    found = dict(zip(lines[::2], lines[1::2], strict=True))
    return {key.removeprefix("/mailgate/"): json.loads(value) for key, value in found.items()} if told.returncode == 0 else None


def wait_entries(up: Up, within: float = 20) -> dict[str, Any]:
    """Until the gateway and both nodes stand there."""
    end = time.monotonic() + within
    while len(there := asked(up.ready["etcd"]) or {}) < 3:
        assert time.monotonic() < end, there
        time.sleep(0.1)
    return there


def test_nodes_and_gateway_stand_in_etcd(up: Up) -> None:
    """And mail flows."""
    assert up.mailgate(*SEND).stdout.startswith("DELIVERED a@example.com  250 ")
    there = wait_entries(up)
    assert {key.partition("/")[0] for key in there} == {"nodes", "gateways"}
    assert {"nodes/sender-1", "nodes/sender-2"} < there.keys()
    [gateway] = [value for key, value in there.items() if key.startswith("gateways/")]
    assert gateway["Addr"] == up.ready["gateway"]
    assert next(iter(up.pids)) == "etcd"


def test_a_killed_etcd_is_started_again_and_is_not_missed_meanwhile(up: Up) -> None:
    """Nodes stay, mail goes on, and what stood there stands there again: the same data, at the same port."""
    wait_entries(up)
    up.kill("etcd")
    assert up.mailgate(*SEND).stdout.startswith("DELIVERED ")
    wait_entries(up)
    assert up.mailgate(*SEND).stdout.startswith("DELIVERED ")


def test_a_node_that_dies_and_comes_back_takes_its_entry_over(up: Up) -> None:
    """There is one entry for each, of the boot that runs."""
    before = wait_entries(up)["nodes/sender-1"]
    up.kill("sender-1")
    end = time.monotonic() + 20
    while (after := wait_entries(up).get("nodes/sender-1", before))["boot_id"] == before["boot_id"]:
        assert time.monotonic() < end
        time.sleep(0.1)
    assert after["registration"] > before["registration"]


def test_all_are_stopped_in_order_and_etcd_last(tmp_path: Path) -> None:
    """What it keeps then is that there is no gateway any more: nobody is sent to one that is gone. Its data is below the data directory."""
    data = tmp_path / "data"
    with running(data, *OPTIONS) as up:
        wait_entries(up)
        os.kill(up.process.pid, signal.SIGINT)
        assert "then etcd" in up.hear("stopping")["text"]
        up.hear("stopped", 30)
        assert up.process.wait(10) == 0
        wait_gone(up.pids.values(), 10)
    ports = asyncio.run(free_ports(Ports(0, 0, 0, 0, 0), {}))
    with subprocess.Popen(etcd_command(etcd_program(), data, ports), stderr=subprocess.DEVNULL) as etcd:
        try:
            kept = asked(f"127.0.0.1:{ports.etcd}", "--dial-timeout=20s", "--command-timeout=20s")
        finally:
            etcd.kill()
    assert kept is not None
    assert not [key for key in kept if key.startswith("gateways/")]


def test_it_does_not_outlive_its_parents_death(tmp_path: Path) -> None:
    """Killed by SIGKILL, nobody can stop anything in order; etcd, which isn't ours, ends all the same."""
    with contextlib.closing(Up(tmp_path / "data", *OPTIONS)) as up:
        etcd = up.pids["etcd"]
        os.kill(up.process.pid, signal.SIGKILL)
        wait_gone([etcd], 10)
