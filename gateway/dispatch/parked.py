"""Jobs parked IN_DOUBT: those of which nobody could be asked are asked for when their node is back; what waits beside a doubt expires.

A doubt waits `doubt_wait` for its node in memory (doubts.py); then HOLD parks it in the ledger. A node that was only cut off for longer
still knows: its inventory says what it committed or has a verdict for, and what is not in it is looked up here, a page at a time. HELD and
UNKNOWN are certainly unsent then: the attempt's row names this boot, and no verdict has parked the job (`LOST`, see the ledger's port). The
node's words go to claims.py, which sees that the ledger has not changed meanwhile.

A transaction may leave some recipients deferred and others in doubt. They stay one job, since a job keeps its id, and with it what the
nodes know of it: the deferred wait for the doubt to be decided, and not beyond their ttl.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence, Set

from gateway.dispatch.claims import Claims
from gateway.dispatch.clock import Clock
from gateway.dispatch.doubts import Doubt
from gateway.dispatch.link import Answer, Hello, NodeLink
from gateway.dispatch.member import Member
from gateway.dispatch.retry import expire_beside
from gateway.dispatch.settler import Settled, Settler
from gateway.ledger.port import Ledger
from mailgate.job import Fence

PAGE = 200
"""Attempts that are asked for at once."""
EXPIRED_EVERY, EXPIRED_AT_ONCE = 30.0, 20
"""Seconds between two looks for what has expired, and jobs that one look takes, with their contents."""
BREATH = 0.05
"""Seconds between two pages: their answers have the ledger read jobs with their contents."""


class ParkedDoubts:
    """`ask` is how any attempt is looked up, here or not."""

    def __init__(self, ledger: Ledger, claims: Claims, settler: Settler, clock: Clock) -> None:
        self._ledger, self._claims, self._settler, self._clock = ledger, claims, settler, clock
        self._asked: dict[str, set[Fence]] = {}
        self._parking: dict[Fence, tuple[str, bytes]] = {}
        self._back: list[tuple[Member, NodeLink, Set[Fence]]] = []
        self._more = asyncio.Event()

    def parking(self, doubts: Iterable[Doubt]) -> None:
        """They are decided without their nodes, and the ledger does not show it yet."""
        self._parking = {fence: where for fence, where in self._parking.items() if fence in self._settler}
        self._parking |= {doubt.job.fence: (doubt.node_id, doubt.boot_id) for doubt in doubts}

    def joined(self, member: Member, hello: Hello) -> None:
        """The node has a new stream; what it has told on it needs no question."""
        self._asked[member.node_id] = set()
        if member.link is None:
            return
        known = {answer.fence for answer in hello.inventory}
        parking = [fence for fence, where in self._parking.items() if where == (hello.node_id, hello.boot_id) and fence in self._settler]
        self.ask(member, [fence for fence in parking if fence not in known])
        self._back.append((member, member.link, known))
        self._more.set()

    def ask(self, member: Member, fences: Sequence[Fence]) -> None:
        """Have the node say what it knows of attempts that were committed to its present boot."""
        if fences and member.link is not None:
            self._asked.setdefault(member.node_id, set()).update(fences)
            member.link.lookup(fences)

    def answered(self, member: Member, answers: Iterable[Answer]) -> None:
        """The node's word. What it was not asked on this stream says nothing: an earlier boot may have had it."""
        asked = self._asked.get(member.node_id, set())
        told = [answer for answer in answers if answer.fence in asked]
        asked.difference_update(answer.fence for answer in told)
        self._claims.answered(member.node_id, told)

    def lost(self, node_id: str) -> None:
        """Its stream is over: its answers will not come."""
        self._asked.pop(node_id, None)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._ask_who_is_back())
            tasks.create_task(self._sweep())

    async def _sweep(self) -> None:
        while True:
            found = 0
            if self._clock.trusted:
                with self._settler.touching() as touched:
                    expiring = await self._ledger.expiring(self._clock.now_ms(), EXPIRED_AT_ONCE)
                    for job, indexes, reason in expiring:
                        if job.id not in touched:
                            self._settler.settle(Settled(expire_beside(job, indexes, reason, self._clock.now_ms())))
                found = len(expiring)
            await asyncio.sleep(EXPIRED_EVERY if found < EXPIRED_AT_ONCE else 1.0)

    async def _ask_who_is_back(self) -> None:
        while True:
            await self._more.wait()
            self._more.clear()
            back, self._back = self._back, []
            for member, link, known in back:
                await self._ask_all(member, link, member.boot_id, known)

    async def _ask_all(self, member: Member, link: NodeLink, boot_id: bytes, known: Set[Fence]) -> None:
        after = b""
        while member.link is link:
            page = await self._ledger.lost_to(member.node_id, boot_id, after, PAGE)
            if member.link is link:
                self.ask(member, [fence for fence in page if fence not in known])
            if len(page) < PAGE:
                return
            after = page[-1].job_id
            await asyncio.sleep(BREATH)
