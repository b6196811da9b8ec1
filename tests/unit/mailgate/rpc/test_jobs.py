"""Jobs and verdicts as bytes: what went in comes out, and what cannot be a job is refused with a word that never quotes the mail."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailgate.api.node.v1 import node_pb2
from mailgate.errors import JobUnreadable
from mailgate.job import Content, Envelope, Fence, JobBody, JobRecipient
from mailgate.mail import Address, Attachment, Header, Parts, Raw
from mailgate.rpc.jobs import decode_body, encode_content, encode_envelope
from mailgate.rpc.verdicts import verdict_from_proto, verdict_to_proto
from mailgate.verdict import Expired, NotTried, Outcome, Phase, RecipientVerdict, Reply, Tried

ENVELOPE = Envelope(
    mail_id=b"m" * 16,
    return_path="bounce@example.com",
    recipients=(JobRecipient(0, "a@example.org"), JobRecipient(7, "jörg@example.org")),
    smtputf8=True,
    message_id="<1@example.com>",
    date_ms=1_700_000_000_123,
    traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01",
    to=(Address("a@example.org", "A"),),
    cc=(Address("c@example.org"),),
    headers=(Header("X-Own", "2"),),
)
CONTENT = Content(
    from_address=Address("news@example.com", "News"),
    reply_to=(Address("r@example.com"),),
    headers=(Header("X-Shared", "1"),),
    attachments=(Attachment(b"\0\1", "f.bin", "application/x-f", "cid"),),
    body=Parts("Hi", "text", "<p>html</p>"),
)
RAW = Content(Address("news@example.com"), body=Raw(b"From: news@example.com\r\n\r\nhi"))
FENCE = Fence(b"j" * 18, 3)


@pytest.mark.parametrize("content", [CONTENT, RAW])
def test_an_envelope_and_a_content_one_after_the_other_are_a_job(content):
    """The halves are encoded apart, so that a content is encoded once for many jobs."""
    assert decode_body(encode_envelope(ENVELOPE) + encode_content(content)) == JobBody(ENVELOPE, content)


@pytest.mark.parametrize("content", [CONTENT, RAW, Content(Address("news@example.com"), body=Parts("Hi", "x" * 300_000))])
def test_a_content_may_come_by_itself(content):
    """As the link brings what jobs share; it is the same job."""
    assert decode_body(encode_envelope(ENVELOPE), encode_content(content)) == JobBody(ENVELOPE, content)


def test_jobs_that_share_a_small_content_share_its_values():
    """It is read once. A large one is not kept: many of them would take more memory than what was brought."""
    small, large = encode_content(CONTENT), encode_content(Content(Address("news@example.com"), body=Parts("Hi", "x" * 70_000)))
    one, other = (decode_body(encode_envelope(ENVELOPE._replace(date_ms=date)), small) for date in (1, 2))
    assert one.content is other.content
    assert (one.envelope.date_ms, other.envelope.date_ms) == (1, 2)
    assert decode_body(encode_envelope(ENVELOPE), large).content is not decode_body(encode_envelope(ENVELOPE), large).content


def test_a_content_that_cannot_be_read_is_refused_each_time():
    """Whichever half is wrong."""
    for _ in range(2):
        with pytest.raises(JobUnreadable, match="no author"):
            decode_body(encode_envelope(ENVELOPE), encode_content(Content(Address(""))))
        with pytest.raises(JobUnreadable, match="not a JobBody"):
            decode_body(encode_envelope(ENVELOPE), b"\xff" * 40)
        with pytest.raises(JobUnreadable, match="not a JobBody"):
            decode_body(b"\xff" * 40, encode_content(CONTENT))


def test_an_entrys_headers_are_kept_apart_from_the_shared_ones():
    """They come after the shared ones, although the envelope's bytes come first."""
    body = decode_body(encode_envelope(ENVELOPE) + encode_content(CONTENT))
    assert (body.content.headers, body.envelope.headers) == ((Header("X-Shared", "1"),), (Header("X-Own", "2"),))


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_and_never_crash(data):
    """A rotten disk or a hostile peer costs one job, not the node."""
    with pytest.raises(JobUnreadable):
        decode_body(data)


