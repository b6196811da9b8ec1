"""What a stream is answered, and what a call asks of its answer."""

from __future__ import annotations

from google.rpc.status_pb2 import Status

from mailgate.api.mail.v1 import mail_service_pb2 as pb
from mailgate.errors import Invalid
from mailgate.mail import BatchReceipt, Receipt
from mailgate.rpc.batches import fill_batch
from mailgate.rpc.mails import fill_receipt
from mailgate.rpc.times import duration_ms


def fill_stream_receipt(message: pb.StreamReceipt, sequence: int, told: Receipt | BatchReceipt | Status) -> None:
    """Write the answer to a message of a stream where it belongs."""
    message.sequence = sequence
    if isinstance(told, Receipt):
        fill_receipt(message.receipt, told)
    elif isinstance(told, BatchReceipt):
        fill_batch(message.batch, told)
    else:
        message.error.CopyFrom(told)


def wait_seconds(request: pb.SendMailRequest) -> float:
    """How long the call waits for the first attempts; 0: not at all. Raises Invalid."""
    if not request.HasField("wait"):
        return 0.0
    milliseconds = duration_ms(request.wait)
    if milliseconds < 0:
        raise Invalid.field("wait", f"{milliseconds} ms is negative: give how long to wait, or leave it out")
    return milliseconds / 1000
