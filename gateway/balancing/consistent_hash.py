"""The key's home, so that its connections stay warm on one node; the next on the ring while the home has more than its share in hand.

Mirrokni, Thorup, Zadimoghaddam, "Consistent Hashing with Bounded Loads", 2016: no node has more than ⌈1.25 × mean⌉ in hand, and a key that
finds its home full goes on to the next node that is not. Envoy (`hash_balance_factor`) and HAProxy (`hash-balance-factor`) do the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from operator import attrgetter

from gateway.balancing.picker import C
from gateway.balancing.ring import Ring

BOUND = 1.25
"""Of the mean. Nearer to 1, more keys leave home; at 1.25 a quarter of them do where a few keys have most of the mail (simulated)."""

_ID, _IN_FLIGHT, _RAMP = attrgetter("node_id"), attrgetter("in_flight"), attrgetter("ramp")


class ConsistentHash:
    """The bound counts what is in hand over all routes, the job to be placed included; a node that has just come has less of it.

    `ring` may be shared by routes, since only keys differ. Whoever owns it drops nodes that have gone; a walk passes them over meanwhile.
    """

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self._known: list[str] = []
        self._of: frozenset[str] = frozenset()
        """Candidates that were on the ring when it had these ids: mostly they are those of the last pick."""

    def pick(self, candidates: Sequence[C], key: str = "") -> C:
        """The first on the ring from the key on that is a candidate and below its bound."""
        ids = list(map(_ID, candidates))
        ring = self._ring
        if ids != self._known or ring.ids is not self._of:
            ring.use(ring.ids.union(ids))
            self._known, self._of = ids, ring.ids
        share = BOUND * (sum(map(_IN_FLIGHT, candidates)) + 1) / sum(map(_RAMP, candidates))
        for node_id in ring.walk(key):
            if node_id in ids:
                candidate = candidates[ids.index(node_id)]
                if candidate.in_flight < ceil(share * candidate.ramp):
                    return candidate
        return min(candidates, key=_IN_FLIGHT)  # not reached: the bounds together are more than all that is in hand
