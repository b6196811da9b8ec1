"""Mails and batches into the requests of the door."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import TypeVar

from mailgate.api.mail.v1 import mail_service_pb2
from mailgate.client.mistyped import mistyped
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
    """A mail with its idempotency key; empty: none.

    Raises:
        TypeError: a value of the mail, such as a str where an Address belongs.
    """
    request = mail_service_pb2.SendMailRequest(idempotency_key=key)
    try:
        mails.fill_mail(request.mail, mail)
    except (AttributeError, TypeError) as error:
        raise mistyped(mail, "mail", error) from None
    return request


def batch_request(shared: Mail, entries: Iterable[BatchEntry], key: str) -> mail_service_pb2.BatchSendMailRequest:
    """A batch with its idempotency key; empty: none.

    Raises:
        TypeError: as `send_request`.
    """
    try:
        mail = mails.mail_to_proto(shared)
    except (AttributeError, TypeError) as error:
        raise mistyped(shared, "shared", error) from None
    return mail_service_pb2.BatchSendMailRequest(shared=mail, entries=map(_entry, itertools.count(), entries), idempotency_key=key)


def _entry(index: int, entry: BatchEntry) -> mail_service_pb2.BatchEntry:
    try:
        return mails.entry_to_proto(entry)
    except (AttributeError, TypeError) as error:
        raise mistyped(entry, f"entries[{index}]", error) from None
