"""Idempotency keys: which belong to a call's mails, and a fingerprint that tells whether two calls hand in the same mail. Pure.

The fingerprint is of the decoded mail, so the order of a map and how a client writes its bytes do not matter; it is stored, so it must stay
what it is from one release to the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

from gateway.admission.faults import Faults
from gateway.ledger.port import Accepted, Earlier
from mailgate.errors import KeyReused
from mailgate.ids import format_id
from mailgate.mail import Address, BatchEntry, Header, Mail, Parts, Raw, Receipt

MAX_KEY_OCTETS = 256
"""Of a key that a caller gives; those that derive from a batch's are a little longer."""


def check_key(key: str, field: str, faults: Faults) -> None:
    """Note what is wrong with it."""
    octets = len(key.encode())
    if octets > MAX_KEY_OCTETS:
        faults.add_large(field, f"{octets} octets, at most {MAX_KEY_OCTETS} are allowed: a UUID has 36")


def entry_key(entry: BatchEntry, batch_key: str, index: int) -> str:
    """Its own, or the batch's with its place; empty: none."""
    return entry.idempotency_key or (f"{batch_key}/{index}" if batch_key else "")


def outcome(accepted: Accepted, refused: Mapping[bytes, Earlier]) -> Receipt | KeyReused:
    """What a call is told of a mail. `refused`: what the ledger did not store since its key is an earlier mail's.

    If it is the same mail, the receipt is that of the first call.
    """
    record, claim = accepted.mail, accepted.claim
    earlier = refused.get(record.id)
    if earlier is None:
        return Receipt(record.id, record.accept_ms)
    if claim is not None and claim.fingerprint == earlier.fingerprint:
        return Receipt(earlier.mail_id, earlier.accept_ms, replayed=True)
    key = claim.key if claim is not None else ""
    return KeyReused(f"the idempotency key {key!r} belongs to another mail, {format_id(earlier.mail_id)}: give each mail a key of its own")


def fingerprint(mail: Mail) -> bytes:
    """32 octets, the same for the same mail and for no other (SHA-256)."""
    blobs = [file.data for file in mail.attachments]
    match mail.content:
        case Raw(data):
            body: list[str] | None = None
            blobs.append(data)
        case Parts(subject, text, html):
            body = [subject, text, html]
        case None:
            body = []
    fields = [
        *(_addresses([mail.from_address]), _addresses(mail.reply_to), _addresses(mail.to), _addresses(mail.cc), _addresses(mail.bcc)),
        *(body, [[file.filename, file.content_type, file.content_id, file.digest] for file in mail.attachments], _headers(mail.headers)),
        *(
            mail.return_path,
            None if mail.lane is None else int(mail.lane),
            mail.route,
            int(mail.on_doubt),
            mail.ttl_ms,
            mail.tags,
            sorted(mail.metadata.items()),
        ),
    ]
    if mail.hash_key:  # what has none is the mail that it was before there were any
        fields.append(mail.hash_key)
    return _hash(b"", fields, [*blobs, mail.variables])


def entry_fingerprint(shared: bytes, entry: BatchEntry) -> bytes:
    """Of an entry's mail; `shared` is the fingerprint of what the batch shares."""
    fields = [
        *(_addresses(entry.to), _addresses(entry.cc), _addresses(entry.bcc), _headers(entry.headers)),
        sorted(entry.metadata.items()),
    ]
    return _hash(shared, fields, [entry.variables])


def _hash(before: bytes, fields: object, blobs: Sequence[bytes]) -> bytes:
    """`fields`: lists and tuples of texts and plain ints. As `ascii` writes them no two are the same, in half the time of JSON."""
    found = sha256(before)
    found.update(ascii([fields, [len(blob) for blob in blobs]]).encode())
    for blob in blobs:
        found.update(blob)
    return found.digest()


def _addresses(addresses: Iterable[Address]) -> list[tuple[str, str]]:
    return [(each.email, each.display_name) for each in addresses]


def _headers(headers: Iterable[Header]) -> list[tuple[str, str]]:
    return [(each.name, each.value) for each in headers]
