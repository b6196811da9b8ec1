"""A template is rendered for each mail, and what cannot be is told in words; no header is ever begun by a variable."""

from email import message_from_bytes
from email.policy import SMTP

import pytest

from mailgate.errors import Invalid
from mailgate.job import Content, Envelope, JobBody, JobRecipient
from mailgate.mail import Address, Attachment, Parts
from sender.compose.message import compose

PARTS = Parts("Hi {{ name }}", "Dear {{ name }},\n{{ order.id }}\n", "<b>{{ name }}</b>")


def job(parts=PARTS, shared=b"", own=b"", files=()):
    envelope = Envelope(bytes(16), "a@example.com", (JobRecipient(0, "b@example.net"),), to=(Address("b@example.net"),), variables=own)
    return JobBody(envelope, Content(Address("a@example.com"), attachments=files, body=parts, template=True, variables=shared))


def test_each_mail_has_its_own():
    """Over those that are shared; the rest is the same."""
    files = (Attachment(b"data", "a.bin"),)
    for name in ("Ann", "Bö <i>"):
        made = message_from_bytes(
            compose(job(shared=b'{"name": "all", "order": {"id": 7}}', own=b'{"name": "%s"}' % name.encode(), files=files)), policy=SMTP
        )
        assert made["subject"] == f"Hi {name}"
        assert made.get_body(("plain",)).get_content().replace("\r\n", "\n") == f"Dear {name},\n7\n"
        assert name.replace("<", "&lt;").replace(">", "&gt;") in made.get_body(("html",)).get_content()
        assert [each.get_content() for each in made.iter_attachments()] == [b"data"]


@pytest.mark.parametrize("value", ["a\\r\\nBcc: x@y.example", "a\\nX: y", "a\\rX: y"])
def test_no_variable_begins_a_header(value):
    """The mail is refused for good."""
    with pytest.raises(Invalid, match="no header may carry"):
        compose(job(shared=b'{"order": {"id": 7}}', own=b'{"name": "%s"}' % value.encode()))


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (job(), "name"),
        (job(shared=b"{"), "JSON"),
        (job(own=b"[]"), "object"),
        (job(Parts("{{")), "subject"),
        (job(Parts(text="{{ '\\0' }}")), "NUL"),
        (job(Parts(text="{% for a in range(100000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}")), "too much"),
    ],
)
def test_what_cannot_be_rendered_is_told(body, word):
    """As what no node can compose."""
    with pytest.raises(Invalid, match=word):
        compose(body)
