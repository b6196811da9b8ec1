"""A process's clock, set by a test: libfaketime is loaded into it. Only the time of day jumps; monotonic time stays as it is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

FOLDERS = Path("/opt/mailgate-servers/usr/lib"), Path("/usr/lib")


def library() -> Path | None:
    """Where it is: .ci/servers gets it."""
    return next((found for folder in FOLDERS for found in folder.glob("*/faketime/libfaketime.so.1")), None)


class WallClock:
    """Of whatever process is started with `env`."""

    def __init__(self, file: Path) -> None:
        self._file = file
        if (found := library()) is None:
            missing = "libfaketime is not there: .ci/servers gets it, where there is Debian"
            if os.environ.get("CI") == "true":
                pytest.fail(missing)
            pytest.skip(missing)
        self.env: Mapping[str, str] = {
            "LD_PRELOAD": str(found),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        self.set(0)

    def set(self, seconds: int) -> None:
        """So far ahead of the machine's, or behind it."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.replace(self._file)
