"""`[events]`: how many may watch, and how far one may fall behind. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EventOptions:
    """Bounds of WatchEvents; a call that waits for its own mail is not counted among them."""

    max_watchers: int = 1_000
    """Open WatchEvents calls of all tenants together; beyond it a new one is answered UNAVAILABLE."""
    max_watchers_per_tenant: int = 100
    """Open WatchEvents calls of one tenant, so that one that forgets to end its calls leaves the others theirs; likewise UNAVAILABLE. Each
    event of a tenant is handed to all its watchers: a service wants one for each of its processes, not one for each mail."""
    max_waiting: int = 10_000
    """Events that wait to be read by one watcher, some 3 MB; beyond it the watcher is ended rather than the gateway."""
