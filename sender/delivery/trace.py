"""The span of an SMTP transaction, made when it is over, from the times that the connection kept. Pure."""

from __future__ import annotations

from mailgate.ids import format_id, mail_of
from mailgate.telemetry import names
from mailgate.telemetry.traces import Role, Tracer, Value
from mailgate.verdict import Outcome, Tried
from sender.pool.handoff import Handoff


def trace(tracer: Tracer, handoff: Handoff, tried: Tried, end_ns: int) -> None:
    """It ended at `end_ns` since the epoch. Costs next to nothing when the call was not sampled."""
    if not tracer.wants(handoff.traceparent):
        return
    failed = [verdict.reply for verdict in tried.recipients if verdict.outcome is not Outcome.DELIVERED]
    reply = failed[0] if failed else tried.recipients[0].reply
    attributes: dict[str, Value] = {
        names.MAIL_ID: format_id(mail_of(handoff.fence.job_id)),
        names.ATTEMPT_NUMBER: handoff.fence.attempt,
        names.ROUTE: handoff.route,
        names.RECIPIENT_COUNT: len(handoff.recipients),
        names.MESSAGE_SIZE: len(handoff.message),
        names.SERVER_ADDRESS: tried.remote_host,
        names.PEER_ADDRESS: tried.remote_address,
        names.SMTP_PHASE: reply.phase.name.lower(),
        names.SMTP_CODE: reply.code,
        names.SMTP_ENHANCED_CODE: reply.enhanced_code,
    }
    error_type = failed[0].bounce_class or str(failed[0].code) if failed else ""
    tracer.span(
        names.SPAN_TRANSACTION,
        handoff.traceparent,
        end_ns - tried.duration_us * 1000,
        end_ns,
        attributes,
        role=Role.CLIENT,
        error_type=error_type,
    )
