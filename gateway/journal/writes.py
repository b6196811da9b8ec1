"""Work turned into statements, for the writer's connection inside its transaction. A stage's works of one rank are done at once."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import repeat

import apsw

from gateway.journal.claims import claim
from gateway.journal.pieces import keep
from gateway.journal.rows import JOB, MAIL, attempt_values, indexes_blob, job_row, mail_row
from gateway.journal.statements import Row, fetch, statements
from gateway.journal.work import AcceptWork, BeginWork, ErrandWork, LossesWork, Rank, RecordWork, RetractWork, Work
from gateway.ledger.port import Change, Conclusion, Parked
from mailgate.ids import mail_of
from mailgate.job import Fence, Job
from mailgate.mail import RecipientState

ACCEPTED = int(RecipientState.QUEUED)


@dataclass(slots=True)
class _Gone:
    """What a set of conclusions removes and leaves, gathered for few statements."""

    jobs: list[bytes] = field(default_factory=list)
    attempts: list[bytes] = field(default_factory=list)
    solo: list[int] = field(default_factory=list)
    shared: Counter[int] = field(default_factory=Counter)
    tried: list[Row] = field(default_factory=list)
    sourced: list[Row] = field(default_factory=list)
    """As `tried`, with what the attempt was sent from: most have nothing, and need not pay for the column."""
    untried: list[Row] = field(default_factory=list)
    kept: list[Row] = field(default_factory=list)


class Writes:
    """Does works on a connection. `content` and `claim` are the last numbers used; gaps are harmless."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._content: int = fetch(connection, "select coalesce(max(no), 0) from content")[0][0]
        self._claim: int = fetch(connection, "select coalesce(max(claim), 0) from attempt")[0][0]

    def stage(self, works: dict[Rank, list[Work]]) -> dict[Work, object]:
        """Do a stage (see work.stages); the results of those that have one."""
        results: dict[Work, object] = {}
        for rank in sorted(works):
            match rank:
                case Rank.ACCEPT:
                    results.update(self._accept([work for work in works[rank] if isinstance(work, AcceptWork)]))
                case Rank.BEGIN:
                    results.update(self._begin([work for work in works[rank] if isinstance(work, BeginWork)]))
                case Rank.RETRACT:
                    self._retract([fence for work in works[rank] if isinstance(work, RetractWork) for fence in work.fences])
                case Rank.RECORD:
                    self._record_all([work for work in works[rank] if isinstance(work, RecordWork)])
                case Rank.LOSSES:
                    self._note_losses([row for work in works[rank] if isinstance(work, LossesWork) for row in work.losses.items()])
                case Rank.ERRAND:
                    results.update((work, work.run(self._connection)) for work in works[rank] if isinstance(work, ErrandWork))
        return results

    def _run(self, head: str, rows: Sequence[Row], tail: str = "") -> None:
        for text, values in statements(head, rows, tail):
            self._connection.execute(text, values)

    def _delete(self, text: str, ids: Sequence[bytes]) -> None:
        if ids:
            self._connection.execute(text, (apsw.carray(tuple(ids)),))

    def _accept(self, works: Sequence[AcceptWork]) -> Iterable[tuple[Work, object]]:
        claim(self._connection, works)
        keep(self._connection, works)
        mails: list[Row] = []
        recipients: list[Row] = []
        jobs: list[Row] = []
        contents: list[Row] = []
        for work in works:
            uses = Counter(job.content_id for each in work.accepted if each.mail.id not in work.refused for job in each.jobs)
            numbers: dict[bytes, int] = {}
            for each, positions in zip(work.accepted, work.positions, strict=True):
                mail = each.mail
                if mail.id in work.refused:
                    continue
                mails.append(mail_row(mail))
                recipients += zip(repeat(mail.id), range(len(mail.emails)), mail.emails, repeat(ACCEPTED), repeat(mail.accept_ms))
                for job, position in zip(each.jobs, positions, strict=True):
                    number = numbers.get(job.content_id)
                    if number is None:
                        self._content += 1
                        number = numbers[job.content_id] = self._content
                        digests = b"".join([file.digest for file in job.files]) if job.files else None
                        contents.append((number, uses[job.content_id], job.content, digests))
                    jobs.append(job_row(job, position, number, uses[job.content_id] == 1))
        self._run("insert into content(no, refs, body, files) values", contents)
        self._run(f"insert into mail({MAIL}) values", mails)
        self._run("insert into recipient(mail, idx, email, state, update_ms) values", recipients)
        self._run(f"insert into job({JOB}) values", jobs)
        return [(work, work.refused) for work in works]

    def _begin(self, works: Sequence[BeginWork]) -> Iterable[tuple[Work, frozenset[Fence]]]:
        self._claim = claim = self._claim + 1
        rows = [
            (begin.job.id, begin.job.attempt, begin.node_id, begin.node_boot, begin.at_ms, claim) for work in works for begin in work.begins
        ]
        inserted = 0
        for text, values in statements("insert into attempt select v.* from (values", rows, _BEGIN_TAIL):
            self._connection.execute(text, values)
            inserted += self._connection.changes()
        asked = [(work, frozenset(begin.job.fence for begin in work.begins)) for work in works]
        if inserted == len(rows):
            return asked
        won = fetch(self._connection, "select job, attempt from attempt where claim = ?", (claim,))
        ours = {Fence(job, attempt) for job, attempt in won}
        return [(work, fences & ours) for work, fences in asked]

    def _retract(self, fences: Sequence[Fence]) -> None:
        head = "delete from attempt where (job, attempt) in (values"
        self._run(head, fences, ") and not exists (select 1 from job where id = job and parked is not null)")

    def _note_losses(self, losses: Sequence[tuple[bytes, int]]) -> None:
        self._run("update job set losses = v.column2 from (values", losses, ") v where id = v.column1")

    def _record_all(self, works: Sequence[RecordWork]) -> None:
        pairs = [pair for work in works for pair in zip(work.conclusions, work.positions, strict=True)]
        while pairs:
            first: dict[bytes, tuple[Conclusion, int | None]] = {}
            later = []
            for pair in pairs:
                if first.setdefault(pair[0].fence.job_id, pair) is not pair:
                    later.append(pair)
            self._record(list(first.values()))
            pairs = later

    def _record(self, pairs: Sequence[tuple[Conclusion, int | None]]) -> None:
        gone = _Gone()
        rows = [(conclusion.fence.job_id, conclusion.fence.attempt, number) for number, (conclusion, _) in enumerate(pairs)]
        for text, values in statements(_CURRENT_HEAD, rows, _CURRENT_TAIL):
            ((current,),) = fetch(self._connection, text, values)
            for fact in (current or "").split():
                number, content, solo = map(int, fact.split(":"))
                _gather(gone, *pairs[number], content, solo)
        self._run(_TRIED_HEAD, gone.tried, _TRIED_TAIL)
        self._run(_SOURCED_HEAD, gone.sourced, _TRIED_TAIL)
        self._run(_UNTRIED_HEAD, gone.untried, _UNTRIED_TAIL)
        self._run(_KEPT_HEAD, gone.kept, _KEPT_TAIL)
        self._delete("delete from attempt where job in (select value from carray(?))", gone.attempts)
        self._delete("delete from job where id in (select value from carray(?))", gone.jobs)
        self._release(gone)

    def _release(self, gone: _Gone) -> None:
        if gone.solo:
            numbers = apsw.carray(array("q", gone.solo))
            self._connection.execute("delete from content where no in (select value from carray(?))", (numbers,))
        if gone.shared:
            self._run("update content set refs = refs - v.column2 from (values", list(gone.shared.items()), ") v where no = v.column1")
            numbers = apsw.carray(array("q", gone.shared))
            self._connection.execute("delete from content where no in (select value from carray(?)) and refs <= 0", (numbers,))


