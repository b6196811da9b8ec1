"""Nodes that fail by themselves get no jobs for a while, whatever the policy. Pure: time is given.

A failure is the node's when no site had a part in it: it refused what it should be able to do, acted too late, or lost its link with jobs
in hand. What a site says never counts, nor does how slow it is (promise 6). Shape and numbers are those of Envoy's outlier detection.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, TypeVar

WINDOW = 5
"""Seconds whose outcomes count."""
LEAST, SHARE = 20, 0.5
"""A node is ejected with so many outcomes in the window, of which this part has failed."""
FIRST, LONGEST = 1.0, 30.0
"""Seconds that it is out; twice as long each time, up to the longest."""
FORGIVEN = 30.0
"""Seconds without an ejection that take one back."""
MOST = 0.5
"""Of all nodes: if more would be out, it is not they who fail."""


class Node(Protocol):
    """Whom it is about."""

    @property
    def node_id(self) -> str:
        """For its life."""
        ...


N = TypeVar("N", bound=Node)


@dataclass(slots=True)
class Standing:
    """How a node has done of late. `counts`: by second modulo WINDOW, [second, outcomes, failures]."""

    boot_id: bytes
    counts: list[list[int]] = field(default_factory=lambda: [[-1, 0, 0] for _ in range(WINDOW)])
    until: float = float("-inf")
    """Out until then, monotonic seconds."""
    times: int = 0
    """Ejections of late, which make the next one longer."""
    ejections: int = 0
    """Since it came."""


class Ejection:
    """See the module. One for all routes: what is judged is the node. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._nodes: dict[str, Standing] = {}
        self._known = 0

    def __repr__(self) -> str:
        return f"<Ejection {', '.join(sorted(self._nodes))}>"

    def joined(self, node_id: str, boot_id: bytes) -> None:
        """It has a stream. Of another boot it is another process, of which nothing is known."""
        standing = self._nodes.get(node_id)
        if standing is None or standing.boot_id != boot_id:
            self._nodes[node_id] = Standing(boot_id, ejections=standing.ejections if standing is not None else 0)

    def gone(self, node_id: str) -> None:
        """It does not belong any more."""
        self._nodes.pop(node_id, None)

    def done(self, node_id: str, now: float, *, failed: bool = False, count: int = 1) -> None:
        """So many jobs have their outcome. Must be cheap: called for each."""
        standing = self._nodes.get(node_id)
        if standing is None:
            return
        second = int(now)
        counts = standing.counts[second % WINDOW]
        if counts[0] != second:
            counts[:] = second, 0, 0
        counts[1] += count
        if failed:
            counts[2] += count
            self._judge(standing, second, now)

    def admitted(self, nodes: list[N], known: int, now: float) -> list[N]:
        """Those of `nodes` that are not out; all of them where too few would be left of the `known` ones (the panic rule).

        `nodes` can take jobs otherwise. Must be cheap: asked each time that jobs are handed out.
        """
        self._known = known
        out = [node for node in nodes if self.is_out(node.node_id, now)]
        if not out or len(nodes) - len(out) < known * (1 - MOST):
            return nodes
        return [node for node in nodes if node not in out]

    def is_out(self, node_id: str, now: float) -> bool:
        """It is ejected, if the panic rule lets it be."""
        standing = self._nodes.get(node_id)
        return standing is not None and now < standing.until

    def ends(self, node_id: str) -> float:
        """When its last ejection ends or ended; minus infinity: it had none."""
        return standing.until if (standing := self._nodes.get(node_id)) is not None else float("-inf")

    def ejections(self, node_id: str) -> int:
        """How often it was ejected since it came."""
        return standing.ejections if (standing := self._nodes.get(node_id)) is not None else 0

    def _judge(self, standing: Standing, second: int, now: float) -> None:
        if now < standing.until:
            return
        recent = [counts for counts in standing.counts if counts[0] > second - WINDOW]
        outcomes, failures = sum([counts[1] for counts in recent]), sum([counts[2] for counts in recent])
        if outcomes < LEAST or failures < SHARE * outcomes:
            return
        out = sum([1 for each in self._nodes.values() if now < each.until])
        if out + 1 > MOST * self._known:
            return
        forgiven = int((now - standing.until) // FORGIVEN) if standing.times else 0
        standing.times = max(0, standing.times - forgiven) + 1
        standing.until = now + min(LONGEST, FIRST * 2 ** (standing.times - 1))
        standing.ejections += 1
        for counts in standing.counts:
            counts[0] = -1  # what was judged is not judged again
