"""What a node's verdict does to the job that it had. The danger is in which jobs it may still speak of: see `hand.py` and `claims.py`."""

from __future__ import annotations

from gateway.dispatch.choice import Choice
from gateway.dispatch.claims import Claims
from gateway.dispatch.clock import Clock
from gateway.dispatch.doubts import Doubts
from gateway.dispatch.member import Member
from gateway.dispatch.retry import UNREADABLE_END, bury, decide_doubt, postpone
from gateway.dispatch.settler import Settled, Settler
from gateway.dispatch.sites import Sites
from gateway.ledger.port import Parked
from mailgate.job import Fence, Job
from mailgate.verdict import Expired, JobVerdict, NotTried, Tried

REFUSED_WAIT_MS = 1_000
"""A job that a node would not try comes back after this, so that it does not go round in circles."""


class Verdicts:
    """Synchronous: what follows is handed to the settler. `losses_dead`: the loss with which a job is given up."""

    def __init__(
        self, doubts: Doubts, claims: Claims, settler: Settler, clock: Clock, losses_dead: int, sites: Sites, choice: Choice
    ) -> None:
        self._doubts, self._claims, self._settler, self._clock, self._losses_dead = doubts, claims, settler, clock, losses_dead
        self._sites, self._choice = sites, choice
        self.expired = 0
        """COMMITs that came too late, as the nodes say."""

    def came(self, member: Member, fence: Fence, verdict: JobVerdict) -> None:
        """On a stream: for what the node has in hand, or had, or for what nobody has."""
        job = member.hand.settle(fence) or self._doubts.settle(fence)
        if job is None:
            self._claims.told(member.node_id, fence, verdict)
        else:
            self.settle(member, job, verdict)

    def settle(self, member: Member, job: Job, verdict: JobVerdict) -> None:
        """The job is out of every hand, and this is what became of the attempt."""
        job = self._sites.rekeyed(job)
        self._choice.done(member, verdict, self._clock.monotonic())
        if isinstance(verdict, Tried):
            member.lately.served(verdict.duration_us / 1e6)
            self._settler.tried(member.node_id, job, verdict)
        else:
            self._not_tried(member, job, verdict)

    def unreadable(self, member: Member, fence: Fence) -> None:
        """Of another release: what was committed is a doubt that no question ends; what was not is certainly unsent."""
        now_ms, committed = self._clock.now_ms(), member.hand.has_committed(fence)
        job = member.hand.settle(fence)
        if job is not None and committed:
            ruling = decide_doubt(job, member.node_id, now_ms, now_ms, self._losses_dead, UNREADABLE_END)
            # Under HOLD the node keeps its word, for a release that can read it.
            self._settler.settle(Settled(ruling, "" if ruling.conclusion.parked is Parked.IN_DOUBT else member.node_id))
        elif job is not None:
            self._settler.settle(Settled(postpone(job, now_ms + REFUSED_WAIT_MS, now_ms), member.node_id))

    def _not_tried(self, member: Member, job: Job, verdict: NotTried | Expired) -> None:
        now_ms = self._clock.now_ms()
        self.expired += isinstance(verdict, Expired)
        if isinstance(verdict, NotTried) and verdict.hopeless:
            self._settler.settle(Settled(bury(job, verdict.reason, now_ms), member.node_id))
        else:
            self._settler.settle(Settled(postpone(job, now_ms + REFUSED_WAIT_MS, now_ms), member.node_id))
