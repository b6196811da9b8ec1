"""`mailgate up` as a newcomer meets it: it starts, takes mail, survives kills, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mailgate.client.client import GatewayClient
from mailgate.errors import Invalid
from mailgate.mail import Address, BatchEntry, Mail, Parts, Receipt, RecipientState

MAILGATE = str(Path(sys.executable).with_name("mailgate"))
ANY_PORTS = ("--port", "0", "--metrics-port", "0", "--inbox-port", "0", "--inbox-smtp-port", "0")
SEND = ("send", "--to", "a@example.com", "--subject", "Hi", "--text", "Hello", "--wait")


class Up:
    """A running `mailgate up --json`, and what it says."""

    def __init__(self, data: Path, *options: str) -> None:
        self.data = data
        self.process = subprocess.Popen(
            [MAILGATE, "up", "--json", "--data", str(data), *ANY_PORTS, *options], stdout=subprocess.PIPE, text=True
        )
        self._said: queue.Queue[dict[str, Any]] = queue.Queue()
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()
        self.ready = self.hear("ready", 30)
        self.pids: dict[str, int] = self.ready["pids"]

    def hear(self, event: str, within: float = 15, **fields: object) -> dict[str, Any]:
        """The next word of that kind."""
        end = time.monotonic() + within
        while True:
            word = self._said.get(timeout=max(0.01, end - time.monotonic()))
            if word["event"] == event and all(word.get(name) == value for name, value in fields.items()):
                return word

    def kill(self, name: str) -> int:
        """End one of its children by SIGKILL; the pid of the one that runs in its place."""
        os.kill(self.pids[name], signal.SIGKILL)
        assert "SIGKILL" in self.hear("child", child=name, pid=None)["what"]
        self.pids[name] = self.hear("child", child=name)["pid"]
        return self.pids[name]

    def mailgate(self, *arguments: str, timeout: float = 40) -> subprocess.CompletedProcess[str]:
        """Another command, in its data directory."""
        return run(*arguments, "--data", str(self.data), timeout=timeout)

    def close(self) -> None:
        """Whatever happened, nothing stays."""
        self.process.kill()
        self.process.wait()
        self._listening.join(20)
        assert self.process.stdout is not None
        self.process.stdout.close()
        wait_gone(self.pids.values(), 20)

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._said.put(json.loads(line))


def run(*arguments: str, timeout: float = 40) -> subprocess.CompletedProcess[str]:
    return subprocess.run([MAILGATE, *arguments], capture_output=True, text=True, timeout=timeout, check=False, stdin=subprocess.DEVNULL)


def alive(pid: int) -> bool:
    """It runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_gone(pids: Iterable[int], within: float) -> None:
    end = time.monotonic() + within
    while left := [pid for pid in pids if alive(pid)]:
        assert time.monotonic() < end, f"still running: {left}"
        time.sleep(0.05)


@contextlib.contextmanager
def running(data: Path, *options: str) -> Iterator[Up]:
    up = Up(data, *options)
    try:
        yield up
    finally:
        up.close()


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One for the tests that do not stop it."""
    with running(tmp_path_factory.mktemp("up") / "data") as started:
        yield started


def test_a_mail_is_sent_delivered_and_in_the_inbox(up: Up) -> None:
    """The issue's own words: DELIVERED, and `inbox list` has it. Nothing steers a terminal where there is none."""
    sent = up.mailgate(*SEND)
    assert (sent.returncode, sent.stderr) == (0, "")
    assert sent.stdout.startswith("DELIVERED a@example.com  250 ")
    assert "(node sender-" in sent.stdout
    listed = up.mailgate("inbox", "list")
    assert "a@example.com" in listed.stdout
    assert "Hi" in listed.stdout
    assert "\x1b" not in sent.stdout + listed.stdout


def test_what_became_of_a_mail_can_be_asked(up: Up) -> None:
    """By the id that `send` printed; as text and as JSON."""
    sent = up.mailgate("send", "--to", "b@example.com", "--text", "x", "--tag", "t1", "--meta", "k=v", "--wait", "--json")
    receipt = json.loads(sent.stdout)
    assert receipt["recipients"][0]["state"] == "DELIVERED"
    told = up.mailgate("get", receipt["mail_id"])
    assert told.returncode == 0
    assert "DELIVERED b@example.com" in told.stdout
    status = json.loads(up.mailgate("get", receipt["mail_id"], "--json").stdout)
    assert status["counts"] == {"DELIVERED": 1}
    assert (status["tags"], status["metadata"]) == (["t1"], {"k": "v"})


