"""Which relay of a route the next dial goes to: of the best preference that can be dialled, the one with the fewest by its weight. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from mailgate.route import Relay
from sender.pool.plan import USABLE, Slot, State
from sender.pool.relays import Relays


def choose(route: Sequence[Relay], relays: Relays, slots: Sequence[Slot], now: float) -> int | None:
    """The place of the relay in the route; None: none may be dialled now.

    A relay of a greater preference is only dialled while no better one may be. One that failed is tried by a single dial, then by as many
    as it holds. Must be cheap: asked for every dial.
    """
    if len(route) == 1:
        return 0 if _may_dial(0, relays, slots, now) else None
    places = sorted(range(len(route)), key=lambda place: route[place].preference)
    open_now = [0] * len(route)
    for slot in slots:
        if slot.state is State.DIALING or slot.state in USABLE:
            open_now[slot.relay] += 1
    for _, group in groupby(places, key=lambda place: route[place].preference):
        for place in sorted(group, key=lambda place: (open_now[place] + 1) / route[place].weight):
            if _may_dial(place, relays, slots, now):
                return place
    return None


def _may_dial(place: int, relays: Relays, slots: Sequence[Slot], now: float) -> bool:
    if relays.resting(place, now):
        return False
    if not relays.suspect(place):
        return True
    of_it = [slot for slot in slots if slot.relay == place]
    usable = sum(slot.state in USABLE for slot in of_it)
    if sum(slot.state is State.DIALING for slot in of_it) > usable:
        return False
    if not usable:
        relays.tried(place, now)
    return True
