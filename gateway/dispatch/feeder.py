"""Which ready job goes to which node now: lanes in order, keys in turn, one pick a job, never beyond credit. Pure.

A job that must run alone (losses.py) waits until a node has nothing in hand; one node at a time is kept quiet for it, and no longer than
QUIET seconds: a relay that answers nobody may keep a node's hand, or the job itself, for as long as the body's time limit. Then the node is
fed again; what waits to run alone is tried later, and a suspect that is still under way has long been composed, which is what kills nodes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from gateway.dispatch.awake import Awake
from gateway.dispatch.choice import Choice
from gateway.dispatch.homing import Homing, at_home
from gateway.dispatch.losses import Losses
from gateway.dispatch.member import Member, NodeState
from gateway.dispatch.sites import Sites
from gateway.dispatch.window import Window
from mailgate.job import Job
from mailgate.mail import Lane

QUIET = 3.0
"""Seconds for which a node gets nothing else: to end what it has, and again while the job runs."""
QUIET_AGAIN = 10.0
"""Seconds until the next node is kept quiet, when one was in vain."""
TURN = 64
"""Jobs of a key in one turn, before the lane's next key."""


class Feeder:
    """`feed` is called whenever jobs, credit or nodes have come; `offer` hands a job to a node's link and never waits."""

    def __init__(
        self,
        window: Window,
        losses: Losses,
        choice: Choice,
        offer: Callable[[Member, Job], None],
        may_go: Callable[[Job], bool],
        has_route: Callable[[str], bool] = lambda _: True,
    ) -> None:
        """`may_go`: whether a job need not wait for younger ones (yielding.py). `has_route`: no job goes whose route is gone."""
        self._window, self._losses, self._has_route = window, losses, has_route
        self._choice, self._offer, self._may_go = choice, offer, may_go
        self._alone: deque[Job] = deque()
        self._homing, self._awake = Homing(), Awake(window)
        self._quiet: Member | None = None
        self._quiet_until = self._quiet_again = 0.0

    @property
    def alone(self) -> int:
        """Jobs that wait to run alone."""
        return len(self._alone)

    def put(self, jobs: Iterable[Job]) -> None:
        """Ready again: at the front of the window, or in the line of those that must be alone."""
        free = []
        for job in jobs:
            if self._losses.must_be_alone(job):
                self._alone.append(job)
            else:
                free.append(job)
        self._window.put_back(free)

    def remove(self, ids: set[bytes]) -> list[Job]:
        """Take these out of what is ready."""
        here = [job for job in self._alone if job.id in ids]
        if here:
            self._alone = deque(job for job in self._alone if job.id not in ids)
        here += self._homing.take(lambda job: job.id in ids)
        return here + self._window.remove(ids)

    def expired(self, now_ms: int) -> list[Job]:
        """Take out what nobody may send any more."""
        late = {job.id for job in self._alone if job.expire_ms <= now_ms}
        over = (self.remove(late) if late else []) + self._homing.take(lambda job: job.expire_ms <= now_ms)
        return over + self._window.expired(now_ms)

    def reroute(self, routes: Iterable[str], sites: Sites) -> None:
        """These changed: their nodes are chosen anew, and what waits for them is counted as their jobs are now."""
        self._choice.reset(routes)
        self._alone = deque(map(sites.rekeyed, self._alone))
        self._window.put_back(self._homing.take(lambda _: True))
        self._window.rekey_all(sites.key)

    def feed(self, members: Sequence[Member], now: float) -> None:
        """Offer what can be offered. `members` in the order of their ids; `now` in monotonic seconds, each second at least."""
        self._feed_alone(members, now)
        open_members = self._choice.among(members, now)
        if self._homing:
            lost = self._homing.feed(open_members, now, self._offer_one)
            self._window.put_back([replace(job, source="") for job in lost])
        if not open_members:
            return
        rooms = [member.hand.room for member in open_members]
        awake = self._awake.look(members, open_members, now)
        for lane in Lane:
            # By MX there are thousands of keys, nearly all of them without room: those cost no more than to ask.
            roomy = keys = tuple([key for key in self._window.keys(lane, awake) if any([room(lane, key) for room in rooms])])
            while keys:
                keys = tuple([key for key in keys if self._turn(lane, key, open_members, now)])
            for key in roomy:
                if (lane, key) in self._window and any([room(lane, key) for room in rooms]):
                    self._awake.stays(key)

    def _turn(self, lane: Lane, site_key: str, members: list[Member], now: float) -> bool:
        """The key's turn: it goes to the end only if it could use it, else the bytes of others' large mails could starve it."""
        before = len(self._window)
        more = self._feed_key(lane, site_key, members, now)
        if len(self._window) < before:
            self._window.turn(lane, site_key)
        return more

    def _feed_key(self, lane: Lane, site_key: str, members: list[Member], now: float) -> bool:
        """One turn; whether the key has both jobs and room left."""
        if (first := self._window.peek(lane, site_key)) is None or not self._has_route(first.route):
            return False
        candidates = self._choice.at_home(first, [member for member in members if member.hand.room(lane, site_key) > 0], now)
        for _ in range(TURN):
            job = self._window.peek(lane, site_key)
            if job is None or not candidates or not self._may_go(job):
                return False
            among = candidates
            if job.source and (homes := at_home(job, members)):
                among = [member for member in homes if member in candidates]
                if not among and self._homing.has_place(job):
                    self._homing.put(self._window.pop(lane, site_key), now)
                    continue
            member = self._choice.pick(job, among or candidates)
            if not member.hand.admits(job):
                candidates.remove(member)
                continue
            self._offer(member, self._window.pop(lane, site_key))
            if member.hand.room(lane, site_key) <= 0:
                candidates.remove(member)
        return True

    def _offer_one(self, members: Sequence[Member], job: Job) -> None:
        """To one of these, which all have room for it."""
        self._offer(self._choice.pick(job, members), job)

    def _feed_alone(self, members: Sequence[Member], now: float) -> None:
        quiet = self._kept_quiet(members, now)
        if quiet is None:
            return
        if quiet.hand and quiet.state is not NodeState.DRAINING:
            if now >= self._quiet_until:
                self._quiet_again = now + QUIET_AGAIN
                self._release(quiet)
            return
        job = None
        if quiet.state is NodeState.READY:
            job = next((job for job in self._alone if self._has_route(job.route) and quiet.hand.room(job.lane, job.site_key) > 0), None)
        if job is not None:
            self._alone.remove(job)
            self._offer(quiet, job)
            self._quiet_until = now + QUIET
        elif quiet.state is not NodeState.SUSPECT:
            self._release(quiet)

    def _kept_quiet(self, members: Sequence[Member], now: float) -> Member | None:
        """The one that is, or is from now on."""
        quiet = self._quiet
        if quiet is not None and quiet in members and quiet.quiet:
            return quiet
        self._quiet = self._choose(members) if now >= self._quiet_again else None
        self._quiet_until = now + QUIET
        return self._quiet

    def _release(self, quiet: Member) -> None:
        quiet.quiet, self._quiet = False, None

    def _choose(self, members: Sequence[Member]) -> Member | None:
        """The least busy of those that take one of the jobs that wait: it is kept quiet from now on."""
        wanted = {(job.lane, job.site_key) for job in self._alone if self._has_route(job.route)}
        able = [member for member in members if member.takes_jobs and any(member.hand.has_credit(*slot) for slot in wanted)]
        if not able:
            return None
        quiet = min(able, key=lambda member: member.in_flight)
        quiet.quiet = True
        return quiet