def test_events_are_watched_as_they_happen(up: Up) -> None:
    """A line each, through a pipe, at once; of a mail that is over, what became of it."""
    seen: queue.Queue[str] = queue.Queue()
    watching = subprocess.Popen(
        [MAILGATE, "watch", "--json", "--data", str(up.data)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert watching.stdout is not None
    reading = threading.Thread(target=lambda lines: [seen.put(line) for line in lines], args=(watching.stdout,), daemon=True)
    reading.start()
    try:
        # Nothing says from outside when it has begun to watch: mail is sent until all of one is seen.
        events: dict[str, list[str]] = {}
        for _ in range(10):
            sent = json.loads(up.mailgate("send", "--to", "w@example.com", "--text", "x", "--wait", "--json").stdout)
            with contextlib.suppress(queue.Empty):
                while len(events.get(sent["mail_id"], [])) < 2:
                    event = json.loads(seen.get(timeout=1))
                    events.setdefault(event["mail_id"], []).append(event["type"])
                break
        assert events[sent["mail_id"]] == ["ACCEPTED", "DELIVERED"]
    finally:
        watching.kill()
        watching.wait()
        reading.join(5)
        watching.stdout.close()
    over = up.mailgate("watch", sent["mail_id"])
    assert over.returncode == 0
    assert "DELIVERED w@example.com" in over.stdout


def test_a_whole_mail_and_a_json_file_are_sent(up: Up, tmp_path: Path) -> None:
    """`--eml` with the envelope of its header, `--file` with the contract's names."""
    eml, mail = tmp_path / "x.eml", tmp_path / "x.json"
    eml.write_bytes(b"From: ann@example.com\r\nTo: eml@example.com\r\nSubject: As it is\r\n\r\nBody\r\n")
    mail.write_text(json.dumps({"fromAddress": {"email": "j@example.com"}, "to": [{"email": "json@example.com"}], "parts": {"text": "x"}}))
    for arguments, address in ((("--eml", str(eml)), "eml@example.com"), (("--file", str(mail)), "json@example.com")):
        sent = up.mailgate("send", *arguments, "--wait")
        assert (sent.returncode, sent.stderr) == (0, "")
        assert f"DELIVERED {address}" in sent.stdout


def test_nodes_queue_and_doubts_have_an_answer(up: Up) -> None:
    """As text and as JSON."""
    nodes = json.loads(up.mailgate("nodes", "--json").stdout)["nodes"]
    assert {node["node_id"]: node["state"] for node in nodes} == {"sender-1": "READY", "sender-2": "READY"}
    assert "sender-1" in up.mailgate("nodes").stdout
    assert json.loads(up.mailgate("queue", "--json").stdout)["in_doubt"] == 0
    assert "in flight" in up.mailgate("queue").stdout
    assert up.mailgate("doubts").stdout == "no doubts\n"
    assert json.loads(up.mailgate("doubts", "list", "--json").stdout) == {"doubts": []}


def test_what_the_gateway_refuses_is_said_by_field(up: Up) -> None:
    """Exit code 1; another key is 2; nothing at the address is 3."""
    refused = up.mailgate("send", "--to", "a@example.com", "--text", "x", "--route", "nowhere")
    assert refused.returncode == 1
    assert "nowhere" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    too_long = "x" * 257
    csv = up.data / "people.csv"
    csv.write_text("email\na@example.com\n")
    for words in (("send", "--to", "a@example.com"), ("batch", str(csv))):
        assert "hash_key: 257 octets" in up.mailgate(*words, "--text", "x", "--hash-key", too_long).stderr
    assert up.mailgate("get", "0192f0c1-7a3b-7c1d-9e2f-3a4b5c6d7e8f").returncode == 1
    stranger = up.mailgate("queue", "--key", "mg_stranger")
    assert stranger.returncode == 2
    assert "--key" in stranger.stderr
    assert up.mailgate("queue", "--address", "127.0.0.1:1", "--key", "x").returncode == 3


async def test_a_batch_is_mails_of_their_own(up: Up) -> None:
    """Each entry has a receipt or an error of its own; the good ones are delivered."""
    left = json.loads((up.data / "client.json").read_text())
    shared = Mail(Address("a@example.com"), content=Parts("x", "y"))
    entries = [BatchEntry(to=(Address(email),)) for email in ("one@example.com", "no address", "two@example.com")]
    async with GatewayClient(left["address"], left["key"]) as client:
        batch_id, results = await client.send_batch(shared, entries)
        first, wrong, second = results
        assert isinstance(first, Receipt)
        assert isinstance(wrong, Invalid)
        assert isinstance(second, Receipt)
        end = time.monotonic() + 20
        while not (status := await client.get(second.mail_id)).over:
            assert time.monotonic() < end
            await asyncio.sleep(0.05)
    assert status.batch_id == batch_id
    assert status.counts == {RecipientState.DELIVERED: 1}


def test_validating_sends_nothing(up: Up) -> None:
    """But says whether it would be taken."""
    before = json.loads(up.mailgate("inbox", "list", "--json").stdout)["stats"]["received"]
    assert up.mailgate("send", "--to", "v@example.com", "--text", "x", "--validate-only").stdout.startswith("valid")
    assert json.loads(up.mailgate("inbox", "list", "--json").stdout)["stats"]["received"] == before


def test_a_second_one_on_the_same_directory_is_refused(up: Up) -> None:
    """Before it touches anything."""
    left = (up.data / "client.json").read_text()
    second = run("up", "--data", str(up.data), *ANY_PORTS)
    assert second.returncode == 2
    assert "another `mailgate up` uses it" in second.stderr
    assert (up.data / "client.json").read_text() == left


@pytest.mark.parametrize("name", ["sender-1", "inbox", "gateway"])
def test_a_child_that_is_killed_starts_again(up: Up, name: str) -> None:
    """It is said, and mail goes on being delivered."""
    killed = up.pids[name]
    assert up.kill(name) != killed
    end = time.monotonic() + 30
    while (sent := up.mailgate(*SEND, "10")).returncode != 0:
        assert time.monotonic() < end, (sent.stdout, sent.stderr)
    assert "DELIVERED" in sent.stdout


def test_one_interrupt_stops_all_in_order(tmp_path: Path) -> None:
    """Exit code 0, nothing left running, and the next start delivers with the same key."""
    data = tmp_path / "data"
    with running(data, "--senders", "1") as first:
        key = json.loads((data / "client.json").read_text())["key"]
        first.process.send_signal(signal.SIGINT)
        first.hear("stopping")
        first.hear("stopped", 30)
        assert first.process.wait(10) == 0
        assert not [pid for pid in first.pids.values() if alive(pid)]
    with running(data, "--senders", "1") as second:
        assert json.loads((data / "client.json").read_text())["key"] == key
        assert second.mailgate(*SEND).returncode == 0
        assert (data / "logs" / "gateway.log.1").exists()


def test_when_it_is_killed_its_children_end_too(tmp_path: Path) -> None:
    """They see the end of their standard input."""
    with running(tmp_path / "data", "--senders", "1") as up:
        up.process.kill()
        up.process.wait()
        wait_gone(up.pids.values(), 16)


def test_taken_ports_are_named_with_their_flags(tmp_path: Path) -> None:
    """All at once, before anything starts: no directory is filled, no child runs."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        ports = [str(one.getsockname()[1]), str(two.getsockname()[1])]
        told = run(
            "up",
            "--data",
            str(tmp_path / "d"),
            "--port",
            ports[0],
            "--inbox-port",
            ports[1],
            "--metrics-port",
            "0",
            "--inbox-smtp-port",
            "0",
        )
    assert told.returncode == 2
    assert f"--port = {ports[0]}" in told.stderr
    assert f"--inbox-port = {ports[1]}" in told.stderr
    assert not (tmp_path / "d" / "settings.toml").exists()


def test_a_child_that_fails_at_its_start_shows_why(tmp_path: Path) -> None:
    """Its last words, not a hint to a log; exit code 1, and nothing stays."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "journal.db").write_bytes(b"this is no database" * 100)
    told = run("up", "--data", str(data), *ANY_PORTS, timeout=60)
    assert told.returncode == 1
    assert "the gateway ended" in told.stderr
    assert "Traceback" not in told.stderr


def test_no_command_leaves_a_traceback() -> None:
    """Whatever is wrong with the command line: one line, the right code."""
    wrong: list[tuple[tuple[str, ...], int]] = [
        (("sned",), 2),
        (("send", "--to", "a@example.com"), 2),
        (("send", "--lane", "fast"), 2),
        (("send", "--eml", "/nowhere"), 2),
        (("get", "nonsense"), 2),
        (("doubts", "resolve", "x"), 2),
        (("inbox", "show", "x"), 2),
        (("up", "--senders", "17"), 2),
        (("up", "--relay", "http://x"), 2),
        (("config", "check", "--config", "/nowhere"), 2),
        (("config", "key", "--scopes", "everything"), 2),
        (("queue", "--data", "/nowhere"), 3),
    ]
    for arguments, code in wrong:
        told = run(*arguments)
        assert (told.returncode, told.stdout) == (code, ""), arguments
        assert "Traceback" not in told.stderr
        assert told.stderr.startswith("mailgate"), told.stderr


def test_every_command_helps_with_an_example() -> None:
    """Also when nothing runs."""
    for command in (
        "up",
        "send",
        "get",
        "watch",
        "nodes",
        "queue",
        "doubts",
        "inbox list",
        "inbox show",
        "config check",
        "config key",
        "gateway",
        "sender",
    ):
        told = run(*command.split(), "--help")
        assert told.returncode == 0
        assert "Example" in told.stdout, command
        assert f"mailgate {command.split()[0]}" in told.stdout


def test_settings_are_checked_and_shown(tmp_path: Path) -> None:
    """All mistakes at once; what is right is shown with its defaults and without its secrets."""
    file = tmp_path / "x.toml"
    file.write_text(
        '[routes.out]\nrelays = ["smtp://h"]\nsecret = "s"\nusername = "u"\n[gateway]\nfleet_token = "geheim"\n[secrets]\ns = "geheim"\n'
    )
    assert run("config", "check", "--config", str(file)).returncode == 0
    shown = run("config", "show", "--config", str(file)).stdout
    assert "geheim" not in shown
    assert 'relays = ["smtp://h:25"]' in shown
    assert "max_recipients = 10000" in shown
    file.write_text('[routes.out]\nrelay = ["smtp://h"]\n[gateway]\nlisten = "0.0.0.0:1"\n[sender]\ngateway = []\n')
    checked = run("config", "check", "--config", str(file), "--json")
    assert checked.returncode == 2
    keys = [mistake["key"] for mistake in json.loads(checked.stdout)["error"]["mistakes"]]
    assert keys == ["routes.out.relays", "routes.out.relay", "gateway.listen", "sender.gateway"]
    file.write_text('[routes.out]\nrelays = ["smtp://h"]\n[certificates.partner]\nca = "/nowhere.pem"\n')
    checked = run("config", "check", "--config", str(file))
    assert checked.returncode == 2
    assert "certificates.partner.ca" in checked.stderr


def test_the_defaults_are_shown_before_there_is_a_file(tmp_path: Path) -> None:
    """As a file that settings are: a beginning of one's own."""
    file = tmp_path / "x.toml"
    file.write_text(run("config", "show").stdout)
    assert file.read_text().startswith("# No route is set: [routes.default] is an example.")
    assert run("config", "check", "--config", str(file)).returncode == 0
    shown = run("config", "show", "--json")
    assert shown.returncode == 0
    assert json.loads(shown.stdout)["routes"] == {}
    assert json.loads(shown.stdout)["gateway"]["listen"] == "127.0.0.1:8625"


def test_a_new_key_comes_with_its_settings() -> None:
    """The hash is the key's, and the settings take it."""
    made = json.loads(run("config", "key", "--tenant", "shop", "--json").stdout)
    assert made["hash"].startswith("sha256:")
    assert made["key"] not in json.dumps(made["hash"])
    shown = run("config", "key", "--tenant", "shop").stdout
    assert "[[tenants.shop.keys]]" in shown
    assert "[tenants.shop] may send only from its domains" in shown
    assert "domains" not in run("config", "key", "--tenant", "shop", "--scopes", "read").stdout
