"""One backend after the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.backend import BACKENDS, Backend
from tests.contract.builders import Clock


@pytest.fixture
def clock() -> Clock:
    """The suites' time."""
    return Clock()


@pytest.fixture(params=sorted(BACKENDS))
async def backend(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[Backend]:
    """A fresh backend."""
    async with BACKENDS[request.param](tmp_path / "data", clock) as backend:
        yield backend
