"""Which relay of a route the next dial goes to. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from sender.pool.plan import USABLE, Slot, State
from sender.pool.relays import Relays


def choose(relays: Relays, slots: Sequence[Slot], now: float) -> int | None:
    """The place of the first relay that may be dialled. One that failed is tried by a single dial, then by as many as it holds."""
    for place in range(len(relays)):
        if relays.resting(place, now):
            continue
        if not relays.suspect(place):
            return place
        of_it = [slot for slot in slots if slot.relay == place]
        usable = sum(slot.state in USABLE for slot in of_it)
        if sum(slot.state is State.DIALING for slot in of_it) <= usable:
            if not usable:
                relays.tried(place, now)
            return place
    return None
