"""A composed mail says what the job says; the standard library's parser is the judge."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailgate.errors import Invalid
from mailgate.mail import Address, Attachment, Header, Parts, Raw
from sender.compose.message import compose, vouched

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=300)
LINE = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=200)
"""What a header's value may hold; C0 and C1 controls aside, which the standard library's reader treats as line ends."""

NAME = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=120)


def unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def fields(wire: bytes) -> list[str]:
    return [line.partition(b":")[0].decode() for line in wire.partition(b"\r\n\r\n")[0].split(b"\r\n") if line[:1] not in b" \t"]


def test_fields_come_in_a_fixed_order(job):
    """From, Reply-To, To, Cc, Subject, Date, Message-ID, MIME-Version, the content's headers, the envelope's, Content-*."""
    wire = compose(
        job(
            reply_to=(Address("help@example.com"),),
            cc=(Address("bob@example.org"),),
            headers=(Header("X-Shared", "1"),),
            own_headers=(Header("X-Own", "2"), Header("X-Own", "3")),
        )
    )
    assert fields(wire) == [
        *("From", "Reply-To", "To", "Cc", "Subject", "Date", "Message-ID", "MIME-Version"),
        *("X-Shared", "X-Own", "X-Own", "Content-Type", "Content-Transfer-Encoding"),
    ]


def test_a_plain_ascii_mail_is_readable_as_it_stands(job):
    """Nothing is encoded that need not be."""
    assert compose(job(Parts("Your code", "It is 123456.\nBye"))).decode() == (
        "From: The Shop <shop@example.com>\r\nTo: ada@example.org\r\nSubject: Your code\r\nDate: Tue, 03 Nov 2026 00:00:00 +0000\r\n"
        "Message-ID: <1@example.com>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 7bit\r\n\r\nIt is 123456.\r\nBye\r\n"
    )


def test_a_job_without_date_and_id_gets_those_of_its_mail_id(job, parse):
    """Both derive from the UUIDv7: the same on every node and every attempt."""
    mail = parse(job(message_id="", date_ms=0))
    assert mail["message-id"] == "<019a3c5e7b2870008000000000000001@example.com>"
    assert parsedate_to_datetime(mail["date"]).timestamp() == int("019a3c5e7b28", 16) // 1000
    mail = parse(job(message_id="", sender=Address("info@bücher.example")))
    assert mail["message-id"].endswith("@xn--bcher-kva.example>")


def test_recipients_that_are_only_in_the_envelope_are_never_shown(job):
    """Bcc is no header: who is only in the envelope does not appear."""
    assert b"Bcc" not in compose(job(to=()))
    assert b"To:" not in compose(job(to=()))


@settings(max_examples=150, deadline=None)
@given(subject=LINE, name=NAME, text=TEXT, html=TEXT, header=LINE)
def test_whatever_is_said_is_read_again(job, parse, subject, name, text, html, header):
    """Subject, names, header values and both bodies survive, in any script."""
    body = job(
        Parts(subject, text or "x", html),
        sender=Address("shop@example.com", name),
        headers=(Header("X-Said", header),),
    )
    mail = parse(body)
    assert mail["subject"] == subject
    assert mail["x-said"].rstrip() == header.rstrip() or "=?" in header
    [mailbox] = mail["from"].addresses
    assert mailbox.addr_spec == "shop@example.com"
    assert _solid(mailbox.display_name) == _solid(name)
    read = mail.get_body(("plain",))
    assert unix(_exact(read)).removesuffix("\n") == unix(text or "x").removesuffix("\n")
    if html:
        assert unix(_exact(mail.get_body(("html",)))) == unix(html)


@settings(max_examples=80, deadline=None)
@given(
    files=st.lists(
        st.builds(
            Attachment,
            data=st.binary(max_size=400),
            filename=NAME,
            content_type=st.sampled_from(["", "application/pdf", "text/csv; charset=utf-8; header=present", "image/png"]),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_attachments_arrive_byte_for_byte_under_their_names(job, parse, files):
    """Whatever the bytes, whatever the script of the name."""
    mail = parse(job(Parts("Files", "Here."), attachments=tuple(files)))
    arrived = list(mail.iter_attachments())
    assert [part.get_payload(decode=True) for part in arrived] == [file.data for file in files]
    assert [_filename(part) for part in arrived] == [file.filename for file in files]
    assert [part.get_content_type() for part in arrived] == [
        (file.content_type or "application/octet-stream").partition(";")[0] for file in files
    ]


def test_inline_images_are_related_to_the_html_and_files_are_mixed_in(job, parse):
    """multipart/mixed(alternative(plain, related(html, image)), file): what mail programs expect."""
    image = Attachment(b"png", "logo.png", "image/png", "logo")
    file = Attachment(b"pdf", "a.pdf", "application/pdf")
    mail = parse(job(Parts("S", "text", '<img src="cid:logo">'), attachments=(file, image)))
    assert _shape(mail) == "mixed(alternative(plain, related(html, png)), pdf)"
    related = mail.get_body(("related",))
    assert related.get_param("type") == "text/html"
    assert [part["content-id"] for part in related.iter_attachments()] == ["<logo>"]


@pytest.mark.parametrize(
    ("parts", "attachments", "shape"),
    [
        (Parts("S"), (), "plain"),
        (Parts("S", "t"), (), "plain"),
        (Parts("S", "", "<p>"), (), "html"),
        (Parts("S", "t", "<p>"), (), "alternative(plain, html)"),
        (Parts(), (Attachment(b"x"),), "mixed(octet-stream)"),
        (Parts("S", "t"), (Attachment(b"x", content_id="no-html"),), "mixed(plain, octet-stream)"),
        (Parts("S", "", "<p>"), (Attachment(b"x", content_id="i"),), "related(html, octet-stream)"),
    ],
)
def test_the_shape_is_the_simplest_that_holds_the_parts(job, parse, parts, attachments, shape):
    """No multipart around a single part, but for a lone attachment, which needs its disposition."""
    assert _shape(parse(job(parts, attachments=attachments))) == shape


def test_a_mail_in_a_mail_is_not_encoded_where_it_can_travel_as_it_is(job, parse):
    """RFC 2046 5.2.1 forbids base64 on message/rfc822; one that cannot go as 7bit goes as a file, byte for byte."""
    clean, dirty = b"Subject: inner\r\n\r\nhello\r\n", b"Subject: inner\n\nh\xe4llo"
    mail = parse(
        job(Parts("Fwd", "See."), attachments=(Attachment(clean, "a.eml", "message/rfc822"), Attachment(dirty, "b.eml", "message/rfc822")))
    )
    first, second = mail.iter_attachments()
    assert (first.get_content_type(), first["content-transfer-encoding"]) == ("message/rfc822", "7bit")
    assert first.get_content()["subject"] == "inner"
    assert (second.get_content_type(), second.get_payload(decode=True)) == ("application/octet-stream", dirty)


def test_a_boundary_never_occurs_in_what_it_bounds(job, parse):
    """Even when somebody forwards a mail of ours as it is, whose boundary is made of the same parts."""
    attachment = Attachment(b"", "inner.eml", "message/rfc822")
    for _ in range(3):
        wire = compose(job(Parts("S", "t", "<p>"), attachments=(attachment,)))
        attachment = Attachment(wire.replace(b"To:", b"X:"), "inner.eml", "message/rfc822")
        boundaries = re.findall(rb'boundary="([^"]+)"', wire)
        outer = boundaries[0]
        assert wire.count(b"\r\n--" + outer + b"--") == 1
        assert wire.count(b"--" + outer + b"\r\n") == 2
    text = boundaries[0].decode()
    mail = parse(job(Parts("S", f"--{text}\n--{text}--\n", "<p>"), attachments=(Attachment(b"x"),)))
    assert len(list(mail.iter_attachments())) == 1


def test_the_same_content_has_the_same_body_in_every_mail(job):
    """Bodies do not depend on the mail's id or recipients: a batch shares them."""
    one = compose(job(Parts("S", "t", "<p>"), to=(Address("a@example.com"),), message_id="<a@b>"))
    other = compose(job(Parts("S", "t", "<p>"), to=(Address("b@example.com"),), message_id="<c@d>"))
    assert one.partition(b"\r\n\r\n")[2] == other.partition(b"\r\n\r\n")[2]


