"""Milliseconds and seconds ⇄ protobuf's Timestamp and Duration."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp


def timestamp(ms: int) -> Timestamp:
    """From milliseconds since the epoch."""
    return Timestamp(seconds=ms // 1000, nanos=ms % 1000 * 1_000_000)


def milliseconds(message: Timestamp) -> int:
    """Since the epoch; 0 for one that is not set."""
    return message.seconds * 1000 + message.nanos // 1_000_000


def duration(seconds: float) -> Duration:
    """From seconds."""
    nanos = round(seconds * 1e9)
    return Duration(seconds=nanos // 1_000_000_000, nanos=nanos % 1_000_000_000)


def duration_ms(message: Duration) -> int:
    """Whole milliseconds, towards zero."""
    return message.seconds * 1000 + int(message.nanos / 1_000_000)
