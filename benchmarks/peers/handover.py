"""What became of a node's jobs when it was killed or stopped: from the witness's records. Pure. Times: seconds of time.monotonic()."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .witness import Begun, Seen

OPEN = 5.0
"""Seconds before a strike that an RCPT may be old to be in hand still."""
LATE = 0.5
"""Seconds that a dot may take from a dead node's socket into the record."""
BIN = 0.01
BEFORE, AFTER = 0.5, 1.5
"""Seconds of the curve around a strike."""


@dataclass(frozen=True, slots=True)
class Strike:
    """A signal to a node, and until when the node was gone."""

    node: str
    at: float
    until: float


@dataclass(frozen=True, slots=True)
class Handover:
    """A job that the node had begun and not ended: when another node began it, after the strike. None: nobody did."""

    recipient: str
    strike: Strike
    after: float | None


def handovers(begun: Sequence[Begun], seen: Sequence[Seen], strikes: Iterable[Strike]) -> list[Handover]:
    """Of every strike: the jobs that had reached a server through that node, and whose final dot never did.

    Each mail has one recipient, of its own. A job that the node had and told no server of yet is not seen here: it goes with the others.
    """
    starts: dict[str, list[Begun]] = {}
    for each in begun:
        starts.setdefault(each.recipient, []).append(each)
    ended = {(recipient, one.client.partition(".")[0]): one.at for one in seen for recipient in one.recipients}
    found = []
    for strike in strikes:
        for recipient, several in starts.items():
            if not any(owner(each) == strike.node and strike.at - OPEN < each.at <= strike.at for each in several):
                continue
            if (end := ended.get((recipient, strike.node))) is not None and end <= strike.at + LATE:
                continue
            others = [each.at for each in several if each.at > strike.at and owner(each) != strike.node]
            found.append(Handover(recipient, strike, min(others) - strike.at if others else None))
    return found


def owner(begun: Begun) -> str:
    """The node, by the name that it greeted with."""
    return begun.client.partition(".")[0]


def curve(seen: Iterable[Seen], strikes: Sequence[Strike]) -> list[tuple[float, float]]:
    """Mails taken a second, by 10 ms around a strike, as a mean over all of them: (middle of the bin after the strike, mails a second)."""
    bins = [0] * round((BEFORE + AFTER) / BIN)
    times = sorted(one.at for one in seen)
    for strike in strikes:
        for at in times:
            place = int((at - strike.at + BEFORE) / BIN) if at >= strike.at - BEFORE else -1
            if 0 <= place < len(bins):
                bins[place] += 1
    return [((place + 0.5) * BIN - BEFORE, count / BIN / max(1, len(strikes))) for place, count in enumerate(bins)]
