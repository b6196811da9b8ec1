"""What waits, added up: by lane and route, or by site. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gateway.ledger.port import QueueCount


@dataclass(slots=True)
class Waits:
    """What waits for a site. `oldest_ms`: when the oldest ready job became due; None when none is ready."""

    ready: int = 0
    later: int = 0
    oldest_ms: int | None = None


def by_route(counts: Iterable[QueueCount]) -> list[QueueCount]:
    """A count for each lane and route, in the order of the first of each; its site key is empty."""
    sums: dict[tuple[int, str], QueueCount] = {}
    for count in counts:
        slot = (count.lane, count.route)
        before = sums.get(slot, QueueCount(count.lane, count.route, "", 0, 0, None))
        oldest = earlier(before.oldest_ms, count.oldest_ms)
        sums[slot] = QueueCount(count.lane, count.route, "", before.ready + count.ready, before.deferred + count.deferred, oldest)
    return list(sums.values())


def by_site(counts: Iterable[QueueCount], key: Callable[[str], str]) -> dict[str, Waits]:
    """By site key, over lanes. `key`: what jobs of a stored key are counted by now."""
    sums: dict[str, Waits] = {}
    for count in counts:
        waits = sums.setdefault(key(count.site_key), Waits())
        waits.ready += count.ready
        waits.later += count.deferred
        waits.oldest_ms = earlier(waits.oldest_ms, count.oldest_ms)
    return sums


def earlier(one: int | None, other: int | None) -> int | None:
    """Of two times, each of which may be none."""
    return other if one is None else one if other is None else min(one, other)
