"""The port of the ledger: the database of record. Promise 3 of the design in methods; `memory.py` is the reference.

The writing methods are plain functions that return an awaitable: the work is handed over, in the order of the calls, when the function
returns; the awaitable is done when it is durable. A caller that is cancelled does not undo its work. They raise, when awaited,
`StorageFull` (the work was not done, the ledger goes on) or `StorageBroken` (final).
"""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, Protocol

from mailgate.job import Fence, Job
from mailgate.mail import AttemptRecord, Lane, OnDoubt, Recipient, RecipientState


class MailRecord(NamedTuple):
    """What the ledger keeps of a mail, beside its jobs. `emails[i]` is the recipient with index i. Times: ms since the epoch."""

    id: bytes
    tenant: str
    batch_id: bytes | None
    accept_ms: int
    expire_ms: int
    lane: Lane
    on_doubt: OnDoubt
    tags: tuple[str, ...]
    metadata: Mapping[str, str]
    emails: tuple[str, ...]


class Claim(NamedTuple):
    """An idempotency key that a mail wants for itself, among its tenant's. `fingerprint` tells the same mail from another one."""

    key: str
    fingerprint: bytes
    until_ms: int
    """From then on the key is anybody's again."""


class Accepted(NamedTuple):
    """A mail and its jobs, to become durable together."""

    mail: MailRecord
    jobs: tuple[Job, ...]
    claim: Claim | None = None


class Earlier(NamedTuple):
    """The mail that a key belongs to already."""

    mail_id: bytes
    accept_ms: int
    fingerprint: bytes
    batch_id: bytes | None


class Begin(NamedTuple):
    """COMMIT wants to leave for this attempt: the row that only one may insert."""

    job: Job
    node_id: str
    node_boot: bytes
    at_ms: int


@dataclass(frozen=True, slots=True)
class OpenAttempt:
    """An attempt that was begun and not concluded: whoever finds it at start must ask the node."""

    job: Job
    node_id: str
    node_boot: bytes
    at_ms: int


LOST = "the node was lost after COMMIT: nobody can know whether the mail was taken"
"""The reason of a doubt that its node can still end. One that a verdict brought has the verdict's words, and its node has forgotten it."""


class Parked(IntEnum):
    """Why a job stays in the ledger though nothing is tried any more."""

    IN_DOUBT = 1
    DEAD = 2


class Change(NamedTuple):
    """The new state that these recipients of a job share. `attempt` None: no attempt brought it."""

    indexes: tuple[int, ...]
    state: RecipientState
    attempt: AttemptRecord | None = None
    next_attempt_ms: int | None = None