_BEGIN_TAIL = ") v cross join job j where j.id = v.column1 and j.attempt = v.column2 and j.parked is null on conflict do nothing"
_CURRENT_HEAD = "select group_concat(v.column3 || ':' || j.content || ':' || j.solo, ' ') from (values"
_CURRENT_TAIL = ") v cross join job j where j.id = v.column1 and j.attempt = v.column2"
_TRIED = (
    "state update_ms next_ms number start_ms duration_ms node_id site remote_host remote_address phase code "
    "enhanced_code text bounce_class tls"
)
_SET_TRIED = "update recipient set attempts = max(attempts, v.column6), " + ", ".join(  # noqa: S608
    f"{name} = v.column{at}" for at, name in enumerate(_TRIED.split(), 3)
)
_TRIED_HEAD = f"{_SET_TRIED}, source = null from (values"
_SOURCED_HEAD = f"{_SET_TRIED}, source = v.column{len(_TRIED.split()) + 3} from (values"
_TRIED_TAIL = ") v where mail = v.column1 and idx = v.column2"
_UNTRIED_HEAD = "update recipient set state = v.column3, update_ms = v.column4, next_ms = v.column5 from (values"
_UNTRIED_TAIL = _TRIED_TAIL
_KEPT_HEAD = (
    "update job set attempt = v.column2, losses = v.column3, events = v.column4, partial = v.column5, recipients = v.column6, "
    "due = v.column7, parked = v.column8, reason = v.column9, route = v.column10, key = v.column11, source = v.column12 from (values"
)
_KEPT_TAIL = ") v where id = v.column1"


def _gather(gone: _Gone, conclusion: Conclusion, position: int | None, content: int, solo: int) -> None:
    job_id, remaining = conclusion.fence.job_id, conclusion.remaining
    for change in conclusion.changes:
        _gather_change(gone, mail_of(job_id), change, conclusion.at_ms)
    if conclusion.parked is not Parked.IN_DOUBT:
        gone.attempts.append(job_id)
    if remaining is not None:
        gone.kept.append(_kept_row(remaining, conclusion, position))
        return
    gone.jobs.append(job_id)
    if solo:
        gone.solo.append(content)
    else:
        gone.shared[content] += 1


def _gather_change(gone: _Gone, mail_id: bytes, change: Change, at_ms: int) -> None:
    state = int(change.state)
    if change.attempt is None:
        gone.untried += [(mail_id, index, state, at_ms, change.next_attempt_ms) for index in change.indexes]
    else:
        attempt = attempt_values(change.attempt)
        rows = [(mail_id, index, state, at_ms, change.next_attempt_ms, *attempt) for index in change.indexes]
        if change.attempt.source:
            gone.sourced += [(*row, change.attempt.source) for row in rows]
        else:
            gone.tried += rows


def _kept_row(job: Job, conclusion: Conclusion, position: int | None) -> Row:
    parked = None if conclusion.parked is None else int(conclusion.parked)
    return (
        *(job.id, job.attempt, job.losses, job.events, int(job.partial), indexes_blob(job.recipients)),
        *(position, parked, conclusion.reason, job.route, job.site_key, job.source or None),
    )
