"""What an end of a transaction, or a wait that was too long, means for the job. Pure."""

from __future__ import annotations

from math import inf

from mailgate.verdict import JobVerdict, NotTried, Outcome, Phase, RecipientVerdict, Tried
from sender.delivery.work import Line, Work
from sender.pool.path import Path
from sender.pool.relays import Trouble, spurned
from sender.smtp.verdicts import plain

UNREACHABLE_AFTER = 3.0
"""Seconds that a job waits while no relay of its route can be reached, before it gets that for its verdict. A relay rests less after its
first failed dial, so that a blink costs no attempt."""
PATIENCE = 30.0
"""Seconds that a job waits here for a connection, before the gateway gets it back."""
TRIES = 2
"""A connection that turns out to be dead, before the server said a word on the mail, costs a mail no attempt but the second time."""
EARLY = frozenset({Phase.MAIL, Phase.RCPT, Phase.DATA})


def is_dead_connection(tried: Tried) -> bool:
    """The connection was lost before the server said anything on this mail, or it greeted the mail with 421."""
    return all(
        verdict.outcome is Outcome.DEFERRED and verdict.reply.phase in EARLY and verdict.reply.code in (0, 421)
        for verdict in tried.recipients
    )


def goes_again(work: Work, tried: Tried, path: Path | None) -> bool:
    """Nothing was said on this mail, or another relay may take it: no attempt is over."""
    if work.committed:
        return False
    if work.tries < TRIES and is_dead_connection(tried):
        return True
    return path is not None and work.tries < len(path.route.relays) and spurned(path.route, tried.recipients)


def unknown(route: str) -> NotTried:
    """The verdict of a job whose route this node has not, or not any more."""
    return NotTried(f"the route {route!r} is not known here")


def without_source(route: str) -> NotTried:
    """The verdict of a job whose route asks for sources that this node has not."""
    return NotTried(f"this node has none of the sources that the route {route!r} asks for")


def unreachable(work: Work, trouble: Trouble, now: float) -> Tried:
    """The verdict of a job that found no relay: why, and for how long nobody will try."""
    indexes = tuple(recipient.index for recipient in work.handoff.recipients) if work.handoff else ()
    verdict = RecipientVerdict(indexes, Outcome.DEFERRED, trouble.reply._replace(text=plain(trouble.told(now).encode())))
    return Tried((verdict,), trouble.remote_host, trouble.remote_address, source=work.handoff.source if work.handoff else "")


def too_late(line: Line, trouble: Trouble | None, now: float) -> list[tuple[Work, JobVerdict]]:
    """Take out the jobs that have waited too long for a connection, each with its verdict. `trouble`: why the route has none.

    Where it is this node that has none, and will have none soon, every moment is too long. It does not call that its own fault: for that it
    would be ejected, which is of all routes.
    """
    late: list[tuple[Work, JobVerdict]] = []
    if trouble is not None and trouble.of_node and now < trouble.rests_until:
        return [(work, NotTried(trouble.told(now))) for work in line.overdue(inf)]
    if trouble is not None and trouble.since <= now - UNREACHABLE_AFTER:
        late += [(work, unreachable(work, trouble, now)) for work in line.overdue(now - UNREACHABLE_AFTER)]
    return late + [(work, NotTried(f"no connection became free within {PATIENCE:g} s")) for work in line.overdue(now - PATIENCE)]
