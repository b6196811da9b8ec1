"""SIGHUP on `mailgate up`: its children get the operator's file as it is now, whatever they are doing at that moment."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.peers.process import wait_until
from tests.process.test_up import Up, running


class Operator:
    """A running `up`, and the file that it was given."""

    def __init__(self, up: Up, file: Path) -> None:
        self.up, self.file = up, file

    def hang_up(self, text: str) -> None:
        """Another file, and SIGHUP."""
        self.file.write_text(text)
        self.up.process.send_signal(signal.SIGHUP)

    def fleet(self) -> dict[str, object]:
        """What `nodes` says; empty while there is no gateway."""
        asked = self.up.mailgate("nodes", "--json")
        return json.loads(asked.stdout) if asked.returncode == 0 else {}

    def current(self) -> str:
        """The version that the gateway and both its nodes have; empty as long as one has another."""
        found = self.fleet()
        nodes = found.get("nodes", [])
        return found["settings"]["version"] if len(nodes) == 2 and all(node["settings_current"] for node in nodes) else ""

    def takes(self, recipients: int) -> bool:
        """Whether a mail to so many would be accepted."""
        to = [word for number in range(recipients) for word in ("--to", f"u{number}@example.com")]
        return self.up.mailgate("send", *to, "--subject", "Hi", "--text", "x", "--validate-only").returncode == 0


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    folder = tmp_path_factory.mktemp("up-reload")
    file = folder / "mine.toml"
    file.write_text("[limits]\nmax_recipients = 1\n")
    with running(folder / "data", "--config", str(file)) as up:
        yield Operator(up, file)


def test_the_operators_file_is_read_again(operator: Operator) -> None:
    """By the gateway, which its nodes follow; no process ends."""
    wait_until(operator.current, "nodes without settings")
    before = operator.current()
    assert not operator.takes(2)
    operator.hang_up("[limits]\nmax_recipients = 2\n")
    operator.up.hear("reloaded")
    wait_until(lambda: operator.current() not in ("", before), "the settings are the old ones")
    assert operator.takes(2)
    assert all(os.path.exists(f"/proc/{pid}") for pid in operator.up.pids.values())


def test_a_bad_file_is_refused_before_any_child_sees_it(operator: Operator) -> None:
    """All mistakes; what the children have stays."""
    wait_until(operator.current, "nodes without settings")
    before = operator.current()
    operator.hang_up("[limits]\nmax_recipients = 0\nno_such = 1\n")
    refused = operator.up.hear("refused")
    assert [mistake.split(" ")[0] for mistake in refused["mistakes"]] == ["limits.max_recipients", "limits.no_such"]
    assert operator.current() == before
    assert not operator.fleet()["settings"]["refusal"]


def test_a_gateway_that_is_being_started_anew_reads_the_new_file(operator: Operator) -> None:
    """However far its start is: before it there is no process, and in it the signal waits until it is heard."""
    for limit in (3, 4, 5):
        gateway = operator.up.pids["gateway"]
        os.kill(gateway, signal.SIGKILL)
        if limit > 3:
            operator.up.pids["gateway"] = operator.up.hear("child", child="gateway", what="runs again")["pid"]
        operator.hang_up(f"[limits]\nmax_recipients = {limit}\n")
        operator.up.hear("reloaded")
        if limit == 3:
            operator.up.pids["gateway"] = operator.up.hear("child", child="gateway", what="runs again")["pid"]
        wait_until(operator.current, "the gateway is not back, or its nodes are not", 20)
        assert operator.takes(limit)
        assert not operator.takes(limit + 1)
