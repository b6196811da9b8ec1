"""The options of dispatch: `[dispatch]` of the settings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class DispatchOptions:
    """How ready jobs reach the nodes, and when failures are tried again."""

    waiting_jobs: int = 20_000
    """Jobs taken from the queue that wait for room at a node, at most. One site key gets at most a tenth, so that a slow site never fills
    it. What the queue itself keeps in memory is bounded by `journal.window_jobs`, and comes on top."""
    waiting_bytes: int = 64 * 1024 * 1024
    """Octets of these jobs' bodies; likewise beside `journal.window_bytes`."""
    node_bytes: int = 64 * 1024 * 1024
    """Octets of bodies in the hands of one node, at most; a larger mail travels alone."""
    retry_first: timedelta = timedelta(minutes=1)
    """Wait after the first deferral. Greylisting mostly ends within 5 min, and short waits cost little."""
    retry_max: timedelta = timedelta(minutes=30)
    """Longest wait. RFC 5321 4.5.4.1 asks for at least 30 min between tries that follow many failures."""
    retry_jitter: float = 0.2
    """Each wait is stretched or shortened by up to this part, so that what was deferred together does not come back together."""
    doubt_wait: timedelta = timedelta(seconds=2)
    """How long a lost node may take to come back and say what became of a committed mail, before `on_doubt` decides."""
    recovery_wait: timedelta = timedelta(seconds=5)
    """After an unclean stop of the gateway: how long recovered jobs wait for the nodes' inventories."""
    losses_alone: int = 2
    """After the loss of so many nodes with a job uncommitted, the job runs alone on a node."""
    losses_dead: int = 3
    """After so many it is DEAD."""
