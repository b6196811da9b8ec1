"""What a throttle lets a path have: connections, and jobs in hand. Pure: time is given."""

from __future__ import annotations

from dataclasses import replace
from math import ceil, inf

from sender.delivery.throttle import Throttle
from sender.pool.path import Path

NEAR = 2.0
"""Seconds. Jobs wait here for what may be sent so soon; what may go later than that waits at its gateway, with the reason."""


def share(throttle: Throttle, paths: int) -> int:
    """Connections that each of so many paths to the site may have; 0: as many as its route has.

    At least one each, since who has none can't be sent anything: a provider whose customers all have mail servers of their own name gets as
    many as there are customers with mail, when these are more than its limit.
    """
    return max(1, throttle.connections // max(1, paths)) if throttle.connections else 0


def within(path: Path, throttle: Throttle, paths: int) -> Path:
    """The path with no more connections, and no more mails in each, than the site takes where it is one of so many."""
    route = path.route
    connections = min(route.connections, share(throttle, paths) or route.connections)
    mails = min(route.max_mails_per_connection, throttle.mails_per_connection or route.max_mails_per_connection)
    if (connections, mails) == (route.connections, route.max_mails_per_connection):
        return path
    least = min(route.min_idle, connections)
    return replace(path, route=replace(route, connections=connections, max_mails_per_connection=mails, min_idle=least))


def jobs_of(throttle: Throttle, now: float) -> int:
    """As many as go within NEAR; at least one, if one does, so that the site is tried."""
    if throttle.wait(now) > now + NEAR:
        return 0
    if throttle.suspended_until > -inf:
        return 1
    return max(1, ceil(throttle.rate * NEAR)) if throttle.rate else 1


def source_of(path: Path) -> str:
    """The egress identity; empty: none."""
    return path.source.name


def site_key_of(path: Path) -> str:
    """What gateways count its jobs and credit by."""
    return f"{path.route.name}/{path.site}" if path.site else path.route.name
