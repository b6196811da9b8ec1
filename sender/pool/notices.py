"""What the log hears of dials: the first failure of each pause, credentials that were refused, and when a route is well again."""

from __future__ import annotations

from mailgate.route import Relay
from mailgate.telemetry.logs import get_logger
from sender.pool.dialer import DialFailed
from sender.pool.relays import refuses_login
from sender.pool.slots import Slots

log = get_logger(__name__)


def dial_failed(slots: Slots, failure: DialFailed, now: float) -> None:
    """To be told once a pause. A server's own words are not repeated: they may name whom it knows."""
    reply, relay, trouble = failure.reply, failure.relay, slots.relays.trouble
    kind = "source_failed" if failure.of_source else "login_refused" if refuses_login(reply) else "dial_failed"
    log.warning(
        kind,
        **_where(slots, relay),
        phase=reply.phase.name.lower(),
        code=reply.code,
        reason=reply.bounce_class if reply.code else reply.text,
        failures=trouble.failures if trouble else 1,
        pause_s=round(trouble.rests_until - now, 1) if trouble else 0.0,
    )


def dialled(slots: Slots, relay: Relay) -> None:
    """Told where the dials before it failed."""
    if slots.relays.trouble is not None:
        log.info("dial_succeeded", **_where(slots, relay))


def _where(slots: Slots, relay: Relay) -> dict[str, str]:
    source = {"source": slots.path.source.name} if slots.path.source.name else {}
    return {"route": slots.route.name, "relay": f"{relay.host}:{relay.port}", **source}
