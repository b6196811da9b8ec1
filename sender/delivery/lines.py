"""The jobs that wait for a connection, a line for each path. Pure.

Must be cheap: `pump` is called whenever a connection becomes idle and whenever jobs have come.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container
from typing import Protocol

from mailgate.verdict import JobVerdict, NotTried
from sender.delivery.judge import too_late
from sender.delivery.work import Line, Work
from sender.pool.handoff import Handoff
from sender.pool.relays import Trouble


class Connections(Protocol):
    """What of the pool is needed here."""

    def start(self, handoff: Handoff) -> bool:
        """Put it on an idle connection. False: there is none now."""
        ...

    def trouble(self, key: str) -> Trouble | None:
        """Why a path has no connection."""
        ...

    def due(self) -> list[str]:
        """Keys of paths that a limit has held up, and that may be asked again."""
        ...

    def closed(self, key: str) -> str:
        """Why nothing goes there for so long that its jobs had better wait at their gateways; empty: something does."""
        ...


class Lines:
    """See the module."""

    def __init__(self, pool: Connections) -> None:
        self._start: Callable[[Handoff], bool] = pool.start
        self._pool = pool
        self._lines: dict[str, Line] = {}

    def __len__(self) -> int:
        return sum(len(line) for line in self._lines.values())

    def waiting(self, key: str) -> int:
        """How many jobs wait for this path."""
        return len(line) if (line := self._lines.get(key)) is not None else 0

    def wait(self, work: Work) -> str:
        """At the end of its lane in the line of its handoff's path; the path's key."""
        assert work.handoff is not None  # noqa: S101
        self._line(key := work.handoff.path).append(work)
        return key

    def again(self, work: Work) -> None:
        """At the front: it had its turn on a connection that was dead."""
        assert work.handoff is not None  # noqa: S101
        self._line(work.handoff.path).push_back(work)
        self.pump(work.handoff.path)

    def pump(self, key: str) -> None:
        """Put what waits for this path on connections, as long as there are idle ones."""
        line = self._lines.get(key)
        while line and (work := line.pop()) is not None:
            assert work.handoff is not None  # noqa: S101
            if not self._start(work.handoff):
                line.push_back(work)
                return
            work.under_way = True
            work.tries += 1

    def ring(self) -> None:
        """Pump what a limit has held up, and may go now."""
        for key in self._pool.due():
            self.pump(key)

    def late(self, now: float) -> list[tuple[Work, JobVerdict]]:
        """Take out those that have waited too long, each with its verdict, and forget empty lines. A walk: for a sweep.

        The others ask for a connection again: the one that was dialled for them may have failed.
        """
        late: list[tuple[Work, JobVerdict]] = []
        for key, line in list(self._lines.items()):
            if not line:
                del self._lines[key]
            elif why := self._pool.closed(key):
                late += [(work, NotTried(why)) for work in line.overdue(math.inf)]
            else:
                late += too_late(line, self._pool.trouble(key), now)
                self.pump(key)
        return late

    def stranded(self, opened: Container[str]) -> list[Work]:
        """Take out those whose path is gone, or whose source can't be dialled from: another may do. A walk: for a sweep."""
        stranded: list[Work] = []
        for key, line in self._lines.items():
            if line and (key not in opened or ((trouble := self._pool.trouble(key)) is not None and trouble.of_source)):
                stranded += line.overdue(math.inf)
        return stranded

    def _line(self, key: str) -> Line:
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = Line()
        return line
