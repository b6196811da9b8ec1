"""Which node a job goes to: the policy of its route, over the nodes that may have it. Pure: time is given.

What is of the nodes and not of a route is here for all policies: the ring, who is ejected, and how far each has started.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from gateway.balancing.ejection import Ejection
from gateway.balancing.picker import Picker
from gateway.balancing.ring import Ring
from gateway.dispatch.keys import KeyOf
from gateway.dispatch.member import Member
from gateway.dispatch.shares import Shares
from mailgate.job import Job
from mailgate.verdict import Expired, JobVerdict, NotTried


class Choice:
    """See the module. `make_picker` and `key_of` (None: the policy has no key) are asked once for a route, and again after `reset`."""

    def __init__(
        self,
        make_picker: Callable[[str], Picker],
        key_of: Callable[[str], KeyOf | None] = lambda _: None,
        ring: Ring | None = None,
        homes_of: Callable[[str, str], int] = lambda _route, _key: 0,
        pool_of: Callable[[str], str] = lambda _: "",
    ) -> None:
        """`homes_of`, `pool_of`: shares.py."""
        self._make_picker, self._key_of = make_picker, key_of
        self._ring = ring if ring is not None else Ring()
        self._pickers: dict[str, tuple[Picker, KeyOf | None]] = {}
        self._members: dict[str, Member] = {}
        self._listed: list[Member] = []
        """Whom `_members` has by id: a node that went and came back is another member of the same id."""
        self._shares = Shares(self._ring, homes_of, pool_of)
        self.ejection = Ejection()

    def __repr__(self) -> str:
        return f"<Choice {self._ring!r} {self.ejection!r}>"

    def reset(self, routes: Iterable[str]) -> None:
        """These changed: their policies begin anew."""
        for route in routes:
            self._pickers.pop(route, None)
        self._shares.reset()

    def among(self, members: Sequence[Member], now: float) -> list[Member]:
        """Those of all members that take jobs now, as far as they have started. Must be cheap: asked each time that jobs are handed out."""
        if (listed := list(members)) != self._listed:
            known = {member.node_id: member for member in listed}
            for node_id in self._members.keys() - known.keys():
                self.ejection.gone(node_id)
            self._listed, self._members = listed, known
            self._ring.use(known)
        takers = [member for member in members if member.takes_jobs]
        able = self.ejection.admitted(takers, len(members), now)
        for member in able:
            member.starts(now, self.ejection.ends(member.node_id))
        # Who is only suspect, or kept quiet, is back or lost within seconds: its sites stay at home.
        self._shares.live([member for member in members if member.is_up and (member in able or not member.takes_jobs)])
        return able

    def at_home(self, job: Job, candidates: list[Member], now: float) -> list[Member]:
        """Those of the candidates that jobs of its site may go to: all of them, unless the site has a home. Must be cheap."""
        return self._shares.among(job.route, job.site_key, candidates, self._members, now)

    def pick(self, job: Job, among: Sequence[Member]) -> Member:
        """One of these, which is not empty. Must be cheap: once a job."""
        found = self._pickers.get(job.route)
        if found is None:
            found = self._pickers[job.route] = self._make_picker(job.route), self._key_of(job.route)
        picker, key_of = found
        return picker.pick(among) if key_of is None else picker.pick(among, key_of(job))

    # ------------------------------------------------------------------ how they did

    def joined(self, member: Member) -> None:
        """It has a stream."""
        self.ejection.joined(member.node_id, member.boot_id)

    def done(self, member: Member, verdict: JobVerdict, now: float) -> None:
        """What became of a job there. Whatever a site said, the node did its work."""
        failed = isinstance(verdict, Expired) or (isinstance(verdict, NotTried) and verdict.of_node)
        if failed or not isinstance(verdict, NotTried):
            self.ejection.done(member.node_id, now, failed=failed)

    def lost(self, member: Member, unsent: int, now: float) -> None:
        """Its stream broke with so many jobs in hand that were not committed. It counts where the same process comes back."""
        if unsent:
            self.ejection.done(member.node_id, now, failed=True, count=unsent)
