"""`mailgate batch` as a user runs it: to the end, interrupted, killed, and with the gateway killed under it. Nobody gets a mail twice."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from benchmarks.peers.fleet import KEY, Fleet
from benchmarks.peers.process import wait_until
from benchmarks.peers.witness import Witness

TEXT = "Dear {{ name }},\n\nyour code is {{ code }}.\n"
HTML = "<p>Dear {{ name }}, your code is <b>{{ code }}</b></p>"


@dataclass
class Stage:
    """A fleet before a witness that keeps what it takes, and a folder with a CSV."""

    witness: Witness
    fleet: Fleet
    folder: Path

    def rows(self, count: int) -> None:
        """Write the CSV."""
        with (self.folder / "people.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["email", "name", "code", "not used"])
            writer.writerows([f"p{number}@example.net", f"Zoë <{number}>", f"c{number}", "x" * 50] for number in range(count))

    def command(self, *more: str) -> list[str]:
        """The command line."""
        (self.folder / "text.txt").write_text(TEXT)
        (self.folder / "text.html").write_text(HTML)
        batch = ["batch", "people.csv", "--from", "news@example.com", "--subject", "For {{ name }}"]
        return [sys.executable, "-m", "mailgate.cli", *batch, "--text-file", "text.txt", "--html-file", "text.html", *more]

    def run(self, *more: str) -> subprocess.CompletedProcess[str]:
        """To its end."""
        return subprocess.run(self.command(*more), cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=90, check=False)

    def start(self) -> subprocess.Popen[str]:
        """In the background."""
        return subprocess.Popen(self.command(), cwd=self.folder, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    @property
    def env(self) -> dict[str, str]:
        """Where the gateway is; this tree's code in whatever folder."""
        root = str(Path(__file__).parents[2])
        return {**os.environ, "MAILGATE_ADDRESS": self.fleet.address, "MAILGATE_KEY": KEY, "PYTHONPATH": root}

    def results(self) -> list[dict[str, str]]:
        """The lines of the results file."""
        with (self.folder / "people.results.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def drained(self, mails: int) -> None:
        """The witness has so many, each once, and there are no more to come."""
        with self.fleet.door() as door:
            wait_until(lambda: door.waiting() == 0, f"it does not drain\n{self.fleet.tails()}", 60)
        assert self.witness.count() == mails
        assert self.witness.doubled() == {}
        assert len({seen.recipients for seen in self.witness.seen()}) == mails


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Of each test its own."""
    work = tmp_path / "work"
    work.mkdir()
    with Witness(tmp_path, keep=True) as witness, Fleet(tmp_path / "fleet", witness.port, senders=1) as fleet:
        yield Stage(witness, fleet, work)


def test_each_row_gets_its_own_mail(stage: Stage) -> None:
    """Rendered with its columns, escaped in HTML; the results file has a line for each; the same command again does nothing."""
    stage.rows(700)
    done = stage.run()
    assert (done.returncode, done.stdout) == (0, "700 accepted: see people.results.csv\n"), done.stderr
    stage.drained(700)
    for came in stage.witness.mails():
        message = message_from_bytes(came, policy=default)
        number = re.fullmatch(r"p(\d+)@example\.net", message["To"])[1]  # type: ignore[index]
        assert message["Subject"] == f"For Zoë <{number}>"
        text, html = [message.get_body(kind).get_content().replace("\r\n", "\n") for kind in (("plain",), ("html",))]  # type: ignore[union-attr]
        assert text == f"Dear Zoë <{number}>,\n\nyour code is c{number}.\n"
        assert html.strip() == f"<p>Dear Zoë &lt;{number}&gt;, your code is <b>c{number}</b></p>"
    lines = stage.results()
    assert [(line["line"], line["email"], line["status"]) for line in lines] == [
        (str(number + 2), f"p{number}@example.net", "ACCEPTED") for number in range(700)
    ]
    assert len({line["mail_id"] for line in lines}) == 700
    again = stage.run("--json")
    assert json.loads(again.stdout) == {"accepted": 0, "refused": 0, "bad": 0, "before": 700, "results": "people.results.csv"}
    stage.drained(700)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_and_given_again(stage: Stage, number: signal.Signals) -> None:
    """With Ctrl-C, or killed: the next one goes on, and what was answered and not written down is recognised."""
    stage.rows(6000)
    running = stage.start()
    results = stage.folder / "people.results.csv"
    wait_until(lambda: results.exists() and results.stat().st_size > 10_000, "no results are written", 30)
    running.send_signal(number)
    _, told = running.communicate(timeout=30)
    if number is signal.SIGINT:
        assert running.returncode == 130
        assert told == "interrupted: people.results.csv has what was answered; the same command goes on\n"
    before = len(stage.results())
    assert before < 6000, "the signal came too late"
    done = stage.run("--json")
    assert done.returncode == 0, done.stderr
    told_json = json.loads(done.stdout)
    assert told_json["accepted"] + told_json["before"] == 6000
    stage.drained(6000)
    assert len({line["email"] for line in stage.results()}) == 6000


def test_rows_from_a_pipe(stage: Stage) -> None:
    """Through a FIFO as large as no pipe is, and killed: the same rows in another pipe, and what was sent is not sent again."""
    stage.rows(6000)
    rows = (stage.folder / "people.csv").read_bytes()
    fifo = stage.folder / "people.fifo"
    os.mkfifo(fifo)
    results = stage.folder / "people.results.csv"
    given = [each if each != "people.csv" else "people.fifo" for each in stage.command("--results", results.name)]
    running = subprocess.Popen(given, cwd=stage.folder, env=stage.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    fifo.write_bytes(rows)
    wait_until(lambda: results.exists() and results.stat().st_size > 10_000, "no results are written", 30)
    running.kill()
    running.communicate(timeout=30)
    assert len(stage.results()) < 6000, "the signal came too late"
    given = [each if each != "people.csv" else "-" for each in stage.command("--results", results.name, "--json")]
    done = subprocess.run(given, cwd=stage.folder, env=stage.env, input=rows, capture_output=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["accepted"] + told["before"] == 6000
    stage.drained(6000)


def test_the_gateway_killed_under_it(stage: Stage) -> None:
    """Started again in time, the command ends well; else it says how to go on. Nothing is sent twice either way."""
    stage.rows(6000)
    running = stage.start()
    results = stage.folder / "people.results.csv"
    wait_until(lambda: results.exists() and results.stat().st_size > 10_000, "no results are written", 30)
    stage.fleet.gateway.kill()
    stage.fleet.gateway.start()
    stage.fleet.wait_ready()
    _, told = running.communicate(timeout=90)
    if running.returncode:
        assert running.returncode == 3, told
        assert "the same command goes on, and sends nothing twice" in told
        assert stage.run().returncode == 0
    stage.drained(6000)


def test_bad_rows_stop_it_before_anything_is_sent(stage: Stage) -> None:
    """Told by line; with --skip-bad the others go, and the results file says why these did not."""
    stage.rows(5)
    with (stage.folder / "people.csv").open("a", encoding="utf-8") as file:
        file.write("nonsense,N,1,\n,N,1,\np3@example.net,twice,1,\nshort@example.net,N\n")
    done = stage.run()
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == ("4 bad rows, 5 sound: nothing was sent. Mend them, or send to the sound ones with --skip-bad")
    assert done.stderr.startswith("people.csv, line 7: 'nonsense' is not an address")
    assert not (stage.folder / "people.results.csv").exists()
    dry = stage.run("--dry-run", "--json")
    assert dry.returncode == 1
    told = json.loads(dry.stdout)
    assert told["good"] == 5
    assert [bad["line"] for bad in told["bad"]] == [7, 8, 9, 10]
    assert [mail["subject"] for mail in told["mails"]] == ["For Zoë <0>", "For Zoë <1>", "For Zoë <2>"]
    done = stage.run("--skip-bad")
    assert (done.returncode, done.stdout) == (1, "5 accepted, 4 bad rows: see people.results.csv\n")
    assert [line["status"] for line in stage.results()] == ["BAD"] * 4 + ["ACCEPTED"] * 5
    stage.drained(5)


def test_a_text_that_asks_for_what_no_column_has(stage: Stage) -> None:
    """Every row is bad, and says what is missing."""
    stage.rows(2)
    done = stage.run("--header", "X-Note: none", "--dry-run", "--reply-to", "a@example.com")
    assert done.returncode == 0
    (stage.folder / "people.csv").write_text("email,name\na@example.net,A\n")
    done = stage.run("--dry-run")
    assert done.returncode == 1
    assert "line 2: the text needs code; the columns are email, name" in done.stdout
