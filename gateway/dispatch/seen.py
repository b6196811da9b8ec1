"""How sites do: what each node told of them last, and what that comes to over all nodes. Pure: time is given.

A node tells all its sites when its stream begins, and then what changes; when the stream ends nobody knows how they are, and what it told
is forgotten. So sums are over the nodes that are here, and their counts begin anew with each node's process.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from math import exp

from gateway.dispatch.link import SiteReport
from gateway.dispatch.sums import Waits

MOST = 20_000
"""Reports that are kept of one node; the one that changed the longest ago goes first. Some 600 octets each."""
LATE = 10.0
"""Seconds over which mails a second are a mean: what was longer ago counts for less and less."""
BEAT = 1.5
"""Seconds in which a site that has mail is told of again."""
SETTLED = 15.0
"""Seconds after which a node has told all the sites that it had when its stream began: what it tells of first is new to it, too."""


class SiteState(IntEnum):
    """Whether a site takes mail; numbers are those of the proto."""

    OK = 1
    SLOWED = 2
    SUSPENDED = 3
    UNREACHABLE = 4
    UNKNOWN = 5


@dataclass(slots=True)
class Newest:
    """What a node told last of a site, and when, monotonic seconds. `rate`: mails a second then."""

    report: SiteReport
    at: float
    rate: float = 0.0

    def rate_at(self, now: float) -> float:
        """Mails a second of late; a site that is not told of any more has none."""
        return self.rate * exp(-max(0.0, now - self.at - BEAT) / LATE)

    def wait_at(self, now: float) -> float:
        """Seconds for which nothing is sent; 0: something is."""
        return max(0.0, self.report.wait_ms / 1000 - (now - self.at)) if self.report.wait_ms else 0.0

    def follow(self, report: SiteReport, now: float) -> Newest:
        """What it told next."""
        mails, seconds = report.mails - self.report.mails, now - self.at
        if mails < 0 or seconds <= 0:
            return Newest(report, now, self.rate)
        fades = exp(-seconds / LATE)
        return Newest(report, now, self.rate * fades + mails / seconds * (1 - fades))


class NodeSites:
    """Of one node, while its stream lives."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._newest: dict[str, Newest] = {}
        self._since: float | None = None

    def __repr__(self) -> str:
        return f"<NodeSites {len(self._newest)}>"

    def __len__(self) -> int:
        return len(self._newest)

    def __iter__(self) -> Iterator[Newest]:
        return iter(self._newest.values())

    def hear(self, reports: Iterable[SiteReport], now: float) -> None:
        """It tells these."""
        if self._since is None:
            self._since = now
        for report in reports:
            before = self._newest.pop(report.site_key, None)
            if before is None and now - self._since > SETTLED:
                before = Newest(SiteReport(report.site_key), now - 1.0)
            self._newest[report.site_key] = Newest(report, now) if before is None else before.follow(report, now)
        while len(self._newest) > self._most:
            del self._newest[next(iter(self._newest))]

    def get(self, site_key: str) -> Newest | None:
        """What it told of a site."""
        return self._newest.get(site_key)

    def clear(self) -> None:
        """Its stream is over."""
        self._newest.clear()
        self._since = None


@dataclass(slots=True)
class SiteSum:
    """A site over several reports. Times in seconds; `wait`: nothing is sent for so long; None as `oldest_ms`: nothing is ready."""

    site_key: str
    state: SiteState = SiteState.UNKNOWN
    reason: str = ""
    wait: float = 0.0
    warm: int = 0
    busy: int = 0
    dialing: int = 0
    wanted: int = 0
    limit: int = 0
    mails_per_second: float = 0.0
    rate_limit: float = 0.0
    mails: int = 0
    delivered: int = 0
    deferred: int = 0
    bounced: int = 0
    in_doubt: int = 0
    waiting: int = 0
    ready: int = 0
    later: int = 0
    oldest_ms: int | None = None


def reports_of(nodes: Iterable[NodeSites], more: Iterable[str], prefix: str = "") -> dict[str, list[Newest]]:
    """By site key what nodes told; `more`: keys of which nobody may have told. Only those that begin so. A few ms for ten thousand."""
    reports: dict[str, list[Newest]] = {key: [] for key in more if key.startswith(prefix)}
    for node in nodes:
        for newest in node:
            if (key := newest.report.site_key).startswith(prefix):
                reports.setdefault(key, []).append(newest)
    return reports


def sum_of(site_key: str, found: Iterable[Newest], waits: Waits | None, now: float) -> SiteSum:
    """One site."""
    found = list(found)
    total = SiteSum(site_key)
    for newest in found:
        report = newest.report
        total.warm += report.warm
        total.busy += report.busy
        total.dialing += report.dialing
        total.wanted += report.wanted
        total.limit += report.limit
        total.mails_per_second += newest.rate_at(now)
        total.rate_limit += report.rate
        total.mails += report.mails
        total.delivered += report.delivered
        total.deferred += report.deferred
        total.bounced += report.bounced
        total.in_doubt += report.in_doubt
        total.waiting += report.waiting
    if waits is not None:
        total.ready, total.later, total.oldest_ms = waits.ready, waits.later, waits.oldest_ms
    total.state, total.reason, total.wait = _judged(found, total, now)
    return total


def _judged(found: list[Newest], total: SiteSum, now: float) -> tuple[SiteState, str, float]:
    """In this order: suspended everywhere, nowhere a connection and trouble somewhere, slowed or suspended somewhere, well."""
    if not found:
        return SiteState.UNKNOWN, "no node has told of it yet" if total.ready or total.later else "", 0.0
    held = [newest for newest in found if newest.report.reason and (newest.wait_at(now) or not newest.report.wait_ms)]
    waits = [newest.wait_at(now) for newest in found]
    if all(waits):
        soonest = min(found, key=lambda newest: newest.wait_at(now))
        return SiteState.SUSPENDED, soonest.report.reason, min(waits)
    troubles = [newest.report.trouble for newest in found if newest.report.trouble]
    if troubles and not total.warm:
        return SiteState.UNREACHABLE, troubles[0], 0.0
    if held:
        worst = max(held, key=lambda newest: newest.wait_at(now))
        some = f"on {len(held)} of {len(found)}: " if len(held) < len(found) else ""
        return SiteState.SLOWED, some + worst.report.reason, 0.0
    return SiteState.OK, f"on {len(troubles)} of {len(found)}: {troubles[0]}" if troubles else "", 0.0
