"""A path: one way out of this node, from one source to one site as one route speaks. Pure.

Connections, and the jobs that wait for them, are a path's. A relay route has one path (one a source, where it names sources); a route by MX
has one for each set of hosts that it sends to.
"""

from __future__ import annotations

from dataclasses import dataclass

from mailgate.route import Route
from sender.pool.source import ANY, Source


@dataclass(frozen=True, slots=True)
class Path:
    """`route`: the gateway's, with this path's own hosts for relays and this path's own numbers."""

    key: str
    """The route's name, for a path that is all of the route; else it begins with it."""
    route: Route
    site: str = ""
    """What the limits of large providers apply to: a provider, or a mail server's name. Empty: the route's relays."""
    source: Source = ANY
    """What it is dialled from. Circuits of hosts, and limits, are each source's own: a server that lets in none of one takes mail of
    another."""
