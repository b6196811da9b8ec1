"""Recipients, events and mails as lines for people and as JSON for programs. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from mailgate.classes import explain
from mailgate.cli.output import printable, styled
from mailgate.ids import event_id, format_id
from mailgate.mail import AttemptRecord, Event, Receipt, Recipient
from mailgate.verdict import Phase

STATE_WIDTH = 9


def recipient_line(recipient: Recipient) -> str:
    """`DELIVERED a@example.com  250 2.0.0 Ok  (node n1, 12 ms)`."""
    pieces = [f"{styled(recipient.state.name, STATE_WIDTH)} {printable(recipient.email)}"]
    if recipient.last_attempt is not None:
        pieces += _attempt(recipient.last_attempt)
    if recipient.wait_reason:
        pieces.append(f"waits: {printable(recipient.wait_reason)}")
    if recipient.next_attempt_ms is not None:
        pieces.append(f"again at {clock(recipient.next_attempt_ms)}")
    return "  ".join(pieces)


def event_line(event: Event) -> str:
    """`12:00:01.250 DELIVERED MAIL_ID a@example.com  250 2.0.0 Ok  (node n1, 12 ms)`."""
    pieces = [f"{clock(event.time_ms)} {styled(event.type.name, STATE_WIDTH)} {format_id(event.mail_id)} {printable(event.email)}"]
    if event.attempt is not None:
        pieces += _attempt(event.attempt)
    return "  ".join(pieces)


def clock(ms: int) -> str:
    """Local time of day; with the date where it is not today's is the reader's concern: `stamp` has all of it."""
    return datetime.fromtimestamp(ms / 1000, UTC).astimezone().strftime("%H:%M:%S.%f")[:-3]


def stamp(ms: int) -> str:
    """UTC as RFC 3339 has it, to the millisecond; empty for 0."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z" if ms else ""


def recipient_json(recipient: Recipient) -> dict[str, Any]:
    """Names as in the protos."""
    return _set(
        index=recipient.index,
        email=recipient.email,
        state=recipient.state.name,
        attempts=recipient.attempts,
        update_time=stamp(recipient.update_ms),
        next_attempt_time=stamp(recipient.next_attempt_ms or 0),
        wait_reason=recipient.wait_reason,
        last_attempt=attempt_json(recipient.last_attempt) if recipient.last_attempt else None,
    )


def event_json(event: Event) -> dict[str, Any]:
    """Names as in the protos."""
    return _set(
        event_id=event_id(event.mail_id, event.recipient_index, event.sequence),
        mail_id=format_id(event.mail_id),
        batch_id=format_id(event.batch_id) if event.batch_id else "",
        recipient_index=event.recipient_index,
        recipient_sequence=event.sequence,
        email=event.email,
        type=event.type.name,
        state=event.state.name,
        event_time=stamp(event.time_ms),
        attempt=attempt_json(event.attempt) if event.attempt else None,
        tags=list(event.tags),
        metadata=dict(event.metadata),
    )


def receipt_json(receipt: Receipt, recipients: tuple[Recipient, ...]) -> dict[str, Any]:
    """Names as in the protos."""
    return {
        "mail_id": format_id(receipt.mail_id) if receipt.mail_id else "",
        "accept_time": stamp(receipt.accept_ms),
        "wait_elapsed": receipt.wait_elapsed,
        "recipients": [recipient_json(recipient) for recipient in recipients],
    }


def attempt_json(attempt: AttemptRecord) -> dict[str, Any]:
    """Names as in the protos."""
    return _set(
        number=attempt.number,
        start_time=stamp(attempt.start_ms),
        duration_ms=round(attempt.duration_ms, 3),
        node_id=attempt.node_id,
        source=attempt.source,
        site=attempt.site,
        remote_host=attempt.remote_host,
        remote_address=attempt.remote_address,
        phase=Phase(attempt.phase).name if attempt.phase in Phase._value2member_map_ else str(attempt.phase),
        code=attempt.code,
        enhanced_code=attempt.enhanced_code,
        text=attempt.text,
        bounce_class=attempt.bounce_class,
        explanation=explain(attempt.bounce_class),
        tls=attempt.tls,
    )


def _attempt(attempt: AttemptRecord) -> list[str]:
    said = _reply(attempt)
    where = [f"node {attempt.node_id}"] if attempt.node_id else []
    if attempt.source:
        where.append(f"from {printable(attempt.source)}")
    if attempt.code:
        where.append(f"{attempt.duration_ms:.0f} ms" if attempt.duration_ms >= 1 else "< 1 ms")
    if attempt.bounce_class:
        where.insert(0, attempt.bounce_class)
    return list(filter(None, (said, f"({', '.join(where)})" if where else "", attempt.explanation)))


def _reply(attempt: AttemptRecord) -> str:
    """The code, the enhanced code and the words; servers often repeat the enhanced code in the words."""
    text = printable(attempt.text.strip())
    enhanced = attempt.enhanced_code if attempt.enhanced_code and not text.startswith(attempt.enhanced_code) else ""
    return " ".join(filter(None, (str(attempt.code) if attempt.code else "", enhanced, text)))


def _set(**values: object) -> dict[str, Any]:
    """Without what is not set."""
    return {name: value for name, value in values.items() if value not in (None, "", [], {})}
