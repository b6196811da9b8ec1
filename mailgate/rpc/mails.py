"""Mail, BatchEntry, Receipt, Recipient, Event ⇄ their messages: what a door takes in and gives out, and a client the other way round."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mailgate.api.mail.v1 import mail_pb2, mail_service_pb2
from mailgate.errors import Invalid
from mailgate.ids import event_id, format_id, parse_id
from mailgate.mail import (
    Address,
    Attachment,
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
from mailgate.rpc.attempts import attempt_from_proto, attempt_to_proto
from mailgate.rpc.times import duration_ms, milliseconds, timestamp


def mail_from_proto(message: mail_pb2.Mail, field: str = "mail") -> Mail:
    """A caller's mail, not yet checked. It copies bodies: beyond a mebibyte keep it off the loop.

    Raises:
        Invalid: an enum's number is not known to this release; `field` names the mail to the caller.
    """
    kind = message.WhichOneof("content")
    content: Parts | Raw | None = None
    if kind == "parts":
        parts = message.parts
        content = Parts(parts.subject, parts.text, parts.html)
    elif kind == "raw":
        content = Raw(message.raw)
    sender = message.from_address
    return Mail(
        from_address=Address(sender.email, sender.display_name),
        to=_addresses(message.to),
        cc=_addresses(message.cc),
        bcc=_addresses(message.bcc),
        reply_to=_addresses(message.reply_to),
        content=content,
        attachments=_attachments(message.attachments),
        headers=_headers(message.headers),
        return_path=message.return_path if message.HasField("return_path") else None,
        lane=_lane(message.lane, field) if message.lane else None,
        route=message.route,
        hash_key=message.hash_key,
        on_doubt=_on_doubt(message.on_doubt, field) if message.on_doubt else OnDoubt.RESEND,
        ttl_ms=duration_ms(message.ttl) if message.HasField("ttl") else None,
        tags=tuple(message.tags) if message.tags else (),
        metadata=dict(message.metadata) if message.metadata else {},
        variables=message.variables,
    )


def mail_to_proto(mail: Mail) -> mail_pb2.Mail:
    """For a client."""
    message = mail_pb2.Mail()
    fill_mail(message, mail)
    return message


def fill_mail(message: mail_pb2.Mail, mail: Mail) -> None:
    """Write a mail where it belongs: nothing of it is copied twice, and what it has not costs nothing (4 µs for a plain one)."""
    _fill_address(message.from_address, mail.from_address)
    for addresses, field in ((mail.to, message.to), (mail.cc, message.cc), (mail.bcc, message.bcc), (mail.reply_to, message.reply_to)):
        for address in addresses:
            _fill_address(field.add(), address)
    match mail.content:
        case Parts(subject, text, html):
            parts = message.parts
            parts.SetInParent()
            parts.subject, parts.text, parts.html = subject, text, html
        case Raw(data):
            message.raw = data
    if mail.headers:
        message.headers.extend([mail_pb2.Header(name=h.name, value=h.value) for h in mail.headers])
    if mail.attachments:
        message.attachments.extend(map(attachment_to_proto, mail.attachments))
    if mail.return_path is not None:
        message.return_path = mail.return_path
    _fill_options(message, mail)


def _fill_options(message: mail_pb2.Mail, mail: Mail) -> None:
    if mail.ttl_ms is not None:
        message.ttl.FromMilliseconds(mail.ttl_ms)
    if mail.tags:
        message.tags.extend(mail.tags)
    if mail.metadata:
        message.metadata.update(mail.metadata)
    message.lane = mail.lane.value if mail.lane else 0  # type: ignore[assignment]
    message.on_doubt = mail.on_doubt.value  # type: ignore[assignment]
    message.route, message.hash_key, message.variables = mail.route, mail.hash_key, mail.variables


def attachment_to_proto(file: Attachment) -> mail_pb2.Attachment:
    """Its data, or the digest that names them."""
    message = mail_pb2.Attachment(filename=file.filename, content_type=file.content_type, content_id=file.content_id)
    if file.digest:
        message.digest = file.digest
    elif file.data:
        message.data = file.data
    return message


def _fill_address(message: mail_pb2.Address, address: Address) -> None:
    message.email = address.email
    if address.display_name:
        message.display_name = address.display_name


def entry_from_proto(message: mail_service_pb2.BatchEntry) -> BatchEntry:
    """Hot: about two microseconds with one recipient."""
    return BatchEntry(
        _addresses(message.to),
        _addresses(message.cc),
        _addresses(message.bcc),
        _headers(message.headers),
        dict(message.metadata) if message.metadata else {},
        message.variables,
        message.idempotency_key,
    )


def entry_to_proto(entry: BatchEntry) -> mail_service_pb2.BatchEntry:
    """For a client."""
    return mail_service_pb2.BatchEntry(
        to=map(_address, entry.to),
        cc=map(_address, entry.cc),
        bcc=map(_address, entry.bcc),
        headers=[mail_pb2.Header(name=h.name, value=h.value) for h in entry.headers],
        metadata=entry.metadata,
        variables=entry.variables,
        idempotency_key=entry.idempotency_key,
    )


def fill_receipt(message: mail_pb2.Receipt, receipt: Receipt) -> None:
    """Write a receipt where it belongs. A mail that was only validated has neither id nor time."""
    message.SetInParent()
    if receipt.mail_id:
        message.mail_id = format_id(receipt.mail_id)
        time = message.accept_time
        time.seconds, time.nanos = receipt.accept_ms // 1000, receipt.accept_ms % 1000 * 1_000_000
    if receipt.wait_elapsed:
        message.wait_elapsed = True
    if receipt.replayed:
        message.replayed = True
    for recipient in receipt.recipients:
        message.recipients.append(recipient_to_proto(recipient))


def receipt_from_proto(message: mail_pb2.Receipt) -> Receipt:
    """For a client."""
    mail_id = bytes.fromhex(message.mail_id.replace("-", ""))  # a gateway's own: it need not be checked
    recipients = tuple([recipient_from_proto(each) for each in message.recipients]) if message.recipients else ()
    return Receipt(mail_id, milliseconds(message.accept_time), message.wait_elapsed, recipients, message.replayed)


def recipient_to_proto(recipient: Recipient) -> mail_pb2.Recipient:
    """For a door."""
    message = mail_pb2.Recipient(
        index=recipient.index,
        email=recipient.email,
        state=recipient.state.value,  # type: ignore[arg-type]
        attempts=recipient.attempts,
        wait_reason=recipient.wait_reason,
    )
    if recipient.last_attempt is not None:
        message.last_attempt.CopyFrom(attempt_to_proto(recipient.last_attempt))
    if recipient.update_ms:
        message.update_time.CopyFrom(timestamp(recipient.update_ms))
    if recipient.next_attempt_ms is not None:
        message.next_attempt_time.CopyFrom(timestamp(recipient.next_attempt_ms))
    return message


def recipient_from_proto(message: mail_pb2.Recipient) -> Recipient:
    """For a client."""
    return Recipient(
        index=message.index,
        email=message.email,
        state=RecipientState(message.state),
        attempts=message.attempts,
        update_ms=milliseconds(message.update_time),
        next_attempt_ms=milliseconds(message.next_attempt_time) if message.HasField("next_attempt_time") else None,
        last_attempt=attempt_from_proto(message.last_attempt) if message.HasField("last_attempt") else None,
        wait_reason=message.wait_reason,
    )


def event_to_proto(event: Event) -> mail_pb2.Event:
    """For a door."""
    message = mail_pb2.Event(
        event_id=event_id(event.mail_id, event.recipient_index, event.sequence),
        mail_id=format_id(event.mail_id),
        batch_id=format_id(event.batch_id) if event.batch_id else "",
        recipient_index=event.recipient_index,
        recipient_sequence=event.sequence,
        email=event.email,
        type=event.type.value,  # type: ignore[arg-type]
        state=event.state.value,  # type: ignore[arg-type]
        event_time=timestamp(event.time_ms),
        tags=event.tags,
        metadata=event.metadata,
    )
    if event.attempt is not None:
        message.attempt.CopyFrom(attempt_to_proto(event.attempt))
    return message


def event_from_proto(message: mail_pb2.Event, tenant: str = "") -> Event:
    """For a client. `tenant` is not told: it is the key's."""
    return Event(
        tenant=tenant,
        mail_id=parse_id(message.mail_id, "event.mail_id"),
        batch_id=parse_id(message.batch_id, "event.batch_id") if message.batch_id else None,
        recipient_index=message.recipient_index,
        sequence=message.recipient_sequence,
        email=message.email,
        type=EventType(message.type),
        state=RecipientState(message.state),
        time_ms=milliseconds(message.event_time),
        attempt=attempt_from_proto(message.attempt) if message.HasField("attempt") else None,
        tags=tuple(message.tags),
        metadata=dict(message.metadata),
    )


