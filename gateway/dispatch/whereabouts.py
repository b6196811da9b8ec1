"""Where a job stands in this process: ready, alone, held, coming back, in a hand or in doubt; and how it is taken out of there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping

from gateway.dispatch.committer import Committer
from gateway.dispatch.doubts import Doubts
from gateway.dispatch.feeder import Feeder
from gateway.dispatch.losses import Losses
from gateway.dispatch.member import Member
from gateway.dispatch.recovery import Recovery
from gateway.dispatch.returns import Returns
from gateway.ledger.port import Ledger
from mailgate.job import Job

Unwatched = Callable[[Awaitable[None]], None]
"""Owns ledger work whose failure changes nothing here."""


class Whereabouts:
    """A view over the dispatcher's parts; it keeps nothing itself."""

    def __init__(
        self,
        members: Mapping[str, Member],
        feeder: Feeder,
        returns: Returns,
        recovery: Recovery,
        doubts: Doubts,
        losses: Losses,
        committer: Committer,
        ledger: Ledger,
        unwatched: Unwatched,
    ) -> None:
        self._members, self._feeder, self._returns, self._recovery = members, feeder, returns, recovery
        self._doubts, self._losses, self._committer, self._ledger, self._unwatched = doubts, losses, committer, ledger, unwatched

    def take_back(self, job: Job) -> bool:
        """Out of wherever it stands. False: a node has it committed."""
        if job.fence in self._doubts or any(member.hand.has_committed(job.fence) for member in self._members.values()):
            return False
        for member in self._members.values():
            if member.hand.take_back(job.fence) is not None:
                if member.link is not None:
                    member.link.withdraw([job.fence])
                self._returns.drop(job.fence)
                return True
        if self._returns.take(job.fence) is not None:
            self._returns.drop(job.fence)
        elif not self._feeder.remove({job.id}):
            self._recovery.claim(job)
        return True

    def adopt(self, member: Member, job: Job) -> None:
        """The member has it committed. Its row is inserted when one that names another node is gone."""
        member.hand.adopt(job)
        row = self._committer.row(member, job)

        def note() -> None:
            if member.hand.has_committed(job.fence) or job.fence in self._doubts:
                self._committer.note([row])

        self._returns.when_gone(job.fence, note)

    def forgive(self, job_ids: Iterable[bytes]) -> None:
        """One loss of each of these did not happen: they are ready again, or with another node by now."""
        ids = set(job_ids)
        forgiven = [self._losses.less(job) for job in self._feeder.remove(ids)]
        self._feeder.put(forgiven)
        for job_id in ids.difference([job.id for job in forgiven]):
            forgiven += [job for member in self._members.values() if (job := member.hand.amend(job_id, self._losses.less)) is not None]
        if forgiven:
            self._unwatched(self._ledger.note_losses({job.id: job.losses for job in forgiven}))
