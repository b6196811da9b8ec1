"""What this node knows of each attempt, until the gateway has settled it: HELD, COMMITTED, or DONE with a verdict. Pure.

This is the node's half of promise 3. What is HELD can be dropped without a word lost; what is COMMITTED ends in a verdict; a verdict is
kept until its gateway says that it is recorded, over as many streams as that takes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from mailgate.job import Fence
from mailgate.verdict import JobVerdict

UNSETTLED_LIMIT = 20_000
"""Verdicts kept for one gateway; beyond, it gets no credit (promise 3)."""


class Known(IntEnum):
    """The state of an attempt; numbers are those of the proto."""

    HELD = 1
    COMMITTED = 2
    DONE = 3
    UNKNOWN = 4


@dataclass(slots=True)
class Kept:
    """One attempt."""

    gateway_id: str
    known: Known = Known.HELD
    verdict: JobVerdict | None = None


class Keep:
    """All attempts of this process's life that are not settled."""

    def __init__(self) -> None:
        self._kept: dict[Fence, Kept] = {}
        self._unsettled: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"<Keep attempts={len(self._kept)} unsettled={sum(self._unsettled.values())}>"

    def __len__(self) -> int:
        return len(self._kept)

    def unsettled(self, gateway_id: str) -> int:
        """Verdicts that this gateway has not settled."""
        return self._unsettled.get(gateway_id, 0)

    @property
    def all_unsettled(self) -> int:
        """Over all gateways."""
        return sum(self._unsettled.values())

    def get(self, fence: Fence) -> Kept | None:
        """What is known of it."""
        return self._kept.get(fence)

    def hold(self, gateway_id: str, fence: Fence) -> bool:
        """A gateway offers it. False: it is here already, in whatever state."""
        if fence in self._kept:
            return False
        self._kept[fence] = Kept(gateway_id)
        return True

    def commit(self, fence: Fence) -> None:
        """Its body's end is about to be written."""
        self._kept[fence].known = Known.COMMITTED

    def done(self, fence: Fence, verdict: JobVerdict) -> str:
        """It ended; the gateway that must hear of it."""
        kept = self._kept[fence]
        kept.known, kept.verdict = Known.DONE, verdict
        self._unsettled[kept.gateway_id] = self._unsettled.get(kept.gateway_id, 0) + 1
        return kept.gateway_id

    def drop(self, fence: Fence) -> bool:
        """Forget what is HELD. False: it is not, and stays."""
        kept = self._kept.get(fence)
        if kept is None or kept.known is not Known.HELD:
            return False
        del self._kept[fence]
        return True

    def settle(self, fences: Iterable[Fence]) -> None:
        """Their verdicts are recorded."""
        for fence in fences:
            kept = self._kept.get(fence)
            if kept is not None and kept.known is Known.DONE:
                del self._kept[fence]
                self._unsettled[kept.gateway_id] -= 1
                if not self._unsettled[kept.gateway_id]:
                    del self._unsettled[kept.gateway_id]

    def inventory(self, gateway_id: str) -> list[tuple[Fence, Kept]]:
        """What a gateway must know when its stream begins: all of its that is COMMITTED or DONE."""
        return [(fence, kept) for fence, kept in self._kept.items() if kept.gateway_id == gateway_id and kept.known is not Known.HELD]

    @property
    def committed(self) -> int:
        """Attempts under way: a walk, not for the hot path."""
        return sum(kept.known is Known.COMMITTED for kept in self._kept.values())
