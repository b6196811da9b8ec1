"""Large fields cut out of messages: the same values as the library reads, whatever the bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailgate.api.mail.v1 import mail_pb2, mail_service_pb2
from mailgate.errors import Invalid, TooLarge
from mailgate.job import Content, Envelope, JobRecipient
from mailgate.mail import Address, Attachment, Header, Parts, Raw
from mailgate.rpc import jobs
from mailgate.rpc.jobs import decode_body, encode_content, encode_envelope
from mailgate.rpc.large import open_batch, open_send
from mailgate.rpc.mails import entry_from_proto, mail_from_proto
from mailgate.rpc.wire import MAX_FIELDS, Crowded, Malformed, Scanner, delimited

TEXT = st.text(max_size=20)
ADDRESS = st.builds(lambda a, b: mail_pb2.Address(email=a, display_name=b), TEXT, TEXT)
FILE = st.builds(lambda d, n, t: mail_pb2.Attachment(data=d, filename=n, content_type=t), st.binary(max_size=30), TEXT, TEXT)
PARTS = st.builds(lambda a, b, c: mail_pb2.Parts(subject=a, text=b, html=c), TEXT, TEXT, TEXT)
CONTENT = st.one_of(st.builds(lambda p: {"parts": p}, PARTS), st.builds(lambda r: {"raw": r}, st.binary(max_size=50)), st.just({}))


@st.composite
def mails(draw):
    fields = draw(CONTENT)
    return mail_pb2.Mail(
        from_address=draw(ADDRESS),
        to=draw(st.lists(ADDRESS, max_size=3)),
        attachments=draw(st.lists(FILE, max_size=3)),
        tags=draw(st.lists(TEXT, max_size=2)),
        metadata=draw(st.dictionaries(TEXT, TEXT, max_size=2)),
        return_path=draw(st.one_of(st.none(), TEXT)),
        **fields,
    )


@given(mails(), st.booleans())
def test_a_request_taken_apart_is_the_request_parsed(mail, validate):
    """Every field, whichever the library or we read."""
    request = mail_service_pb2.SendMailRequest(mail=mail, validate_only=validate)
    opened, value = open_send(request.SerializeToString())
    assert value == mail_from_proto(mail)
    assert (opened.validate_only, opened.HasField("mail")) == (validate, True)


@given(mails(), st.lists(ADDRESS, max_size=3))
def test_a_batch_taken_apart_is_the_batch_parsed(shared, addresses):
    """Entries are the library's."""
    request = mail_service_pb2.BatchSendMailRequest(shared=shared, entries=[mail_service_pb2.BatchEntry(to=[each]) for each in addresses])
    opened, value, entries = open_batch(request.SerializeToString())
    assert value == mail_from_proto(shared)
    assert opened.entries == request.entries
    assert entries == [entry_from_proto(entry) for entry in request.entries]


@given(mails(), mails())
def test_what_occurs_twice_is_merged_as_the_library_does(first, second):
    """The wire format allows it (last one wins, repeated ones add up): two readers of one mail must not see two mails."""
    data = b"".join(mail_service_pb2.SendMailRequest(mail=each).SerializeToString() for each in (first, second))
    _, value = open_send(data)
    assert value == mail_from_proto(mail_service_pb2.SendMailRequest.FromString(data).mail)


@given(st.binary(max_size=100))
def test_arbitrary_bytes_are_read_as_the_library_reads_them_or_refused(data):
    """What the library refuses we refuse."""
    try:
        parsed = mail_service_pb2.SendMailRequest.FromString(data)
    except Exception:
        with pytest.raises(Invalid):
            open_send(data)
        return
    try:
        _, value = open_send(data)
    except Invalid:
        return
    if parsed.HasField("mail"):
        assert value == mail_from_proto(parsed.mail)


def test_no_mail_is_seen_as_none():
    """The door says that it is missing."""
    assert not open_send(b"")[0].HasField("mail")
    assert not open_batch(b"")[0].HasField("shared")


def test_sixty_four_mebibytes_of_tiny_fields_are_refused():
    """The library would make a gigabyte of objects of them."""
    with pytest.raises(TooLarge, match="fields"):
        open_send(mail_service_pb2.SendMailRequest(mail=mail_pb2.Mail(to=[mail_pb2.Address()] * (MAX_FIELDS + 1))).SerializeToString())
    crowded = mail_service_pb2.BatchEntry(to=[mail_pb2.Address()] * (MAX_FIELDS + 1))
    with pytest.raises(TooLarge, match="fields"):
        open_batch(mail_service_pb2.BatchSendMailRequest(entries=[crowded]).SerializeToString())


def test_a_text_that_is_not_utf8_is_said_so():
    """The library's clients cannot send it, others can."""
    parts = delimited(2, 2) + b"\xff\xfe"
    mail = delimited(6, len(parts)) + parts
    with pytest.raises(Invalid, match="not UTF-8"):
        open_send(delimited(1, len(mail)) + mail)


@pytest.mark.parametrize("data", [b"\x0a", b"\x0a\x05ab", b"\xff" * 11, b"\x0b", b"\x08", b"\x0a\x80"])
def test_what_is_cut_off_is_malformed(data):
    """Lengths beyond the end, endless numbers, groups."""
    with pytest.raises(Malformed):
        Scanner().cut(memoryview(data), frozenset((1,)))


def test_fields_are_counted_over_a_scanners_life():
    """Nesting buys nothing."""
    scanner = Scanner(max_fields=3)
    scanner.count(memoryview(b"\x08\1\x08\1"))
    with pytest.raises(Crowded):
        scanner.count(memoryview(b"\x08\1\x08\1"))


@given(st.integers(1, 2**29 - 1), st.binary(max_size=300))
def test_what_is_written_is_read(number, value):
    """Any field number."""
    assert Scanner().cut(memoryview(delimited(number, len(value)) + value), frozenset((number,))) == (b"", [(number, value)])


ENVELOPE = Envelope(b"m" * 16, "a@b.c", (JobRecipient(0, "a@b.c"),), to=(Address("a@b.c"),))
BIG = bytes(range(256)) * 2000
FILES = (Attachment(BIG, "f", "a/b"), Attachment(b""))


@pytest.mark.parametrize(
    "content",
    [
        Content(Address("a@b.c"), body=Raw(BIG)),
        Content(Address("a@b.c"), body=Parts("ü", "ö" * 300_000, "<p>")),
        Content(
            Address("a@b.c", "A"), (Address("r@b.c"),), (Header("X", "1"),), (Attachment(BIG, "f", "a/b"), Attachment(b"")), Parts("", "x")
        ),
    ],
)
def test_a_large_job_is_decoded_as_a_small_one(content, monkeypatch):
    """Two ways, one result."""
    data = encode_envelope(ENVELOPE) + encode_content(content)
    cut_out = decode_body(data)
    monkeypatch.setattr(jobs, "LARGE", 2**40)
    assert cut_out == decode_body(data) == decode_body(encode_envelope(ENVELOPE) + encode_content(content))
    assert cut_out.content == content
