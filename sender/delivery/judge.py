"""What an end of a transaction, or a wait that was too long, means for the job. Pure."""

from __future__ import annotations

from mailgate.verdict import JobVerdict, NotTried, Outcome, Phase, RecipientVerdict, Tried
from sender.delivery.work import Line, Work
from sender.pool.relays import Trouble
from sender.smtp.verdicts import plain

UNREACHABLE_AFTER = 3.0
"""Seconds that a job waits while no relay of its route can be reached, before it gets that for its verdict. A relay rests less after its
first failed dial, so that a blink costs no attempt."""
PATIENCE = 30.0
"""Seconds that a job waits here for a connection, before the gateway gets it back."""
EARLY = frozenset({Phase.MAIL, Phase.RCPT, Phase.DATA})


def is_dead_connection(tried: Tried) -> bool:
    """The connection was lost before the server said anything on this mail, or it greeted the mail with 421."""
    return all(
        verdict.outcome is Outcome.DEFERRED and verdict.reply.phase in EARLY and verdict.reply.code in (0, 421)
        for verdict in tried.recipients
    )


def unknown(route: str) -> NotTried:
    """The verdict of a job whose route this node has not, or not any more."""
    return NotTried(f"the route {route!r} is not known here")


def unreachable(work: Work, trouble: Trouble, now: float) -> Tried:
    """The verdict of a job that found no relay: why, and for how long nobody will try."""
    indexes = tuple(recipient.index for recipient in work.handoff.recipients) if work.handoff else ()
    verdict = RecipientVerdict(indexes, Outcome.DEFERRED, trouble.reply._replace(text=plain(trouble.told(now).encode())))
    return Tried((verdict,), trouble.remote_host, trouble.remote_address)


def too_late(line: Line, trouble: Trouble | None, now: float) -> list[tuple[Work, JobVerdict]]:
    """Take out the jobs that have waited too long for a connection, each with its verdict. `trouble`: why the route has none."""
    late: list[tuple[Work, JobVerdict]] = []
    if trouble is not None and trouble.since <= now - UNREACHABLE_AFTER:
        late += [(work, unreachable(work, trouble, now)) for work in line.overdue(now - UNREACHABLE_AFTER)]
    return late + [(work, NotTried(f"no connection became free within {PATIENCE:g} s")) for work in line.overdue(now - PATIENCE)]
