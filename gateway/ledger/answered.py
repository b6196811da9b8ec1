"""Awaitables that have their answer already, for the references."""

from __future__ import annotations

from collections.abc import Generator
from typing import Generic, TypeVar

T = TypeVar("T")


class Done(Generic[T]):
    """An awaitable that already has its result."""

    def __init__(self, value: T) -> None:
        self._value = value

    def __await__(self) -> Generator[None, None, T]:
        return self._value
        yield


class Failed(Generic[T]):
    """An awaitable that raises."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __await__(self) -> Generator[None, None, T]:
        raise self._error
        yield
