"""Verdicts ⇄ messages: what travels on the link from a node to its gateways."""

from __future__ import annotations

from mailgate.api.node.v1 import node_pb2
from mailgate.errors import JobUnreadable
from mailgate.job import Fence
from mailgate.verdict import Expired, JobVerdict, NotTried, Outcome, Phase, RecipientVerdict, Reply, Tried

Kind = node_pb2.JobVerdict

_OUTCOMES = {outcome.value: outcome for outcome in Outcome}
_PHASES = {phase.value: phase for phase in Phase}
"""Asked for every mail: an enum's own call takes five times as long as a look into a dict."""

MAX_CODE = 999
"""Of an SMTP reply; what a node says beyond it is no code, and would not fit the field that callers read."""
MAX_SOURCE = 64
"""Characters of a source's name."""
MAX_DURATION_US = 24 * 3600 * 10**6
"""No attempt lasts longer: a larger number would put its start before the epoch."""


def verdict_to_proto(fence: Fence, verdict: JobVerdict) -> node_pb2.JobVerdict:
    """A verdict, for a frame."""
    message = node_pb2.JobVerdict()
    put_fence(message.fence, fence)
    match verdict:
        case Tried():
            message.kind = Kind.KIND_TRIED
            message.remote_host, message.remote_address = verdict.remote_host, verdict.remote_address
            message.tls, message.duration_us = verdict.tls, verdict.duration_us
            if verdict.source:
                message.source = verdict.source
            for each in verdict.recipients:
                _put_outcome(message.recipients.add(), each)
        case NotTried():
            message.kind, message.refusal, message.hopeless = Kind.KIND_REFUSED, verdict.reason, verdict.hopeless
            message.of_node = verdict.of_node
        case Expired():
            message.kind = Kind.KIND_EXPIRED
    return message


def verdict_from_proto(message: node_pb2.JobVerdict) -> tuple[Fence, JobVerdict]:
    """A verdict out of a frame.

    Raises:
        JobUnreadable: its kind, an outcome or a phase is one that this release does not know.
    """
    fence = Fence(message.fence.job_id, message.fence.attempt)
    if message.kind == Kind.KIND_TRIED:
        try:
            recipients = tuple([_outcome(each) for each in message.recipients])
        except KeyError as unknown:
            raise JobUnreadable(f"a verdict has a number of another release: {unknown}") from None
        duration_us = min(message.duration_us, MAX_DURATION_US)
        source = message.source[:MAX_SOURCE]
        return fence, Tried(recipients, message.remote_host, message.remote_address, message.tls, duration_us, source)
    if message.kind == Kind.KIND_REFUSED:
        return fence, NotTried(message.refusal, message.hopeless, message.of_node)
    if message.kind == Kind.KIND_EXPIRED:
        return fence, Expired()
    raise JobUnreadable(f"a verdict has the unknown kind {message.kind}")


def put_fence(message: node_pb2.Fence, fence: Fence) -> None:
    """Write a fence into a message's field."""
    message.job_id, message.attempt = fence


def _put_outcome(message: node_pb2.RecipientVerdict, verdict: RecipientVerdict) -> None:
    message.indexes.extend(verdict.indexes)
    message.outcome = verdict.outcome.value  # type: ignore[assignment]
    reply = verdict.reply
    target = message.reply
    target.phase, target.code = reply.phase.value, reply.code  # type: ignore[assignment]
    target.enhanced_code, target.text, target.bounce_class = reply.enhanced_code, reply.text, reply.bounce_class
    if reply.retry_after:
        target.retry_after_s = reply.retry_after


def _outcome(message: node_pb2.RecipientVerdict) -> RecipientVerdict:
    reply = message.reply
    return RecipientVerdict(
        tuple(message.indexes),
        _OUTCOMES[message.outcome],
        Reply(
            _PHASES[reply.phase],
            reply.code if reply.code <= MAX_CODE else 0,
            reply.enhanced_code,
            reply.text,
            reply.bounce_class,
            reply.retry_after_s,
        ),
    )
