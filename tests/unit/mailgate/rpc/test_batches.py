"""A batch's answer stays below what clients take, however much is wrong."""

from __future__ import annotations

from mailgate.api.mail.v1.mail_service_pb2 import BatchSendMailResponse
from mailgate.errors import Invalid, MailgateError
from mailgate.mail import BatchReceipt, Receipt
from mailgate.rpc.batches import SHORT, batch_from_proto, fill_batch

STORED = Receipt(b"m" * 16, 1_700_000_000_000)


def test_ten_thousand_faults_fit_a_clients_limit():
    """The first are told in full, the others by code and a few words; receipts among them are whole."""
    wrong = Invalid.field("entries[1].to[0].email", "x" * 2000)
    message = BatchSendMailResponse()
    fill_batch(message, BatchReceipt(b"b" * 16, [wrong, *[wrong] * 9_998, STORED]))
    assert message.ByteSize() < 3 * 2**20
    assert message.results[0].error.details
    assert not message.results[9_000].error.details
    assert len(message.results[9_000].error.message) == SHORT
    found = batch_from_proto(message).results
    assert found[-1] == STORED
    assert all(isinstance(each, MailgateError) for each in found[:-1])
