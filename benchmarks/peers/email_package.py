"""Composing by the standard library's email package."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

from mailgate.job import JobBody
from mailgate.mail import Parts


def with_email(body: JobBody) -> bytes:
    """The message of a job whose content is parts without attachments, and that is to one recipient."""
    envelope, author, parts = body.envelope, body.content.from_address, body.content.body
    if not isinstance(parts, Parts):
        raise TypeError("a raw message needs no composing")
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(author.display_name, addr_spec=author.email)
    message["To"] = Address(addr_spec=envelope.to[0].email)
    message["Subject"] = parts.subject
    message["Date"] = datetime.fromtimestamp(envelope.date_ms // 1000, UTC)
    message["Message-ID"] = envelope.message_id
    message.set_content(parts.text)
    if parts.html:
        message.add_alternative(parts.html, subtype="html")
    return message.as_bytes()


def shown(message: bytes) -> list[object]:
    """What a reader sees of a message; for equal mails it is equal, whatever their encodings."""
    parsed = message_from_bytes(message, policy=SMTP)
    texts = [part.get_content().splitlines() for part in parsed.walk() if part.get_content_maintype() == "text"]
    return [str(parsed[name]) for name in ("From", "To", "Subject", "Date", "Message-ID")] + texts
