"""What a node says of attempts that nobody here has in hand: checked against the ledger, which is the truth.

It happens after this gateway's restart (the node had COMMIT, the row was not yet on disk), after a doubt was decided without the node, and
for a verdict whose acknowledgement was lost. Cases, for a fence with a verdict (DONE) or under way (COMMITTED):
- the job is gone, or has another attempt by now: the word is stale; a verdict is acknowledged, so that the node forgets it. But when it
  says that the server took the mail for a recipient that is still to be sent to (the doubt was decided too early, or the job given up as
  DEAD), it counts, unless a node has the later attempt committed: to send again would be to double knowingly;
- the job is parked IN_DOUBT under this attempt: the verdict resolves the doubt; one that says "certainly unsent" has it sent again, as
  does HELD or UNKNOWN, the answer to a question (parked.py);
- the job is ready, or with another node uncommitted: it is taken back from there; the verdict is recorded, or the node adopts it;
- the node itself has it committed: its verdict came before its COMMITTED was looked up, and is what this was waiting for; one that says
  "certainly unsent" has it sent again;
- another node has it committed, or may have: two copies are out already, and its verdict counts; this one is acknowledged, no more.
What is being concluded while the ledger is read is looked at again afterwards: the answer may be out of date.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence, Set

from gateway.dispatch.link import Answer, Known
from gateway.dispatch.member import Member
from gateway.dispatch.settler import Settler
from gateway.ledger.port import LOST, Found, Ledger, Parked
from mailgate.job import Fence, Job
from mailgate.verdict import JobVerdict, Outcome, Tried

AGAIN = 0.05
"""Seconds until a word on what was being concluded is looked at again."""


class Claims:
    """`take_back` takes a job out of wherever it stands ready or uncommitted; False: some node has it committed.

    `adopt`: the node has it.
    """

    def __init__(
        self,
        ledger: Ledger,
        members: Mapping[str, Member],
        settler: Settler,
        take_back: Callable[[Job], bool],
        adopt: Callable[[Member, Job], None],
    ) -> None:
        self._ledger, self._members, self._settler, self._take_back, self._adopt = ledger, members, settler, take_back, adopt
        self._batch: list[tuple[str, Answer]] = []
        self._more = asyncio.Event()

    def claim(self, node_id: str, answers: Sequence[Answer]) -> None:
        """The node's word on these."""
        self._batch += [
            (node_id, answer)
            for answer in answers
            if answer.known in (Known.DONE, Known.COMMITTED) and not self._settler.tells(answer.fence, node_id)
        ]
        if self._batch:
            self._more.set()

    def answered(self, node_id: str, answers: Sequence[Answer]) -> None:
        """The node's word on what it was asked."""
        self.claim(node_id, answers)
        self._batch += [(node_id, answer) for answer in answers if answer.known in (Known.HELD, Known.UNKNOWN)]
        if self._batch:
            self._more.set()

    def told(self, node_id: str, fence: Fence, verdict: JobVerdict) -> None:
        """A verdict on a stream, for what nobody has in hand."""
        self.claim(node_id, [Answer(fence, Known.DONE, verdict)])

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._more.wait()
            self._more.clear()
            batch, self._batch = self._batch, []
            with self._settler.touching() as touched:
                found = await self._ledger.find({answer.fence.job_id for _, answer in batch})
                later = [(node_id, answer) for node_id, answer in batch if not self._decided(node_id, answer, found, touched)]
            for node_id, answer in later:
                self.answered(node_id, [answer])
            if self._batch:
                await asyncio.sleep(AGAIN)

    def _decided(self, node_id: str, answer: Answer, found: Mapping[bytes, Found], touched: Set[bytes]) -> bool:
        if answer.fence.job_id in touched:
            return False
        return self._decide(node_id, answer, found.get(answer.fence.job_id))

    def _decide(self, node_id: str, answer: Answer, found: Found | None) -> bool:
        """False: it must be looked at again, when what follows from it is durable."""
        member = self._members.get(node_id)
        verdict = answer.verdict
        current = found is not None and found.job.attempt == answer.fence.attempt and found.parked is not Parked.DEAD
        if found is None or not current:
            if found is not None and isinstance(verdict, Tried) and self._comes_late(node_id, found, verdict):
                return False
            self._forget(member, answer)
        elif found.parked is Parked.IN_DOUBT:
            self._resolve(node_id, found, answer)
        else:
            self._take_over(node_id, found.job, answer)
        return True

    def _take_over(self, node_id: str, job: Job, answer: Answer) -> None:
        """The job is ready, or with another node. HELD and UNKNOWN are no news of it."""
        member = self._members.get(node_id)
        concludes = answer.verdict is not None and let_go(member, answer.fence)
        if isinstance(answer.verdict, Tried):
            if concludes or self._take_back(job):
                self._settler.tried(node_id, job, answer.verdict)
            else:
                self._forget(member, answer)
        elif concludes:
            self._settler.unsent(node_id, job)
        elif answer.verdict is not None:  # certainly unsent
            self._forget(member, answer)
        elif answer.known is Known.COMMITTED and member is not None and member.link is not None and self._take_back(job):
            self._adopt(member, job)

    def _comes_late(self, node_id: str, found: Found, verdict: Tried) -> bool:
        """It is the outcome of what is still to be sent, or was given up. Acknowledged when the ledger shows so."""
        if not has_delivered(verdict, found.job) or not (found.parked is not None or self._take_back(found.job)):
            return False
        self._settler.tried(node_id, found.job, verdict, tell=False)
        return True

    def _resolve(self, node_id: str, found: Found, answer: Answer) -> None:
        if isinstance(answer.verdict, Tried):
            self._settler.tried(node_id, found.job, answer.verdict)
        elif answer.verdict is not None:
            self._settler.unsent(node_id, found.job)
        elif answer.known in (Known.HELD, Known.UNKNOWN) and found.reason == LOST:
            self._settler.unsent("", found.job)
        # COMMITTED: the verdict will come

    def _forget(self, member: Member | None, answer: Answer) -> None:
        if answer.known is Known.DONE and member is not None and member.link is not None:
            member.link.settled([answer.fence])


def let_go(member: Member | None, fence: Fence) -> bool:
    """Out of the node's hand, if that has it committed; False: it has not."""
    return member is not None and member.hand.has_committed(fence) and member.hand.settle(fence) is not None


def has_delivered(verdict: Tried, job: Job) -> bool:
    """The server took the mail for a recipient that remains: no such verdict was recorded, whatever the attempt."""
    delivered = {index for each in verdict.recipients if each.outcome is Outcome.DELIVERED for index in each.indexes}
    return not delivered.isdisjoint(job.recipients)