@given(st.data())
def test_a_job_with_rotten_octets_is_a_job_or_is_refused(data):
    """Whatever comes out can be put into SMTP commands."""
    whole = bytearray(encode_envelope(ENVELOPE) + encode_content(CONTENT))
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=4)):
        whole[place] = data.draw(st.integers(0, 255))
    try:
        body = decode_body(bytes(whole))
    except JobUnreadable:
        return
    commands = [body.envelope.return_path, *(r.email for r in body.envelope.recipients)]
    assert not any(set(command) & set("\r\n\0") for command in commands)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"mail_id": b"short"}, "mail_id"),
        ({"recipients": ()}, "no recipients"),
        ({"recipients": (JobRecipient(0, "a@b.c\r\nDATA"),)}, "recipient 0"),
        ({"recipients": (JobRecipient(4, ""),)}, "recipient 4"),
        ({"return_path": "a\n@b.c"}, "return path"),
    ],
)
def test_what_no_mail_can_have_made_is_refused(change, why):
    """Decodable is not enough."""
    data = encode_envelope(ENVELOPE._replace(**change)) + encode_content(CONTENT)
    with pytest.raises(JobUnreadable, match=why):
        decode_body(data)


def test_a_job_without_content_or_author_is_refused():
    """Half a job is none."""
    with pytest.raises(JobUnreadable, match="no content"):
        decode_body(encode_envelope(ENVELOPE))
    with pytest.raises(JobUnreadable, match="no author"):
        decode_body(encode_envelope(ENVELOPE) + encode_content(Content(Address(""))))


REPLY = Reply(Phase.RCPT, 450, "4.2.0", "greylisted for 300 seconds", "greylisted", 300)


@pytest.mark.parametrize(
    "verdict",
    [
        Tried(
            (RecipientVerdict((0, 2), Outcome.DELIVERED, Reply(Phase.BODY, 250)), RecipientVerdict((1,), Outcome.BOUNCED, REPLY)),
            "relay.example",
            "192.0.2.1:25",
            "TLSv1.3",
            1234,
            "s1",
        ),
        NotTried("no such route", hopeless=True),
        NotTried("no connection"),
        Expired(),
    ],
)
def test_a_verdict_comes_back_as_it_went(verdict):
    """Both ends of the link use one codec."""
    wire = node_pb2.JobVerdict.FromString(verdict_to_proto(FENCE, verdict).SerializeToString())
    assert verdict_from_proto(wire) == (FENCE, verdict)


def test_a_verdict_of_another_release_is_refused():
    """A number that this release does not know is no KeyError."""
    strange = verdict_to_proto(FENCE, Tried((RecipientVerdict((0,), Outcome.DELIVERED, REPLY),)))
    strange.recipients[0].outcome = 99  # type: ignore[assignment]
    with pytest.raises(JobUnreadable, match="another release"):
        verdict_from_proto(strange)
    with pytest.raises(JobUnreadable, match="unknown kind"):
        verdict_from_proto(node_pb2.JobVerdict(kind=77))  # type: ignore[arg-type]


def test_numbers_that_no_answer_can_hold_are_cut():
    """Recorded as they came they would make a mail that nobody can be shown."""
    strange = verdict_to_proto(
        FENCE, Tried((RecipientVerdict((0,), Outcome.DELIVERED, Reply(Phase.BODY, 2**32 - 1)),), duration_us=2**64 - 1, source="s" * 5000)
    )
    _, verdict = verdict_from_proto(strange)
    assert isinstance(verdict, Tried)
    assert verdict.recipients[0].reply.code == 0
    assert verdict.duration_us == 24 * 3600 * 10**6
    assert verdict.source == "s" * 64
