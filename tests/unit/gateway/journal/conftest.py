"""Journals on a directory of the test's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.journal.options import JournalOptions
from tests.contract.backend import JournalBackend
from tests.contract.builders import Clock


@pytest.fixture
def clock() -> Clock:
    """The tests' time."""
    return Clock()


@pytest.fixture
def opened(tmp_path: Path, clock: Clock) -> Callable[..., JournalBackend]:
    """Opens the journal of this test, again and again, as an async context manager."""

    def make(**options: int | float) -> JournalBackend:
        backend = JournalBackend(tmp_path / "data", clock)
        backend.options = JournalOptions(**{"reserve_bytes": 0, **options})  # type: ignore[arg-type]
        return backend

    return make
