"""What delivery and its pool tell telemetry. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mailgate.mail import Lane
from mailgate.telemetry import names
from mailgate.telemetry.sample import HistogramSample, Sample
from sender.delivery.deliver import Delivery
from sender.pool.plan import IN_USE, USABLE


def stats(delivery: Delivery) -> Iterable[Sample | HistogramSample]:
    """All of it, at one moment."""
    yield Sample(names.JOBS_IN_HAND, delivery.in_hand)
    yield Sample(names.UNSETTLED_VERDICTS, delivery.unsettled)
    yield Sample(names.COMMITS_EXPIRED, delivery.tally.expired)
    yield HistogramSample(names.COMPOSE_SECONDS, delivery.tally.compose_time.snapshot())
    for route, histogram in delivery.tally.service_times.items():
        yield HistogramSample(names.TRANSACTION_SECONDS, histogram.snapshot(), {"route": route})
    for (lane, route), jobs in by_route(delivery.all_credit()).items():
        yield Sample(names.CREDIT, jobs, {"lane": Lane(lane).name.lower(), "route": route})
    for route, counts in delivery.pool.stats().items():
        yield Sample(names.POOL_WARM, counts.count(*USABLE), {"route": route})
        yield Sample(names.POOL_BUSY, counts.count(*IN_USE), {"route": route})
        yield Sample(names.POOL_DIALLED, counts.dialled, {"route": route})
        yield Sample(names.POOL_CLOSED, counts.closed, {"route": route})
        yield Sample(names.POOL_DIAL_FAILED, counts.failed, {"route": route})
        yield Sample(names.POOL_LOGINS_REFUSED, counts.refused, {"route": route})
        yield Sample(names.POOL_RELAYS_RESTING, counts.resting, {"route": route})
    for provider, held in delivery.limits.stats().items():
        yield Sample(names.SITES_HELD, held.suspended, {"provider": provider, "state": "suspended"})
        yield Sample(names.SITES_HELD, held.slowed, {"provider": provider, "state": "slowed"})
        yield Sample(names.SITE_COMPLAINTS, held.suspensions, {"provider": provider, "state": "suspended"})
        yield Sample(names.SITE_COMPLAINTS, held.slowdowns, {"provider": provider, "state": "slowed"})
        yield Sample(names.SITE_COMPLAINTS, held.curbs, {"provider": provider, "state": "fewer_connections"})


def by_route(credit: Mapping[tuple[Lane, str], int]) -> dict[tuple[Lane, str], int]:
    """Of all sites of a route together: sites are too many for labels. What each that is not listed has is left out."""
    found: dict[tuple[Lane, str], int] = {}
    for (lane, site_key), jobs in credit.items():
        route, slash, site = site_key.partition("/")
        key = lane, route
        found[key] = found.get(key, 0) + (jobs if site or not slash else 0)
    return found
