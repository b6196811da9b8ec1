"""How much room the journal has: when new mail must be refused, and when its log must give room back."""

from __future__ import annotations

import os
import time
from pathlib import Path

import apsw

from gateway.journal.statements import fetch

LOOK_SECONDS = 0.1
"""How long a look at the file system holds."""
LOG_SHARE = 4
"""The log may take this part of what is free: folding it into the database can take as much again, and must not fail."""
WORKING_SHARE = 4
"""This part of the reserve must be free on the disk itself, since whatever is written goes through the log first."""


class Disk:
    """The file system of the data directory. For the writer's thread."""

    def __init__(self, directory: Path, reserve_bytes: int) -> None:
        self._directory, self._reserve_bytes = directory, reserve_bytes
        self._holds_until = 0.0
        self.free_bytes = 0
        self.look()

    def look(self) -> None:
        """See what is free, unless that was seen a moment ago."""
        now = time.monotonic()
        if now >= self._holds_until:
            self.look_again()
            self._holds_until = now + LOOK_SECONDS

    def look_again(self) -> None:
        """See what is free now."""
        disk = os.statvfs(self._directory)
        self.free_bytes = disk.f_bavail * disk.f_frsize

    def refusal(self, connection: apsw.Connection) -> str | None:
        """Why new mail cannot be taken; None: it can. Pages that the database has to spare count as room, as far as the log fits too."""
        if self.free_bytes >= self._reserve_bytes:
            return None
        ((pages,),), ((size,),) = fetch(connection, "pragma freelist_count"), fetch(connection, "pragma page_size")
        inside = pages * size
        if self.free_bytes + inside >= self._reserve_bytes and self.free_bytes >= self._reserve_bytes // WORKING_SHARE:
            return None
        return (
            f"{self._directory} has {self.free_bytes:,} octets free, and {inside:,} in the journal itself; "
            f"{self._reserve_bytes:,} are kept for the verdicts of what was accepted"
        )

    def scarce(self, log_bytes: int) -> bool:
        """The log must be folded, and its room given back, while there is room for it in the database."""
        return log_bytes * LOG_SHARE > self.free_bytes
