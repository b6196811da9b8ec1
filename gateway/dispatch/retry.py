"""What becomes of a job: from a verdict, a loss or the time, to a Conclusion for the ledger and the facts for watchers. Pure.

An invariant that much rests on: every recipient that remains in a job has had the same events, and each ruling gives each of them one
more, or none (RFC 5321 4.2.5 has the client try again per transaction, so what is deferred together stays together).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import NamedTuple

from gateway.dispatch.options import DispatchOptions
from gateway.ledger.fact import Fact
from gateway.ledger.port import LOST, Change, Conclusion, Parked
from mailgate.ids import mail_of
from mailgate.job import Job
from mailgate.mail import AttemptRecord, EventType, OnDoubt, RecipientState
from mailgate.verdict import Outcome, Phase, Reply, Tried

EVENT_OF = {
    RecipientState.DELIVERED: EventType.DELIVERED,
    RecipientState.BOUNCED: EventType.BOUNCED,
    RecipientState.DEFERRED: EventType.DEFERRED,
    RecipientState.EXPIRED: EventType.EXPIRED,
    RecipientState.IN_DOUBT: EventType.IN_DOUBT,
    RecipientState.DEAD: EventType.DEAD,
    RecipientState.QUEUED: EventType.RESENT,
}
SILENT = Reply(Phase.UNKNOWN, text="the node gave no outcome for this recipient", bounce_class="protocol")
UNKNOWN_END = Reply(Phase.BODY, text=LOST, bounce_class="node_lost")
UNREADABLE_END = Reply(Phase.BODY, text="the node's verdict is one that this gateway cannot read: run releases that go together")

GREYLISTED = "greylisted"
GREYLISTED_TRIES = 5
"""Attempts after which a greylisting server's word no longer makes a wait shorter."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits in milliseconds: `first` × 2 each time up to `longest`, stretched or shortened by up to the part `jitter`."""

    first: int
    longest: int
    jitter: float

    @classmethod
    def of(cls, options: DispatchOptions) -> Backoff:
        """The waits that these options ask for."""
        millisecond = timedelta(milliseconds=1)
        return cls(options.retry_first // millisecond, options.retry_max // millisecond, options.retry_jitter)

    def wait(self, attempt: int, random: float) -> int:
        """The wait after this attempt (1 for the first); `random` uniform in [0, 1)."""
        base = min(self.longest, self.first << min(attempt - 1, 30))
        return int(base * (1 + self.jitter * (2 * random - 1)))

    def after_hint(self, attempt: int, hints: Collection[int], random: float, *, greylisted: bool) -> int:
        """The wait where servers said when to come back (`hints`, not empty): never sooner than the last of them, nor than `wait`.

        Who only greylists is asked again when it said, though that be sooner than `wait`: it says no until then, and yes after it. Not for
        ever, since a server may say so each time.
        """
        hint = int(max(hints) * (1 + self.jitter * random))
        return hint if greylisted and attempt <= GREYLISTED_TRIES else max(hint, self.wait(attempt, random))


class Ruling(NamedTuple):
    """What the ledger must record of a job, and the job that is ready again at once in memory, if it is."""

    job: Job
    conclusion: Conclusion
    back: Job | None = None

    def facts(self) -> Iterator[Fact]:
        """Who watches must be told these: one for each recipient and change."""
        mail_id = mail_of(self.job.id)
        for change in self.conclusion.changes:
            for index in change.indexes:
                yield Fact(
                    self.job.tenant,
                    mail_id,
                    index,
                    self.job.events + 1,
                    EVENT_OF[change.state],
                    change.state,
                    self.conclusion.at_ms,
                    change.attempt,
                )


def conclude(job: Job, tried: Tried, node_id: str, now_ms: int, backoff: Backoff, random: float, *, may_expire: bool = True) -> Ruling:
    """The node tried: a ruling for each remaining recipient.

    - delivered or bounced: final;
    - deferred, or not mentioned: again after the backoff, or later where the server asks for that, or EXPIRED when the backoff is past the
      ttl and the time can be trusted (`may_expire`);
    - in doubt under RESEND: the same as deferred (a server that always closes after the dot must not get a copy a second);
    - in doubt under HOLD: the job is parked with it. What is deferred in the same job waits until the doubt is resolved, or expires.
    """
    if len(tried.recipients) == 1 and (only := tried.recipients[0]).outcome is Outcome.DELIVERED and only.indexes == job.recipients:
        delivered = Change(only.indexes, RecipientState.DELIVERED, attempt_record(job, only.reply, node_id, now_ms, tried))
        return Ruling(job, Conclusion(job.fence, now_ms, (delivered,)))  # what nearly every mail comes to
    return _conclude_each(job, tried, node_id, now_ms, _due(job, tried, now_ms, backoff, random), may_expire)


def _due(job: Job, tried: Tried, now_ms: int, backoff: Backoff, random: float) -> int:
    """When what is deferred is tried again. A server that asks for more than the ttl has left is asked sooner: else it would never be."""
    due_ms = now_ms + backoff.wait(job.attempt, random)
    deferred = [verdict.reply for verdict in tried.recipients if verdict.outcome is Outcome.DEFERRED]
    if not (hints := [reply.retry_after * 1000 for reply in deferred if reply.retry_after]):
        return due_ms
    greylisted = all(reply.bounce_class == GREYLISTED and reply.retry_after for reply in deferred)
    hinted_ms = now_ms + backoff.after_hint(job.attempt, hints, random, greylisted=greylisted)
    return hinted_ms if hinted_ms < job.expire_ms else due_ms


def _conclude_each(job: Job, tried: Tried, node_id: str, now_ms: int, due_ms: int, may_expire: bool) -> Ruling:
    by_outcome: dict[Outcome, list[tuple[tuple[int, ...], Reply]]] = {outcome: [] for outcome in Outcome}
    missing = set(job.recipients)
    for verdict in tried.recipients:
        if indexes := tuple(index for index in dict.fromkeys(verdict.indexes) if index in missing):
            missing.difference_update(indexes)
            by_outcome[verdict.outcome].append((indexes, verdict.reply))
    if missing:
        by_outcome[Outcome.DEFERRED].append((tuple(sorted(missing)), SILENT))

    def attempt(reply: Reply) -> AttemptRecord:
        return attempt_record(job, reply, node_id, now_ms, tried)

    changes = [Change(indexes, RecipientState.DELIVERED, attempt(reply)) for indexes, reply in by_outcome[Outcome.DELIVERED]]
    changes += [Change(indexes, RecipientState.BOUNCED, attempt(reply)) for indexes, reply in by_outcome[Outcome.BOUNCED]]
    deferred, doubtful = by_outcome[Outcome.DEFERRED], by_outcome[Outcome.IN_DOUBT]
    if doubtful and job.on_doubt is OnDoubt.HOLD:
        changes += [Change(indexes, RecipientState.IN_DOUBT, attempt(reply)) for indexes, reply in doubtful]
        changes += [Change(indexes, RecipientState.DEFERRED, attempt(reply)) for indexes, reply in deferred]
        return park(job, changes, Parked.IN_DOUBT, doubtful[0][1].text, now_ms)
    again = deferred + doubtful
    if not again:
        return Ruling(job, Conclusion(job.fence, now_ms, tuple(changes)))
    if may_expire and due_ms >= job.expire_ms:
        changes += [Change(indexes, RecipientState.EXPIRED, attempt(reply)) for indexes, reply in again]
        return Ruling(job, Conclusion(job.fence, now_ms, tuple(changes)))
    changes += [Change(indexes, RecipientState.DEFERRED, attempt(reply), due_ms) for indexes, reply in again]
    remaining = replace(go_on(job, (index for indexes, _ in again for index in indexes)), source=tried.source)
    return Ruling(job, Conclusion(job.fence, now_ms, tuple(changes), remaining, due_ms))


def decide_doubt(job: Job, node_id: str, begun_ms: int, now_ms: int, losses_dead: int, end: Reply = UNKNOWN_END) -> Ruling:
    """It was committed, and nobody can know its `end`, mostly since the node is gone: as the mail's `on_doubt` says.

    What is resent counts the loss too: a mail that kills its node after COMMIT must not walk through the fleet either.
    `losses_dead`: the loss with which it is given up.
    """
    attempt = attempt_record(job, end, node_id, now_ms, Tried((), duration_us=max(0, now_ms - begun_ms) * 1000))
    if job.on_doubt is OnDoubt.HOLD:
        return park(job, [Change(job.recipients, RecipientState.IN_DOUBT, attempt)], Parked.IN_DOUBT, end.text, now_ms)
    lost = replace(job, losses=job.losses + 1)
    return resend(lost, attempt, now_ms) if lost.losses < losses_dead else bury_lost(lost, now_ms)


def resend(job: Job, attempt: AttemptRecord | None, now_ms: int) -> Ruling:
    """Send again, at once, under a new attempt."""
    changes = [Change(job.recipients, RecipientState.QUEUED, attempt)]
    remaining = go_on(job, job.recipients)
    return Ruling(job, Conclusion(job.fence, now_ms, tuple(changes), remaining), back=remaining)


def resolve(job: Job, indexes: tuple[int, ...], state: RecipientState, now_ms: int) -> Ruling:
    """An operator knows better: these recipients of a parked job are DELIVERED or BOUNCED; what else the job has is ready again."""
    changes = [Change(indexes, state)]
    rest = tuple(index for index in job.recipients if index not in indexes)
    remaining = replace(go_on(job, rest), events=job.events) if rest else None
    return Ruling(job, Conclusion(job.fence, now_ms, tuple(changes), remaining), back=remaining)


def expire(job: Job, now_ms: int) -> Ruling:
    """Its ttl has passed while it waited."""
    changes = [Change(job.recipients, RecipientState.EXPIRED)]
    return Ruling(job, Conclusion(job.fence, now_ms, tuple(changes)))


def expire_beside(job: Job, indexes: tuple[int, ...], reason: str, now_ms: int) -> Ruling:
    """The ttl of what was deferred in the same transaction as a doubt has passed: the doubt stays parked, as it was."""
    left = tuple(index for index in job.recipients if index not in indexes)
    changes = (Change(indexes, RecipientState.EXPIRED),)
    return Ruling(
        job, Conclusion(job.fence, now_ms, changes, replace(job, recipients=left, partial=True), parked=Parked.IN_DOUBT, reason=reason)
    )


def bury(job: Job, reason: str, now_ms: int) -> Ruling:
    """Give it up: DEAD. It stays in the ledger, with its content."""
    attempt = attempt_record(job, Reply(Phase.UNKNOWN, text=reason, bounce_class="dead"), "", now_ms, Tried(()))
    return park(job, [Change(job.recipients, RecipientState.DEAD, attempt)], Parked.DEAD, reason, now_ms)


def bury_lost(job: Job, now_ms: int) -> Ruling:
    """One loss too many."""
    return bury(job, f"{job.losses} nodes were lost with this job in hand (NODE_LOST)", now_ms)


def postpone(job: Job, due_ms: int, now_ms: int) -> Ruling:
    """A node would not try it: no attempt, no event; again at that time."""
    return Ruling(job, Conclusion(job.fence, now_ms, (), job, due_ms))


def park(job: Job, changes: list[Change], parked: Parked, reason: str, now_ms: int) -> Ruling:
    """Nothing more is tried; the recipients whose state is not final stay in the job, under the same attempt."""
    kept = [index for change in changes if change.state in (RecipientState.IN_DOUBT, RecipientState.DEFERRED) for index in change.indexes]
    remaining = replace(go_on(job, kept or job.recipients), attempt=job.attempt)
    return Ruling(job, Conclusion(job.fence, now_ms, tuple(changes), remaining, parked=parked, reason=reason))


def go_on(job: Job, recipients: Iterable[int]) -> Job:
    """The job under its next attempt, with these recipients, each of which has had one event more."""
    left = tuple(sorted(recipients))
    return replace(
        job,
        recipients=left,
        partial=job.partial or len(left) < len(job.recipients),
        attempt=job.attempt + 1,
        events=job.events + 1,
    )


def attempt_record(job: Job, reply: Reply, node_id: str, now_ms: int, tried: Tried) -> AttemptRecord:
    """The attempt as the ledger keeps it."""
    duration_ms = tried.duration_us / 1000
    return AttemptRecord(
        number=job.attempt,
        start_ms=now_ms - int(duration_ms),
        duration_ms=duration_ms,
        node_id=node_id,
        site=job.site_key,
        remote_host=tried.remote_host,
        remote_address=tried.remote_address,
        phase=reply.phase,
        code=reply.code,
        enhanced_code=reply.enhanced_code,
        text=reply.text,
        bounce_class=reply.bounce_class,
        tls=tried.tls,
        source=tried.source,
    )
