"""Reading takes mail apart and never fails, whatever the mail."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailgate.inbox import page
from mailgate.inbox.reading import Part, read, summarise, with_images
from mailgate.inbox.store import Received, Store

FOLDER = Path(__file__).parents[3] / "data" / "eml"


def received(message: bytes) -> Received:
    return Received(1, "a@example.com", ("b@example.com",), message.replace(b"\n", b"\r\n"), 0)


def test_a_mail_is_taken_apart():
    """Decoded subject and names, both texts, attachments with their names and bytes."""
    reading = read(Received(1, "", (), (FOLDER / "multipart.eml").read_bytes(), 0))
    assert reading.summary.subject == "Rechnung für November"
    assert reading.summary.from_ == "Grüne Läden <billing@shop.example>"
    assert reading.summary.to == "Ada Lovelace <ada@example.org>"
    assert reading.text == "Ihre Rechnung über 12,00 € \r\nliegt bei."
    assert reading.html == "<p>Ihre Rechnung liegt bei.</p>"
    assert [(part.filename, part.content_type, part.data[:8]) for part in reading.attachments] == [
        ("rechnung.pdf", "application/pdf", b"%PDF-1.4")
    ]
    assert reading.headers[0] == ("Return-Path", "<billing@shop.example>")


def test_eight_bit_headers_are_read_as_utf8():
    """SMTPUTF8 mail has them, and old mail too: what is no UTF-8 is replaced, never an error."""
    assert summarise(received("Subject: Grüße\n\n".encode())).subject == "Grüße"
    assert summarise(received("Subject: Grüße\n\n".encode("latin-1"))).subject == "Gr\ufffd\ufffde"


def test_a_message_inside_is_an_attachment():
    """Its own parts do not pass for the mail's."""
    reading = read(Received(1, "", (), (FOLDER / "nested.eml").read_bytes(), 0))
    assert reading.text == "See below."
    assert [part.content_type for part in reading.attachments] == ["message/rfc822"]
    assert b"looks like a header" in reading.attachments[0].data


@pytest.mark.parametrize(
    "name", ['filename="=?utf-8?q?=C3=BC.txt?="', "filename*=utf-8''%C3%BC.txt", "filename*0*=utf-8''%C3%BC; filename*1=.txt"]
)
def test_names_of_files_are_decoded_in_all_the_ways_they_are_written(name):
    """RFC 2231, its continuations, and the forbidden encoded word that half of the world writes."""
    reading = read(received(f"Content-Type: text/plain\nContent-Disposition: attachment; {name}\n\nx".encode()))
    assert [part.filename for part in reading.attachments] == ["ü.txt"]


HOSTILE = [
    b"",
    b"\n",
    b"no headers at all",
    b"Content-Type: multipart/mixed\n\nno boundary",
    b"Content-Type: text/plain; charset=nonsense\n\n\xff",
    b"Content-Type: text/plain; charset=\xff\n\n\xff",
    b"Content-Type: text/plain; charset=unicode_escape\n\n\\ud800 <script>",
    b"Content-Type: text/plain; charset=hex\n\nzz",
    b"Content-Transfer-Encoding: base64\n\n!!!",
    b"Content-Type: message/rfc822\n\n",
    b"Content-Type: message/delivery-status\n\nA: b\n\nC: d\n",
    b'Subject: =?utf-8?b?////?= =?nonsense?q?x?=\nFrom: <<<>>>,,,;"\nTo: ' + b"(" * 5000 + b"\n\n",
    b"Subject: =?utf-8?b?7aCA?=\nFrom: " + b"," * 300_000 + b"\n\n",
    b"".join(b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (n, n) for n in range(3000)),
    b"A: b\n" * 50_000,
]


@pytest.mark.parametrize("message", HOSTILE)
def test_hostile_mail_is_read_and_shown(message):
    """Broken charsets, endless nesting, brackets, thousands of headers: a page and a summary come out, and can be sent as UTF-8."""
    mail = received(message)
    html = page.mail_page(mail, read(mail))
    assert html.encode()
    assert "<script>" not in html.replace('<script src="/static/inbox.js">', "")


@given(
    st.binary(max_size=300),
    st.sampled_from([b"Subject: ", b"Content-Type: ", b"Content-Disposition: attachment; filename=", b"From: ", b""]),
)
def test_no_octets_break_the_reader(data, header):
    """Nor the page."""
    mail = received(header + data)
    assert page.mail_page(mail, read(mail)).encode()


class Tags(HTMLParser):
    """The tags of a page, with the names of their attributes and whatever address they lead to."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: set[tuple[str, ...]] = set()
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.add((tag, *(name for name, _ in attrs), *(value for name, value in attrs if name in ("href", "src"))))


def pages(text: str) -> set[tuple[str, ...]]:
    """All tags of the list and of a mail that says `text` wherever a mail can say something."""
    quoted = "".join(f"%{octet:02X}" for octet in text.encode())
    message = (
        f"Subject: s{text}\r\nFrom: {text}\r\nTo: {text}\r\nX: {text}\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
        f"--x\r\n\r\n{text}\r\n--x\r\nContent-Type: text/html\r\n\r\n{text}\r\n"
        f"--x\r\nContent-Disposition: attachment; filename*=utf-8''{quoted}\r\n\r\n{text}\r\n--x--\r\n"
    )
    mail = Received(1, text, (text,), message.encode(), 0)
    rows = page.list_rows([(mail, summarise(mail))], Store().stats(), None)
    return Tags(rows).found | Tags(page.mail_page(mail, read(mail))).found


@given(st.text("<>&\"'abc/=; ", max_size=60))
def test_everything_on_the_pages_is_escaped(text):
    """Whatever a mail says, and wherever it says it, the pages have the same tags, attributes and addresses."""
    assert pages(text) == pages("harmless")


def test_images_of_the_mail_are_put_into_its_html():
    """By their content id; other kinds and unknown ids stay as they are."""
    parts = (Part("", "image/png", "logo", b"png"), Part("", "text/html", "page", b"<script>"))
    assert with_images('<img src="cid:logo"> cid:page cid:none', parts) == '<img src="data:image/png;base64,cG5n"> cid:page cid:none'
