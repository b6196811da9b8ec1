"""What delivery and its pool tell telemetry. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mailgate.mail import Lane
from mailgate.telemetry import names
from mailgate.telemetry.sample import HistogramSample, Sample
from sender.delivery.deliver import Delivery
from sender.delivery.named import OTHER
from sender.delivery.seen import Site
from sender.pool.plan import IN_USE, USABLE

STATES = ("delivered", "deferred", "bounced", "in_doubt")


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
    yield from of_sites(delivery)
    for provider, held in delivery.limits.stats().items():
        yield Sample(names.SITES_HELD, held.suspended, {"provider": provider, "state": "suspended"})
        yield Sample(names.SITES_HELD, held.slowed, {"provider": provider, "state": "slowed"})
        yield Sample(names.SITE_COMPLAINTS, held.suspensions, {"provider": provider, "state": "suspended"})
        yield Sample(names.SITE_COMPLAINTS, held.slowdowns, {"provider": provider, "state": "slowed"})
        yield Sample(names.SITE_COMPLAINTS, held.curbs, {"provider": provider, "state": "fewer_connections"})


def of_sites(delivery: Delivery) -> Iterable[Sample]:
    """By name those with the most mail, and the others together."""
    warm, waiting = delivery.warm, delivery.seen.waiting
    for name, sums in delivery.outcomes.fold():
        for state in STATES:
            yield Sample(names.SITE_RECIPIENTS, getattr(sums, state), {"site": name, "state": state})
        if name != OTHER:
            site = delivery.seen.site(name) or Site(name)
            warm, waiting = warm - site.standing.warm, waiting - site.waiting
            yield Sample(names.SITE_CONNECTIONS, site.standing.warm, {"site": name})
            yield Sample(names.SITE_WAITING, site.waiting, {"site": name})
    # Those with a name are as they were at the last look, a second ago.
    yield Sample(names.SITE_CONNECTIONS, max(0, warm), {"site": OTHER})
    yield Sample(names.SITE_WAITING, max(0, waiting), {"site": OTHER})


def by_route(credit: Mapping[tuple[Lane, str], int]) -> dict[tuple[Lane, str], int]:
    """Of all sites of a route together: sites are too many for labels. What each that is not listed has is left out."""
    found: dict[tuple[Lane, str], int] = {}
    for (lane, site_key), jobs in credit.items():
        route, slash, site = site_key.partition("/")
        key = lane, route
        found[key] = found.get(key, 0) + (jobs if site or not slash else 0)
    return found
