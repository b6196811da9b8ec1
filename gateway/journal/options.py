"""Options of the journal: [journal] in the settings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class JournalOptions:
    """Every figure was measured on two cores with mails of 2 KB unless it says otherwise."""

    reserve_bytes: int = 256 * MIB
    """Free octets of the file system below which new mail is refused: they are kept for verdicts (promise 8 of the design)."""
    group_rows: int = 1000
    """Jobs that one commit touches at most: bounds how long a caller that came just too late waits for the next (25 µs a job)."""
    group_bytes: int = 16 * MIB
    """Octets of bodies that one commit gathers at most, for the same reason. A larger single call is one group."""
    checkpoint_pages: int = 20_000
    """Pages in the write-ahead log before it is folded into the database: 20,000 gave 1.3 to 2.4 times the rate of SQLite's 1,000."""
    cache_bytes: int = 32 * MIB
    """Page cache of the writing connection; the reading one has a quarter of it."""
    window_jobs: int = 20_000
    """Ready jobs that the queue reads ahead into memory at most; what exceeds it waits on disk. Those that dispatch took count to
    `dispatch.waiting_jobs`."""
    window_bytes: int = 64 * MIB
    """Octets of the ready jobs kept in memory at most; shared contents count for each job."""
    window_share: float = 0.1
    """Part of the window that one route and site key may fill, so that a slow site does not crowd out the others."""
    refill_jobs: int = 512
    """Jobs that one read from disk brings at most, over all keys."""
    take_jobs: int = 256
    """Jobs that one `take` gives at most."""
    retention: timedelta = timedelta(days=7)
    """How long a mail and its recipients stay to be asked for once nothing more will happen to them."""
