"""What is logged of sites and routes. Never an address of a recipient: words of servers come without."""

from __future__ import annotations

from collections.abc import Sequence

from mailgate.errors import SettingsInvalid
from mailgate.shaping.shaping import parse
from mailgate.telemetry.logs import get_logger
from mailgate.verdict import Reply, Tried
from sender.delivery.limits import Limits
from sender.delivery.routes import Curbed
from sender.delivery.sites import Sites
from sender.delivery.throttle import Change

TOLD = 20
"""Of mistakes, or of what is not done of a frame's routes, in the log."""

log = get_logger(__name__)


def curbed(gateway_id: str, what: Sequence[Curbed]) -> None:
    """Of what a gateway's routes ask for, what is not done; the first TOLD."""
    for route, words in what[:TOLD]:
        log.warning("route_curbed", gateway=gateway_id, route=route, what=words)


def shape(limits: Limits, sites: Sites, gateway_id: str, text: str) -> None:
    """A gateway's word on what sites are sent. A text that is wrong changes nothing."""
    if text == limits.shaping.text:
        return
    try:
        shaping = parse(text)
    except SettingsInvalid as error:
        told = [str(mistake) for mistake in error.mistakes[:TOLD]]
        log.error("shaping_refused", gateway=gateway_id, consequence="nothing has changed", count=len(error.mistakes), mistakes=told)
        return
    limits.use(shaping)
    sites.forget()
    log.info("shaping_changed", gateway=gateway_id, version=shaping.version, providers=len(shaping.providers))


def hear(limits: Limits, key: str, tried: Tried) -> bool:
    """Take a site's word on a mail of this path, and tell what has changed by it. False: nothing goes there for a while."""
    change = limits.heard(key, tried)
    if change is None:
        return True
    _tell(limits, key, change)
    return change.kind != "suspended"


def turned_away(limits: Limits, key: str, reply: Reply) -> None:
    """Take a site's word on a connection, and tell what has changed by it."""
    if (change := limits.turned_away(key, reply)) is not None:
        _tell(limits, key, change)


def _tell(limits: Limits, key: str, change: Change) -> None:
    site_key, source, site = limits.site_of(key)
    where = {"site": site_key, "provider": site, **({"source": source} if source else {})}
    if change.kind == "suspended":
        log.warning("site_suspended", **where, seconds=round(change.seconds, 1), rule=change.rule, why=change.why)
    elif change.kind == "slowed":
        log.warning("site_slowed", **where, mails_per_second=round(change.rate, 3), rule=change.rule, why=change.why)
    elif change.kind == "fewer_connections":
        log.warning("site_fewer_connections", **where, connections=change.connections, rule=change.rule, why=change.why)
    else:
        log.info("site_resumed", **where)