class Conclusion(NamedTuple):
    """What an attempt came to. A fence that is not the job's current one (or a job that is gone) makes it change nothing.

    Cases:
    - `remaining` None: the job is gone; every recipient that it still had is in `changes` with a final state.
    - `remaining` with `due_ms`: the job, as it goes on, waits until then; the queue brings it.
    - `remaining` without `due_ms`: the caller keeps it in hand as ready; the queue must not bring it again in this process's life.
    - `remaining` with `parked`: it stays, and nothing brings it. `reason` says why.
    In all cases an open attempt of `fence` is closed, except that a job parked IN_DOUBT keeps its node and time for ListDoubts.
    A change in `changes` raises the recipient's attempts to `attempt.number` where there is an attempt.
    """

    fence: Fence
    at_ms: int
    changes: tuple[Change, ...]
    remaining: Job | None = None
    due_ms: int | None = None
    parked: Parked | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A job as it stands in the ledger. `reason`: why it is parked."""

    job: Job
    parked: Parked | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class MailView:
    """A mail as a caller may see it; `counts` over all recipients."""

    mail: MailRecord
    """Its `emails` are empty here: recipients are paged."""
    counts: Mapping[RecipientState, int]


@dataclass(frozen=True, slots=True)
class DoubtView:
    """A job parked IN_DOUBT."""

    job: Job
    emails: tuple[str, ...]
    node_id: str
    start_ms: int
    reason: str


class Wait(NamedTuple):
    """What a recipient that is not final waits with: its job."""

    route: str
    losses: int = 0
    parked: Parked | None = None
    site_key: str = ""
    """What the job is counted by."""


class Expiring(NamedTuple):
    """Recipients that are deferred in a job parked IN_DOUBT, whose ttl is over: nobody would try them again. `reason`: of the doubt."""

    job: Job
    indexes: tuple[int, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class QueueCount:
    """What waits in a lane for a site. `oldest_ms`: when the oldest ready job became due; None when none is ready.

    One that is sent again at once, after a doubt, became due when it was accepted.
    """

    lane: Lane
    route: str
    site_key: str
    ready: int
    deferred: int
    oldest_ms: int | None


class Ledger(Protocol):
    """See the module. Queries see everything that is durable; they do not block the loop."""

    def accept(self, accepted: Sequence[Accepted]) -> Awaitable[Mapping[bytes, Earlier]]:
        """Mails, recipients (QUEUED), jobs and claims, all or none; but for mails whose key belongs to an earlier one.

        Those are not stored; the result names them by their id. Of two mails with one key that are handed in together the first has it.

        Raises:
            WrongState: one of the mails or jobs is there already; when awaited.
        """
        ...

    def begin(self, begins: Sequence[Begin]) -> Awaitable[frozenset[Fence]]:
        """Insert an open attempt for each fence *if absent*; the fences that this call inserted. The others belong to somebody else.

        A fence whose job is gone, parked, or has another current attempt is not won.
        """
        ...

    def note(self, begins: Sequence[Begin]) -> Awaitable[object]:
        """As `begin`, of COMMITs that have left: nobody waits for the rows. Those that are concluded within a moment may have none."""
        ...

    def retract(self, fences: Sequence[Fence]) -> Awaitable[None]:
        """Undo `begin`: the COMMIT certainly never left this gateway."""
        ...

    def record(self, conclusions: Sequence[Conclusion]) -> Awaitable[None]:
        """Apply conclusions in order."""
        ...

    def note_losses(self, losses: Mapping[bytes, int]) -> Awaitable[None]:
        """Set `Job.losses` of these jobs."""
        ...

    async def open_attempts(self) -> Sequence[OpenAttempt]:
        """Attempts begun and neither concluded nor parked. Their jobs are not brought by the queue. Asked once, at start."""
        ...

    async def find(self, job_ids: Iterable[bytes]) -> Mapping[bytes, Found]:
        """The jobs that still exist, as they stand: with the attempt to come or under way. For the rare case, not for the hot path."""
        ...

    async def due(self, now_ms: int, limit: int) -> Sequence[Job] | None:
        """Deferred jobs whose time has come, for the caller to put into the queue; each is given once.

        None: the queue reads the same tables and brings them itself; nobody need ask again.
        """
        ...

    async def mail(self, tenant: str, mail_id: bytes) -> MailView | None:
        """None: that tenant has no such mail."""
        ...

    async def recipients(self, mail_id: bytes, after: int, limit: int) -> Sequence[Recipient]:
        """At most `limit`, by index, with index > `after`. A queued one whose job has an open attempt is shown as SENDING."""
        ...

    async def waits(self, mail_id: bytes, indexes: Collection[int]) -> Mapping[int, Wait]:
        """For each of these recipients of the mail what its job says of it; one whose job is over is left out."""
        ...

    async def describe(self, mail_ids: Iterable[bytes]) -> Mapping[bytes, MailRecord]:
        """The records with all their emails, for events; unknown ones are left out."""
        ...

    async def doubts(self, after: bytes, limit: int) -> Sequence[DoubtView]:
        """Jobs parked IN_DOUBT, by id, with id > `after` (b"" for the first page)."""
        ...

    async def doubt(self, job_id: bytes) -> DoubtView | None:
        """None: no such job, or not parked IN_DOUBT."""
        ...

    async def lost_to(self, node_id: str, node_boot: bytes, after: bytes, limit: int) -> Sequence[Fence]:
        """Attempts begun at this boot of a node whose jobs are parked IN_DOUBT for LOST: by job id, with id > `after`."""
        ...

    async def expiring(self, now_ms: int, limit: int) -> Sequence[Expiring]:
        """Of jobs parked IN_DOUBT whose time is over, at most `limit` which still have DEFERRED recipients, by id."""
        ...

    async def counts(self, in_hand: Collection[bytes]) -> Sequence[QueueCount]:
        """By lane, route and site key what waits; parked jobs do not, nor do those `in_hand`: nodes have them, or had when lost."""
        ...

    async def parked(self) -> Mapping[Parked, int]:
        """How many jobs are parked, by why; a kind without any may be missing. Cheap: it is asked for at each scrape."""
        ...

    async def forget_keys(self, now_ms: int, limit: int) -> int:
        """Delete at most `limit` claims whose time was over before that; how many were deleted."""
        ...

    async def forget(self, before_ms: int, limit: int) -> int:
        """Retention: delete at most `limit` mails accepted before that which have no job any more; how many were deleted."""
        ...
