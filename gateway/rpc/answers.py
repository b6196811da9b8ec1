"""Receipts as messages, for calls and for streams."""

from __future__ import annotations

from gateway.admission.desk import BatchReceipt
from mailgate.api.mail.v1 import mail_service_pb2 as pb
from mailgate.errors import Invalid
from mailgate.ids import format_id
from mailgate.mail import Receipt
from mailgate.rpc.mails import fill_receipt
from mailgate.rpc.status import to_status
from mailgate.rpc.times import duration_ms


def fill_batch(response: pb.BatchSendMailResponse, receipt: BatchReceipt) -> None:
    """Write it where it belongs."""
    response.batch_id = format_id(receipt.batch_id)
    for outcome in receipt.results:
        result = response.results.add()
        if isinstance(outcome, Receipt):
            fill_receipt(result.receipt, outcome)
        else:
            result.error.CopyFrom(to_status(outcome))


def stream_receipt(sequence: int, told: Receipt | BatchReceipt | BaseException) -> pb.StreamReceipt:
    """The answer to a message of a stream."""
    message = pb.StreamReceipt(sequence=sequence)
    if isinstance(told, Receipt):
        fill_receipt(message.receipt, told)
    elif isinstance(told, BatchReceipt):
        fill_batch(message.batch, told)
    else:
        message.error.CopyFrom(to_status(told, "StreamMail"))
    return message


def wait_seconds(request: pb.SendMailRequest) -> float:
    """How long the call waits for the first attempts; 0: not at all. Raises Invalid."""
    if not request.HasField("wait"):
        return 0.0
    milliseconds = duration_ms(request.wait)
    if milliseconds < 0:
        raise Invalid.field("wait", f"{milliseconds} ms is negative: give how long to wait, or leave it out")
    return milliseconds / 1000
