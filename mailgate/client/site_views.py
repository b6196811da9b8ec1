"""What gateways tell of sites: plain values. Times: milliseconds, since 1970 where they are moments."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class SiteState(IntEnum):
    """Whether a site takes mail; numbers are those of the proto."""

    OK = 1
    SLOWED = 2
    SUSPENDED = 3
    UNREACHABLE = 4
    UNKNOWN = 5
    """Of a later release, or no node has told of it."""


class Direction(IntEnum):
    """Who said a line; numbers are those of the proto."""

    SENT = 1
    RECEIVED = 2
    NOTE = 3


@dataclass(frozen=True, slots=True)
class Site:
    """A site over all nodes, or on one. Counts since each node's start; see the proto."""

    site_key: str
    state: SiteState
    reason: str
    until_ms: int | None
    warm: int
    busy: int
    dialing: int
    wanted: int
    limit: int
    mails_per_second: float
    rate_limit: float
    mails: int
    delivered: int
    deferred: int
    bounced: int
    in_doubt: int
    ready: int
    later: int
    waiting: int
    oldest_ms: int | None
    nodes: tuple[tuple[str, Site], ...] = ()
    """By node id, where that was asked for."""


@dataclass(frozen=True, slots=True)
class TraceLine:
    """A line of a dialogue. `lost`: so many before it are missing; `time_us`: microseconds since 1970, 0 where nothing is said."""

    time_us: int
    node_id: str
    connection: int
    source: str
    remote: str
    direction: Direction
    text: str
    lost: int = 0