def test_contents_of_every_size_are_composed_alike(job, parse):
    """What is remembered (small), compared (medium) and made anew (large) comes out the same way."""
    for octets in (100, 70_000, 1_000_000, 5_000_000):
        text = "Zeile mit Ümlaut und = Zeichen \n" * (octets // 32)
        for _ in range(2):
            assert unix(_exact(parse(job(Parts("S", text))))) == text


def test_a_content_that_only_looks_like_the_last_one_is_not_taken_for_it(job, parse):
    """Medium contents are compared whole."""
    first, second = "a" * 70_000 + "\n", "a" * 69_999 + "b\n"
    assert _exact(parse(job(Parts("S", first)))).strip() == first.strip()
    assert _exact(parse(job(Parts("S", second)))).strip() == second.strip()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"body": Parts()}, "content"),
        ({"body": Raw(b"\r\n ")}, "raw"),
        ({"body": Parts("a\r\nBcc: x@y.z")}, "subject"),
        ({"body": Parts("a\nb")}, "subject"),
        ({"body": Parts("a\0b")}, "subject"),
        ({"body": Parts("half \ud800")}, "subject"),
        ({"body": Parts("s", "half \ud800")}, "text"),
        ({"body": Parts("s", "t", "half \ud800")}, "html"),
        ({"sender": Address("a@b.c", "x\r\ny")}, "display_name"),
        ({"sender": Address("a@b.c\r\nBcc: x@y.z")}, "email"),
        ({"sender": Address("a@b.c>, <x")}, "email"),
        ({"to": (Address("a\0@b.c"),)}, "email"),
        ({"to": (Address("nobody"),)}, "email"),
        ({"to": (Address("用户@example.com"),)}, "email"),
        ({"headers": (Header("X-A", "1\r\nBcc: x@y.z"),)}, "headers.X-A"),
        ({"headers": (Header("X-A: b\r\nBcc", "x"),)}, "headers"),
        ({"own_headers": (Header("Bcc", "x@y.z"),)}, "headers"),
        ({"own_headers": (Header("content-type", "text/plain"),)}, "headers"),
        ({"message_id": "<a@b>\r\nBcc: x@y.z"}, "message_id"),
        ({"attachments": (Attachment(b"", "a\r\nb"),)}, "attachments.filename"),
        ({"attachments": (Attachment(b"", "half \ud800"),)}, "attachments.filename"),
        ({"attachments": (Attachment(b"", "a", "text/plain\r\nX: y"),)}, "attachments.content_type"),
        ({"attachments": (Attachment(b"", "a", "nonsense"),)}, "attachments.content_type"),
        ({"attachments": (Attachment(b"", "a", "image/png", "a b"),)}, "attachments.content_id"),
        ({"attachments": (Attachment(b"", "a", "image/png", "a>\r\nX: <y"),)}, "attachments.content_id"),
    ],
)
def test_what_could_break_a_header_is_refused_by_name(job, change, field):
    """Defence behind admission's: CR, LF and NUL leave in no header, and the error says which field."""
    body = change.pop("body", None)
    with pytest.raises(Invalid) as refused:
        compose(job(body, **change))
    assert [violation.field for violation in refused.value.violations] == [field]


