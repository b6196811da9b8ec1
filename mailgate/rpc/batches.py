"""BatchReceipt ⇄ its message."""

from __future__ import annotations

from mailgate.api.mail.v1 import mail_service_pb2
from mailgate.errors import MailgateError
from mailgate.ids import format_id, parse_id
from mailgate.mail import BatchReceipt
from mailgate.rpc.mails import fill_receipt, receipt_from_proto
from mailgate.rpc.status import from_status, to_status

ERRORS_OCTETS = 1 << 20
"""Of errors told in full. With what follows, and 10,000 receipts of 60 octets, an answer stays below the 4 MiB that clients take."""
SHORT = 80
"""Characters of the errors after those; they have no details."""


def fill_batch(message: mail_service_pb2.BatchSendMailResponse, receipt: BatchReceipt) -> None:
    """Write it where it belongs, which saves a copy."""
    message.batch_id = format_id(receipt.batch_id)
    octets = 0
    for outcome in receipt.results:
        result = message.results.add()
        if isinstance(outcome, MailgateError):
            status = to_status(outcome)
            octets += status.ByteSize()
            if octets > ERRORS_OCTETS:
                result.error.code, result.error.message = status.code, status.message[:SHORT]
            else:
                result.error.CopyFrom(status)
        else:
            fill_receipt(result.receipt, outcome)


def batch_from_proto(message: mail_service_pb2.BatchSendMailResponse) -> BatchReceipt:
    """For a client. No batch id: nothing was stored."""
    results = [
        from_status(result.error) if result.WhichOneof("outcome") == "error" else receipt_from_proto(result.receipt)
        for result in message.results
    ]
    return BatchReceipt(parse_id(message.batch_id, "batch_id") if message.batch_id else b"", results)
