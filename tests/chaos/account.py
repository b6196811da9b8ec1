"""What became of every mail of a run: lost, doubled, excused, in doubt. Pure: from receipts, the witness's record, states and deaths."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import StrEnum

from benchmarks.peers.witness import Seen

LATE = 0.5
"""Seconds that bytes may take from a dead or stopped process's socket through the witness's own queue into its record."""


class How(StrEnum):
    """What was done to a process."""

    KILLED = "killed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Death:
    """A process that could not record what it did: from `at` until `gone` the signal was under way. Seconds of time.monotonic()."""

    process: str
    at: float
    gone: float
    how: How = How.KILLED


@dataclass
class Account:
    """The sums, and for each fault the mails that show it."""

    sent: int = 0
    """Mails that were vouched for."""
    unanswered: int = 0
    """Mails of failed calls: nobody was promised anything."""
    delivered: int = 0
    in_doubt: int = 0
    given_up: int = 0
    """DEAD under RESEND, after three nodes were killed with it in hand: it may have come."""
    excused: int = 0
    """Doubles whose former copy came from a node that was killed before its verdict could be recorded."""
    excused_stopped: int = 0
    """The same of a node that was stopped."""
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    contradicted: list[str] = field(default_factory=list)
    """GetMail says something else than what the witness saw, or nothing final."""
    widest: float = 0.0
    """Longest time from a former copy of an excused double to its node's death."""

    @property
    def clean(self) -> bool:
        """Nothing lost, nothing doubled without an excuse, no contradiction."""
        return not (self.lost or self.doubled or self.contradicted)

    def __str__(self) -> str:
        faults = [f"{name}: {', '.join(found[:5])}" for name, found in vars(self).items() if isinstance(found, list) and found]
        return "; ".join(faults) or "clean"


def account(
    accepted: Mapping[str, str],
    unanswered: AbstractSet[str],
    seen: Sequence[Seen],
    states: Mapping[str, str],
    deaths: Sequence[Death],
    *,
    hold: bool,
    window: float,
) -> Account:
    """Settle accounts when nothing waits any more.

    Args:
        accepted: recipient by mail_id, from receipts. Each mail has one recipient, of its own.
        unanswered: recipients of failed calls.
        seen: the witness's record.
        states: the state that GetMail gives, by mail_id; "NOT_FOUND" where it knows none.
        deaths: what was done to processes, named as they name themselves in EHLO up to the first dot.
        hold: the mails said HOLD: nothing may come twice, whatever died.
        window: seconds from a final dot to its record at most.
    """
    sums = Account(sent=len(accepted), unanswered=len(unanswered))
    copies: dict[str, list[Seen]] = defaultdict(list)
    for one in seen:
        for recipient in one.recipients:
            copies[recipient].append(one)
    for recipient, several in copies.items():
        if len(several) > 1:
            _judge_double(sums, recipient, sorted(several, key=lambda one: one.at), deaths, hold=hold, window=window)
    for mail_id, recipient in accepted.items():
        state, came = states.get(mail_id, "NOT_ASKED"), copies.get(recipient, [])
        if state == "DEAD" and not hold and came and all(_excuse(one, deaths, window) is not None for one in came):
            sums.given_up += 1
        else:
            _judge_mail(sums, mail_id, state, came, hold=hold)
    return sums


def _judge_double(sums: Account, recipient: str, several: list[Seen], deaths: Sequence[Death], *, hold: bool, window: float) -> None:
    """Each copy but the last needs an excuse: its node died before the record. Under HOLD there is none, nor for another Message-ID."""
    excuses = [_excuse(former, deaths, window) for former in several[:-1]]
    whole = [death for death in excuses if death is not None]
    if hold or len(whole) < len(excuses) or len({one.message_id for one in several}) > 1:
        trail = " ".join(f"{one.at:.3f} by {one.client.partition('.')[0]}" for one in several)
        near = sorted(deaths, key=lambda death: abs(death.at - several[0].at))[:2]
        told = " ".join(f"{death.process} {death.how} {death.at:.3f}–{death.gone:.3f}" for death in near)
        sums.doubled.append(f"{recipient} {several[0].message_id} at {trail} ({told})")
        return
    for former, death in zip(several, whole, strict=False):
        sums.widest = max(sums.widest, death.at - former.at)
        if death.how is How.KILLED:
            sums.excused += 1
        else:
            sums.excused_stopped += 1


def _excuse(former: Seen, deaths: Iterable[Death], window: float) -> Death | None:
    owner = former.client.partition(".")[0]
    for death in deaths:
        if death.process == owner and death.at - window <= former.at <= death.gone + LATE:
            return death
    return None


def _judge_mail(sums: Account, mail_id: str, state: str, copies: Sequence[Seen], *, hold: bool) -> None:
    if state == "DELIVERED":
        if copies:
            sums.delivered += 1
        else:
            sums.lost.append(f"{mail_id} is DELIVERED and never came")
    elif state == "IN_DOUBT" and hold:
        sums.in_doubt += 1
    elif not copies:
        sums.lost.append(f"{mail_id} is {state} and never came")
    else:
        sums.contradicted.append(f"{mail_id} is {state} and came {len(copies)} times")
