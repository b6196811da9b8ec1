"""Mails, jobs and conclusions for the suites: every value can be told from every other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import count

from gateway.ledger.port import Accepted, Begin, Change, Conclusion, MailRecord, Parked
from mailgate.ids import job_id, new_id
from mailgate.job import Job
from mailgate.mail import AttemptRecord, Lane, OnDoubt, RecipientState

START_MS = 1_790_000_000_000
TTL_MS = 48 * 3_600_000
_serial = count(1)


class Clock:
    """Milliseconds since the epoch, moved by hand."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms

    def advance(self, ms: int) -> None:
        """Let time pass, or go back."""
        self.now_ms += ms


def accepted(
    now_ms: int,
    *,
    recipients: int = 1,
    jobs: int = 1,
    tenant: str = "acme",
    lane: Lane = Lane.BULK,
    route: str = "default",
    key: str = "default",
    on_doubt: OnDoubt = OnDoubt.RESEND,
    content: bytes | None = None,
    batch_id: bytes | None = None,
) -> Accepted:
    """A mail whose recipients are dealt out to its jobs in turn."""
    number = next(_serial)
    mail_id = new_id(now_ms, bytes(3) + number.to_bytes(7, "big"))
    body = f"content {number}".encode() if content is None else content
    record = MailRecord(
        id=mail_id,
        tenant=tenant,
        batch_id=batch_id,
        accept_ms=now_ms,
        expire_ms=now_ms + TTL_MS,
        lane=lane,
        on_doubt=on_doubt,
        tags=("spring", f"n{number}"),
        metadata={"order": str(number), "ключ": "значение"},
        emails=tuple(f"r{index}.{number}@example.com" for index in range(recipients)),
    )
    return Accepted(
        record,
        tuple(
            Job(
                id=job_id(mail_id, ordinal),
                tenant=tenant,
                lane=lane,
                route=route,
                site_key=key,
                on_doubt=on_doubt,
                envelope=f"envelope {number}.{ordinal}\0".encode(),
                content_id=body[:32].ljust(32, b"\0"),
                content=body,
                recipients=tuple(range(ordinal, recipients, jobs)),
                accept_ms=now_ms,
                expire_ms=now_ms + TTL_MS,
            )
            for ordinal in range(jobs)
        ),
    )


def many(count_: int, now_ms: int, **options: object) -> list[Accepted]:
    """Several such mails."""
    return [accepted(now_ms, **options) for _ in range(count_)]  # type: ignore[arg-type]


def jobs_of(mails: Iterable[Accepted]) -> list[Job]:
    """Their jobs, in order."""
    return [job for each in mails for job in each.jobs]


def begin(job: Job, at_ms: int, node: str = "node-1") -> Begin:
    """COMMIT wants to leave for the job."""
    return Begin(job, node, b"boot of " + node.encode(), at_ms)


def attempt(number: int, at_ms: int, code: int = 250) -> AttemptRecord:
    """A full record of an attempt."""
    return AttemptRecord(
        number=number,
        start_ms=at_ms - 20,
        duration_ms=12.5,
        node_id="node-1",
        site="default",
        remote_host="mx.example.com",
        remote_address="192.0.2.1",
        phase=8,
        code=code,
        enhanced_code="2.0.0",
        text=f"{code} Ok: queued ✓",
        bounce_class="" if code < 400 else "busy",
        tls="TLSv1.3",
    )


def delivered(job: Job, at_ms: int, indexes: Sequence[int] | None = None) -> Conclusion:
    """Every remaining recipient was delivered, or the given ones were and the others bounced."""
    got = job.recipients if indexes is None else tuple(indexes)
    lost = tuple(index for index in job.recipients if index not in got)
    changes = [Change(got, RecipientState.DELIVERED, attempt(job.attempt, at_ms))]
    if lost:
        changes.append(Change(lost, RecipientState.BOUNCED, attempt(job.attempt, at_ms, 550)))
    return Conclusion(job.fence, at_ms, tuple(changes))


def deferred(job: Job, at_ms: int, due_ms: int | None, still: Sequence[int] | None = None) -> Conclusion:
    """The recipients in `still` (all, when None) wait for another attempt; the others were delivered."""
    left = job.recipients if still is None else tuple(still)
    gone = tuple(index for index in job.recipients if index not in left)
    changes = [Change(left, RecipientState.DEFERRED, attempt(job.attempt, at_ms, 451), due_ms)]
    if gone:
        changes.append(Change(gone, RecipientState.DELIVERED, attempt(job.attempt, at_ms)))
    remaining = replace(job, recipients=left, partial=job.partial or bool(gone), attempt=job.attempt + 1, events=job.events + 1)
    return Conclusion(job.fence, at_ms, tuple(changes), remaining, due_ms)


def untried(job: Job, at_ms: int) -> Conclusion:
    """No node tried: the holder keeps it as ready, and no attempt is counted."""
    return Conclusion(job.fence, at_ms, (), job)


def parked(job: Job, at_ms: int, why: Parked) -> Conclusion:
    """It stays, and nothing brings it."""
    state = RecipientState.IN_DOUBT if why is Parked.IN_DOUBT else RecipientState.DEAD
    change = Change(job.recipients, state, attempt(job.attempt, at_ms, 0) if why is Parked.IN_DOUBT else None)
    return Conclusion(job.fence, at_ms, (change,), replace(job, events=job.events + 1), parked=why, reason=f"{why.name} of {job.attempt}")


Room = Callable[[Lane, str], int]


def plenty(_lane: Lane, _key: str) -> int:
    """Room for whatever there is."""
    return 100_000
