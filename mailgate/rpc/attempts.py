"""AttemptRecord ⇄ its message."""

from __future__ import annotations

from mailgate.api.mail.v1 import mail_pb2
from mailgate.classes import explain
from mailgate.mail import AttemptRecord
from mailgate.rpc.times import duration, milliseconds, timestamp


def attempt_to_proto(record: AttemptRecord) -> mail_pb2.Attempt:
    """For a door."""
    message = mail_pb2.Attempt(
        number=record.number,
        duration=duration(record.duration_ms / 1000),
        node_id=record.node_id,
        source=record.source,
        site=record.site,
        remote_host=record.remote_host,
        remote_address=record.remote_address,
        phase=int(record.phase),  # type: ignore[arg-type]
        code=record.code,
        enhanced_code=record.enhanced_code,
        text=record.text,
        bounce_class=record.bounce_class,
        tls=record.tls,
        explanation=explain(record.bounce_class),
    )
    if record.start_ms:
        message.start_time.CopyFrom(timestamp(record.start_ms))
    return message


def attempt_from_proto(message: mail_pb2.Attempt) -> AttemptRecord:
    """For a client."""
    return AttemptRecord(
        number=message.number,
        start_ms=milliseconds(message.start_time),
        duration_ms=message.duration.seconds * 1000 + message.duration.nanos / 1e6,
        node_id=message.node_id,
        site=message.site,
        remote_host=message.remote_host,
        remote_address=message.remote_address,
        phase=message.phase,
        code=message.code,
        enhanced_code=message.enhanced_code,
        text=message.text,
        bounce_class=message.bounce_class,
        tls=message.tls,
        source=message.source,
    )
