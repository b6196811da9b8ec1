"""What an end of a transaction means for the job. Pure."""

from __future__ import annotations

from mailgate.verdict import Outcome, Phase, RecipientVerdict, Tried
from sender.delivery.work import Work
from sender.pool.relays import Trouble

EARLY = frozenset({Phase.MAIL, Phase.RCPT, Phase.DATA})


def is_dead_connection(tried: Tried) -> bool:
    """The connection was lost before the server said anything on this mail, or it greeted the mail with 421."""
    return all(
        verdict.outcome is Outcome.DEFERRED and verdict.reply.phase in EARLY and verdict.reply.code in (0, 421)
        for verdict in tried.recipients
    )


def unreachable(work: Work, trouble: Trouble) -> Tried:
    """The verdict of a job that found no relay."""
    indexes = tuple(recipient.index for recipient in work.handoff.recipients) if work.handoff else ()
    verdict = RecipientVerdict(indexes, Outcome.DEFERRED, trouble.reply)
    return Tried((verdict,), trouble.remote_host, trouble.remote_address)
