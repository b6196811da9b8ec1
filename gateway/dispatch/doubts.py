"""Attempts that were committed and whose node was lost: who is asked, what its answer means, and when nobody can know. Pure.

Cases for an attempt committed at (node, boot):
- the node says hello with the same boot: its inventory says DONE (a verdict) or COMMITTED (back into its hand); what the inventory does not
  have is asked for by a lookup, which revokes what is HELD; HELD and UNKNOWN then mean that it was never sent.
- its verdict is one that this release cannot read: nobody can know either, and a question would bring no more.
- the node says hello with another boot, or says nothing until `wait` seconds after the loss: nobody can know (RFC 1047).
A node that is lost again while it is being asked starts over, with its wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.dispatch.link import Answer, Hello, Known
from mailgate.job import Fence, Job
from mailgate.verdict import JobVerdict


@dataclass(slots=True)
class Doubt:
    """One such attempt. `deadline` in monotonic seconds; `asked`: a lookup is under way on the node's present stream."""

    job: Job
    node_id: str
    boot_id: bytes
    begun_ms: int
    deadline: float
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """What the shell must do now. `adopt`: back into the node's hand; `unsent`: retract and send elsewhere; `verdicts`: record."""

    adopt: tuple[Job, ...] = ()
    unsent: tuple[Job, ...] = ()
    verdicts: tuple[tuple[Job, JobVerdict], ...] = ()
    lookup: tuple[Fence, ...] = ()


class Doubts:
    """All attempts of this gateway that are in doubt."""

    def __init__(self, wait: float) -> None:
        self._wait = wait
        self._doubts: dict[Fence, Doubt] = {}

    def __len__(self) -> int:
        return len(self._doubts)

    def __repr__(self) -> str:
        return f"<Doubts {len(self._doubts)}>"

    def __contains__(self, fence: Fence) -> bool:
        return fence in self._doubts

    @property
    def ids(self) -> list[bytes]:
        """Of their jobs."""
        return [fence.job_id for fence in self._doubts]

    def add(self, jobs: Iterable[Job], node_id: str, boot_id: bytes, begun_ms: int, now: float, wait: float | None = None) -> None:
        """Their node was lost now, with them committed."""
        deadline = now + (self._wait if wait is None else wait)
        for job in jobs:
            self._doubts[job.fence] = Doubt(job, node_id, boot_id, begun_ms, deadline)

    def hello(self, hello: Hello, now: float) -> Answered:
        """The node has a stream again."""
        known = {answer.fence: answer for answer in hello.inventory}
        mine = [doubt for doubt in self._doubts.values() if doubt.node_id == hello.node_id and doubt.boot_id == hello.boot_id]
        ask = []
        for doubt in mine:
            if doubt.job.fence not in known:
                doubt.asked, doubt.deadline = True, now + self._wait
                ask.append(doubt.job.fence)
        told = self.answered([known[doubt.job.fence] for doubt in mine if doubt.job.fence in known])
        return Answered(told.adopt, told.unsent, told.verdicts, tuple(ask))

    def answered(self, answers: Sequence[Answer]) -> Answered:
        """The node's word on attempts; those that are not in doubt here are passed over."""
        adopt, unsent, verdicts = [], [], []
        for answer in answers:
            unreadable = answer.known is Known.DONE and answer.verdict is None
            doubt = None if unreadable else self._doubts.pop(answer.fence, None)
            if doubt is None:
                continue
            if answer.verdict is not None:
                verdicts.append((doubt.job, answer.verdict))
            elif answer.known is Known.COMMITTED:
                adopt.append(doubt.job)
            else:
                unsent.append(doubt.job)
        return Answered(tuple(adopt), tuple(unsent), tuple(verdicts))

    def settle(self, fence: Fence) -> Job | None:
        """A verdict came for it on a stream."""
        doubt = self._doubts.pop(fence, None)
        return doubt.job if doubt else None

    def overdue(self, now: float) -> list[Doubt]:
        """Those of which nobody can know: they leave."""
        over = [doubt for doubt in self._doubts.values() if doubt.deadline <= now]
        for doubt in over:
            del self._doubts[doubt.job.fence]
        return over
