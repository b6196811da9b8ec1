"""One after the other, whatever they carry."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.balancing.picker import C


class RoundRobin:
    """Goes round by node id, so that a node that comes or leaves does not restart the round."""

    def __init__(self) -> None:
        self._last = ""

    def pick(self, candidates: Sequence[C], key: str = "") -> C:
        """The first whose id comes after the last one picked; past the end, the first of all."""
        for candidate in candidates:
            if candidate.node_id > self._last:
                break
        else:
            candidate = candidates[0]
        self._last = candidate.node_id
        return candidate
