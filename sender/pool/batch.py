"""Things put off to the next turn of the event loop: one call a turn, however many they are. Pure: how to call later is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Batch(Generic[Item]):
    """`act` gets all that was added since it was last called, in order, soon after the first was. `call_soon` is a loop's."""

    __slots__ = ("_act", "_call_soon", "_items")

    def __init__(self, call_soon: Callable[[Callable[[], None]], object], act: Callable[[list[Item]], None]) -> None:
        self._call_soon = call_soon
        self._act = act
        self._items: list[Item] = []

    def add(self, item: Item) -> None:
        """Cheap; never acts by itself."""
        if not self._items:
            self._call_soon(self._turn)
        self._items.append(item)

    def _turn(self) -> None:
        items, self._items = self._items, []
        self._act(items)
