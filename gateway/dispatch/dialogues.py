"""Who watches the dialogue of a site with our nodes: nodes are told which sites are watched, and their lines go to who watches them.

Watchers are bounded, and so is what waits for one: who reads too slowly loses lines and is told how many. Nobody waits for a watcher, and
when the last one of a site has gone its nodes tell no more.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from gateway.dispatch.link import Direction, TraceLine
from gateway.dispatch.member import Member
from mailgate.errors import MailgateError, Unavailable

MOST = 20
"""Watchers at once: a site's whole traffic goes to each."""
WAITING = 2000
"""Lines that wait for a watcher; what comes on top is lost to it. About 1 MB."""
FRAME = 500
"""Lines of one read."""
LONGEST = 3600.0
"""Seconds that one watches: what is forgotten in some terminal must not cost a busy site its time for ever."""
TOO_MANY_WAIT = 5.0


class Told(NamedTuple):
    """A line, and the node that told it; empty: this gateway."""

    node_id: str
    line: TraceLine


class Watcher:
    """One TraceSite call: `async with` it, then `read` until nothing comes any more. It ends after LONGEST, also for who does not read."""

    def __init__(self, dialogues: Dialogues, site_key: str, node_id: str) -> None:
        self.site_key, self.node_id = site_key, node_id
        self._dialogues = dialogues
        self._lines: deque[Told] = deque()
        self._lost = 0
        self._more = asyncio.Event()
        self._end: MailgateError | None = None
        self._over = False
        self._timer = asyncio.get_running_loop().call_later(LONGEST, self._stop)

    async def __aenter__(self) -> Watcher:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._timer.cancel()
        self._dialogues._forget(self)

    def _stop(self) -> None:
        self._over = True
        self._more.set()
        self._dialogues._forget(self)

    async def read(self) -> Sequence[Told]:
        """Wait for lines, and give at most FRAME; none: the time is over.

        Raises:
            Unavailable: the gateway stops.
        """
        await self._more.wait()
        if self._end is not None:
            raise self._end
        if self._over:
            return ()
        lines = [self._lines.popleft() for _ in range(min(len(self._lines), FRAME))]
        if not self._lines:
            self._more.clear()
            if self._lost:
                lines.append(Told("", TraceLine(self.site_key, 0, 0, "", "", Direction.NOTE, "", self._lost)))
                self._lost = 0
        return lines

    def tell(self, node_id: str, line: TraceLine) -> None:
        """One line; lost where too many wait."""
        if len(self._lines) >= WAITING:
            self._lost += 1 + line.lost
            return
        if self._lost:
            line, self._lost = replace(line, lost=line.lost + self._lost), 0
        self._lines.append(Told(node_id, line))
        self._more.set()

    def finish(self, error: MailgateError) -> None:
        """It ends now."""
        self._end = error
        self._more.set()


class Dialogues:
    """See the module. One a gateway; `members`: the fleet's."""

    def __init__(self, members: Mapping[str, Member]) -> None:
        self._members = members
        self._watchers: list[Watcher] = []
        self._closed: MailgateError | None = None

    def __repr__(self) -> str:
        return f"<Dialogues {len(self._watchers)} watched>"

    def watch(self, site_key: str, node_id: str = "") -> Watcher:
        """Watch a site from now on; `node_id`: on one node alone. Leave the watcher's context to stop.

        Raises:
            Unavailable: too many watch already, or the gateway stops.
        """
        if self._closed is not None:
            raise self._closed
        if len(self._watchers) >= MOST:
            raise Unavailable(f"{MOST} calls trace sites already, as many as may: end one", TOO_MANY_WAIT)
        watcher = Watcher(self, site_key, node_id)
        self._watchers.append(watcher)
        self._tell_nodes()
        return watcher

    def joined(self, member: Member) -> None:
        """A node's stream has begun: it does not know yet what is watched."""
        if keys := self._wanted(member.node_id):
            self._tell(member, keys)

    def left(self, member: Member) -> None:
        """It is over."""
        for watcher in self._watchers:
            if watcher.node_id in ("", member.node_id):
                line = TraceLine(watcher.site_key, 0, 0, "", "", Direction.NOTE, f"the node has no stream here any more: {member.reason}")
                watcher.tell(member.node_id, line)

    def heard(self, node_id: str, lines: Iterable[TraceLine]) -> None:
        """A node tells these."""
        for line in lines:
            for watcher in self._watchers:
                if watcher.site_key == line.site_key and watcher.node_id in ("", node_id):
                    watcher.tell(node_id, line)

    def close(self) -> None:
        """The gateway stops."""
        self._closed = Unavailable("the gateway stops: trace again, here or at another one")
        for watcher in self._watchers:
            watcher.finish(self._closed)

    def _wanted(self, node_id: str) -> list[str]:
        return sorted({watcher.site_key for watcher in self._watchers if watcher.node_id in ("", node_id)})

    def _tell_nodes(self) -> None:
        for member in self._members.values():
            self._tell(member, self._wanted(member.node_id))

    def _tell(self, member: Member, keys: Sequence[str]) -> None:
        if member.link is not None:
            member.link.trace(keys)

    def _forget(self, watcher: Watcher) -> None:
        if watcher in self._watchers:
            self._watchers.remove(watcher)
            self._tell_nodes()
