"""Mails and batches into the requests of the door."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from mailgate.api.mail.v1 import mail_service_pb2
from mailgate.errors import Invalid
from mailgate.mail import BatchEntry, Mail
from mailgate.rpc import mails

T = TypeVar("T")


def encoded(make: Callable[[], T]) -> T:
    """What `make` makes.

    Raises:
        Invalid: a value does not fit its field, such as half a surrogate pair in a text, or a time beyond 10,000 years.
    """
    try:
        return make()
    except ValueError as error:
        raise unfit(error) from None


def unfit(error: ValueError) -> Invalid:
    """What `encoded` raises of what protobuf has raised."""
    return Invalid.field("request", f"a value cannot be encoded: {error}")


def send_request(mail: Mail, key: str) -> mail_service_pb2.SendMailRequest:
    """A mail with its idempotency key; empty: none."""
    request = mail_service_pb2.SendMailRequest(idempotency_key=key)
    mails.fill_mail(request.mail, mail)
    return request


def batch_request(shared: Mail, entries: Iterable[BatchEntry], key: str) -> mail_service_pb2.BatchSendMailRequest:
    """A batch with its idempotency key; empty: none."""
    return mail_service_pb2.BatchSendMailRequest(
        shared=mails.mail_to_proto(shared), entries=map(mails.entry_to_proto, entries), idempotency_key=key
    )
