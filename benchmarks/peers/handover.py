"""When the jobs of a node that was killed or stopped began on another one: from the gateway's log and the witness's records. Pure.

Times are seconds of time.monotonic().
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from .witness import Begun, Seen

LOSS_WITHIN = 5.0
"""Seconds after a strike in which the gateway has lost the node."""
BIN = 0.01
BEFORE, AFTER = 0.5, 1.5
"""Seconds of the curve around a strike."""


@dataclass(frozen=True, slots=True)
class Strike:
    """A signal to a node, and when the node began to come back."""

    node: str
    at: float
    until: float


@dataclass(frozen=True, slots=True)
class Said:
    """A line of the gateway's log."""

    at: float
    event: str
    node: str
    jobs: tuple[str, ...] = ()
    """Mails of the jobs that it names."""


@dataclass(frozen=True, slots=True)
class Handover:
    """A job that the node had uncommitted: how long after the strike another node began it with a server. None: none did."""

    mail_id: str
    strike: Strike
    after: float | None


def read_log(lines: Iterable[str], offset: float) -> list[Said]:
    """What a log in JSON says of nodes; `offset`: of time.monotonic() to the wall clock."""
    found = []
    for line in lines:
        if not line.startswith("{") or '"node"' not in line:
            continue
        told = json.loads(line)
        at = datetime.fromisoformat(told["timestamp"]).timestamp() - offset
        jobs = tuple([job.rpartition(".")[0] for job in str(told.get("jobs", "")).split()])
        found.append(Said(at, told["event"], str(told.get("node", "")), jobs))
    return found


def handovers(said: Iterable[Said], begun: Iterable[Begun], recipients: Mapping[str, str], strikes: Iterable[Strike]) -> list[Handover]:
    """Of all jobs that the gateway had, uncommitted, at the nodes that were struck. `recipients`: by mail_id, of its own each."""
    starts: dict[str, list[Begun]] = {}
    for each in begun:
        starts.setdefault(each.recipient, []).append(each)
    losses = [each for each in said if each.event == "jobs_go_elsewhere"]
    found = []
    for strike in strikes:
        lost = next((each for each in losses if each.node == strike.node and strike.at <= each.at <= strike.at + LOSS_WITHIN), None)
        for mail_id in lost.jobs if lost is not None else ():
            several = starts.get(recipients.get(mail_id, ""), [])
            after = [each.at - strike.at for each in several if each.at > strike.at and owner(each) != strike.node]
            found.append(Handover(mail_id, strike, min(after) if after else None))
    return found


def joins(said: Sequence[Said], first: Mapping[Strike, float | None]) -> list[float]:
    """Seconds from a node's registration, after each strike, to its `first` job; a node that is dialled before has its first one sooner."""
    found = []
    for strike, at in first.items():
        registered = next(
            (each.at for each in said if each.event == "node_registered" and each.node == strike.node and each.at > strike.until), None
        )
        if registered is not None:
            found.append(max(0.0, at - registered) if at is not None else float("inf"))
    return found


def owner(begun: Begun | Seen) -> str:
    """The node, by the name that it greeted with."""
    return begun.client.partition(".")[0]


def curve(seen: Iterable[Seen], strikes: Sequence[Strike]) -> list[tuple[float, float]]:
    """Mails taken a second, by 10 ms around a strike, as a mean over all of them: (middle of the bin after the strike, mails a second)."""
    bins = [0] * round((BEFORE + AFTER) / BIN)
    for one in seen:
        for strike in strikes:
            place = (one.at - strike.at + BEFORE) / BIN
            if 0 <= place < len(bins):
                bins[int(place)] += 1
    return [((place + 0.5) * BIN - BEFORE, count / BIN / max(1, len(strikes))) for place, count in enumerate(bins)]