def _exact(part):
    return part.get_payload(decode=True).decode("utf-8")


def _solid(text):
    """Without white space: the library puts some between the encoded words of a name (RFC 2047 6.2 says none)."""
    return "".join(text.split())


def _filename(part):
    """As RFC 2231 has it; the library's own reader strips white space and unquotes twice."""
    raw = next(value for name, value in part.raw_items() if name.lower() == "content-disposition")
    if plain := re.search(r'filename="([^"]*)"', raw):
        return plain[1]
    sections = re.findall(r"filename\*(?:\d+\*)?=(?:utf-8'')?([^;\s]+)", raw)
    return unquote("".join(sections))


def _shape(part):
    if not part.is_multipart() or part.get_content_maintype() == "message":
        return part.get_content_subtype()
    return f"{part.get_content_subtype()}({', '.join(_shape(inner) for inner in part.iter_parts())})"


def test_what_was_looked_at_is_vouched_for(job):
    """The usual mail leaves as it is; a dot that begins a line, in the body or in a header, never is."""
    dotted = Header(".x", "y")
    assert vouched(job(Parts("Hi", "Hello\nthere\n")))[1]
    assert vouched(job(Parts("Hi", "ü" * 100, "<p>ü</p>")))[1]
    for unsure in (
        job(Parts("Hi", "Hello\n.\n")),
        job(Parts("Hi", ".")),
        job(headers=(dotted,)),
        job(own_headers=(dotted,)),
        job(Raw(b"Subject: Hi\r\n\r\n.\r\n")),
    ):
        assert not vouched(unsure)[1]
