"""Mails, receipts, recipients and events as messages: both directions agree, and a number of another release is a clear error."""

import pytest

from mailgate.api.mail.v1 import mail_pb2
from mailgate.errors import Invalid
from mailgate.mail import (
    Address,
    Attachment,
    AttemptRecord,
    BatchEntry,
    Event,
    EventType,
    Header,
    Lane,
    Mail,
    OnDoubt,
    Parts,
    Raw,
    Receipt,
    Recipient,
    RecipientState,
)
from mailgate.rpc import mails

FULL = Mail(
    from_address=Address("news@example.com", "News"),
    to=(Address("a@example.org", "A"), Address("b@example.org")),
    cc=(Address("c@example.org"),),
    bcc=(Address("d@example.org"),),
    reply_to=(Address("r@example.com"),),
    content=Parts("Hi", "text", "<p>html</p>"),
    attachments=(Attachment(b"\0", "f.bin", "application/x-f", "cid"),),
    headers=(Header("X-A", "1"), Header("X-A", "2")),
    return_path="",
    lane=Lane.BULK,
    route="relay",
    hash_key="k",
    on_doubt=OnDoubt.HOLD,
    ttl_ms=3_600_000,
    tags=("t1", "t2"),
    metadata={"k": "v"},
)
ATTEMPT = AttemptRecord(
    2, 1_700_000_000_001, 12.5, "n1", "relay", "relay.example", "192.0.2.1:25", 8, 250, "2.0.0", "ok", "", "TLSv1.3", "s1"
)


def filled(receipt):
    message = mail_pb2.Receipt()
    mails.fill_receipt(message, receipt)
    return message


def wire(message):
    return type(message).FromString(message.SerializeToString())


@pytest.mark.parametrize(
    "mail", [FULL, Mail(Address("a@b.c"), content=Raw(b"From: a@b.c\r\n\r\n")), Mail(Address("a@b.c"), return_path="x@b.c")]
)
def test_a_mail_comes_back_as_it_went(mail):
    """Unset and empty return paths are two things."""
    assert mails.mail_from_proto(wire(mails.mail_to_proto(mail))) == mail


def test_an_entry_comes_back_as_it_went():
    """All its fields."""
    entry = BatchEntry((Address("a@b.c", "A"),), (Address("c@b.c"),), (Address("d@b.c"),), (Header("X", "1"),), {"k": "v"})
    assert mails.entry_from_proto(wire(mails.entry_to_proto(entry))) == entry


def test_defaults_of_a_bare_mail():
    """Unspecified lane and ttl are the gateway's to choose; doubt means RESEND."""
    mail = mails.mail_from_proto(mail_pb2.Mail())
    assert (mail.lane, mail.ttl_ms, mail.on_doubt, mail.content, mail.return_path) == (None, None, OnDoubt.RESEND, None, None)


@pytest.mark.parametrize(("field", "name"), [("lane", "shared.lane"), ("on_doubt", "shared.on_doubt")])
def test_an_enum_of_another_release_names_the_field(field, name):
    """Proto3 enums are open: any number may come."""
    with pytest.raises(Invalid) as refused:
        mails.mail_from_proto(mail_pb2.Mail(**{field: 99}), "shared")
    assert refused.value.violations[0].field == name


def test_a_receipt_and_its_recipients_come_back_as_they_went():
    """With the newest attempt and the time of the next."""
    recipients = (
        Recipient(0, "a@b.c", RecipientState.DELIVERED, 2, 1_700_000_000_500, None, ATTEMPT),
        Recipient(1, "b@b.c", RecipientState.DEFERRED, 1, 1_700_000_000_500, 1_700_000_060_000, ATTEMPT, "no node"),
        Recipient(2, "c@b.c", RecipientState.QUEUED),
    )
    receipt = Receipt(b"\1" * 16, 1_700_000_000_123, True, recipients)
    assert mails.receipt_from_proto(wire(filled(receipt))) == receipt


def test_a_receipt_of_validation_has_neither_id_nor_time():
    """Nothing was stored."""
    message = filled(Receipt(b"", 0))
    assert (message.mail_id, message.HasField("accept_time")) == ("", False)


def test_an_event_comes_back_as_it_went():
    """Its id is the same whoever tells it."""
    event = Event(
        "",
        b"\1" * 16,
        b"\2" * 16,
        3,
        4,
        "a@b.c",
        EventType.DELIVERED,
        RecipientState.DELIVERED,
        1_700_000_000_123,
        ATTEMPT,
        ("t",),
        {"k": "v"},
    )
    message = wire(mails.event_to_proto(event))
    assert message.event_id == "01010101-0101-0101-0101-010101010101.3.4"
    assert mails.event_from_proto(message) == event


def test_counts_by_state():
    """States without recipients are left out."""
    counts = {RecipientState.DELIVERED: 2, RecipientState.QUEUED: 1, RecipientState.BOUNCED: 0}
    messages = mails.counts_to_proto(counts)
    assert [message.state for message in messages] == [RecipientState.QUEUED, RecipientState.DELIVERED]
    assert mails.counts_from_proto(messages) == {RecipientState.QUEUED: 1, RecipientState.DELIVERED: 2}


def test_the_numbers_of_the_kernel_are_those_of_the_protos():
    """An enum's member is sent as its number."""
    for kernel, prefix, proto in (
        (Lane, "LANE_", mail_pb2.Lane),
        (OnDoubt, "ON_DOUBT_", mail_pb2.OnDoubt),
        (RecipientState, "RECIPIENT_STATE_", mail_pb2.RecipientState),
        (EventType, "EVENT_TYPE_", mail_pb2.EventType),
    ):
        assert {prefix + member.name: member.value for member in kernel} == {k: v for k, v in proto.items() if v}
