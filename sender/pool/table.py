"""The slots of every path that there is, of those that still finish what they have, and the counts of those that were. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy

from sender.pool.path import Path
from sender.pool.plan import NOWHERE, Counts, Standing, State
from sender.pool.relays import Trouble
from sender.pool.slots import Slots


class Table:
    """`make` gives a path its slots. Times are monotonic seconds."""

    def __init__(self, make: Callable[[Path], Slots]) -> None:
        self._make = make
        self._paths: dict[str, Slots] = {}
        self._retired: list[Slots] = []
        self._past: dict[str, Counts] = {}
        """Of paths that are gone, by route."""
        self.get = self._paths.get
        """The slots of a path by its key, or None: the hot path."""

    def __iter__(self) -> Iterator[Slots]:
        yield from self._paths.values()
        yield from self._retired

    def open(self, path: Path) -> list[Slots]:
        """It takes mail: its slots, after those of its key that lead elsewhere and are retired now."""
        slots = self._paths.get(path.key)
        if slots is not None and slots.serves(path):
            slots.resize(path)
            return [slots]
        retired = self.shut(path.key)
        slots = self._paths[path.key] = self._make(path)
        return [*retired, slots]

    def shut(self, key: str) -> list[Slots]:
        """It takes no more mail: its slots, if there are any, which are retired now."""
        if (slots := self._paths.pop(key, None)) is None:
            return []
        slots.retire()
        self._retired.append(slots)
        return [slots]

    def asleep(self, key: str) -> bool:
        """Nothing is open, being dialled or wanted on this path. Must be cheap: asked of ten thousand."""
        return (slots := self._paths.get(key)) is None or slots.asleep

    def warm(self, key: str) -> int:
        """Connections of a path that are open and usable."""
        return 0 if (slots := self._paths.get(key)) is None else slots.warm

    def trouble(self, key: str) -> Trouble | None:
        """Why a path has no usable connection. None: it has one, or the first dial is still under way."""
        return None if (slots := self._paths.get(key)) is None or slots.warm else slots.relays.trouble

    def standing(self, key: str) -> Standing:
        """How many connections a path has now. Cheap, but not for each mail."""
        if (slots := self._paths.get(key)) is None:
            return NOWHERE
        sizing, warm = slots.sizing, slots.warm
        dialing = slots.stats().count(State.DIALING) if warm < sizing.wanted else 0
        return Standing(warm, slots.busy, dialing, sizing.wanted, sizing.most)

    def forget(self) -> None:
        """The retired that are empty."""
        for slots in [slots for slots in self._retired if slots.empty]:
            self._retired.remove(slots)
            self._past.setdefault(slots.route.name, Counts()).add(slots.stats())

    def stats(self, now: float) -> dict[str, Counts]:
        """Counts by route, over all paths that there are and were."""
        counts = deepcopy(self._past)
        for slots in self:
            counts.setdefault(slots.route.name, Counts()).add(slots.stats(now))
        return counts