def counts_to_proto(counts: Mapping[RecipientState, int]) -> list[mail_service_pb2.StateCount]:
    """The states that there are, in their order."""
    return [
        mail_service_pb2.StateCount(state=state.value, count=count)  # type: ignore[arg-type]
        for state, count in sorted(counts.items())
        if count
    ]


def counts_from_proto(messages: Iterable[mail_service_pb2.StateCount]) -> dict[RecipientState, int]:
    """For a client."""
    return {RecipientState(message.state): message.count for message in messages}


def _address(address: Address) -> mail_pb2.Address:
    return mail_pb2.Address(email=address.email, display_name=address.display_name)


def _addresses(messages: Sequence[mail_pb2.Address]) -> tuple[Address, ...]:
    return tuple([Address(m.email, m.display_name) for m in messages]) if messages else ()


def _headers(messages: Sequence[mail_pb2.Header]) -> tuple[Header, ...]:
    return tuple([Header(m.name, m.value) for m in messages]) if messages else ()


def _attachments(messages: Sequence[mail_pb2.Attachment]) -> tuple[Attachment, ...]:
    return tuple([Attachment(m.data, m.filename, m.content_type, m.content_id, m.digest) for m in messages]) if messages else ()


def _lane(number: int, field: str) -> Lane:
    try:
        return Lane(number)
    except ValueError:
        raise Invalid.field(f"{field}.lane", f"{number} is no lane that this gateway knows: give TRANSACTIONAL or BULK") from None


def _on_doubt(number: int, field: str) -> OnDoubt:
    try:
        return OnDoubt(number)
    except ValueError:
        raise Invalid.field(f"{field}.on_doubt", f"{number} is no choice that this gateway knows: give RESEND or HOLD") from None
