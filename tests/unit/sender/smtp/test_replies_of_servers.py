"""What well-known servers say, as they published it: tests/data/replies.txt, with the source of each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from mailgate.classes import CLASSES
from mailgate.verdict import Outcome, Phase
from sender.smtp.replies import ServerReply
from sender.smtp.verdicts import outcome_of, understand

FILE = Path(__file__).parents[3] / "data" / "replies.txt"
LINE = re.compile(
    r"(?P<phase>[A-Z]+) (?P<outcome>\w+) (?P<name>[\w-]+)(?:\+(?P<hint>\d+))? (?P<code>\d{3}) (?P<text>.*?)(?: @(?P<path>mail\S+))?"
)


class Known(NamedTuple):
    """A reply, and what it comes to."""

    source: str
    phase: Phase
    said: ServerReply
    outcome: Outcome
    bounce_class: str
    retry_after: int


def read() -> list[Known]:
    """All of the file; a line that is none of its forms is a mistake."""
    found, source = [], ""
    for line in filter(None, FILE.read_text(encoding="utf-8").splitlines()):
        if line.startswith("= "):
            source = line[2:]
        elif not line.startswith("#"):
            row = LINE.fullmatch(line)
            assert row is not None, line
            text = row["text"].replace("\\n", "\n").encode()
            outcome = Outcome[row["outcome"].upper()]
            name = "" if row["name"] == "-" else row["name"]
            found.append(Known(source, Phase[row["phase"]], ServerReply(int(row["code"]), text), outcome, name, int(row["hint"] or 0)))
    return found


KNOWN = read()


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: f"{known.said.code} {known.said.text[:40].decode()}")
def test_a_known_reply(known: Known) -> None:
    """The outcome follows the code (RFC 5321 4.2.1), the class follows what is said, a time is heard where one is named."""
    reply = understand(known.phase, known.said)
    assert (outcome_of(known.phase, reply), reply.bounce_class, reply.retry_after) == (known.outcome, known.bounce_class, known.retry_after)


def test_there_are_enough_of_them() -> None:
    """Of every class that a server's reply can have, and each with its source."""
    assert len(KNOWN) > 250
    assert all(known.source.startswith(("https://", "http://")) for known in KNOWN)
    assert {known.bounce_class for known in KNOWN} == {"", *CLASSES} - {"content", "node_lost", "dead"}
