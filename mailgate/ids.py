"""Identifiers: UUIDv7 for mails and batches (RFC 9562 5.7), and the ids that derive from them. Pure: time and randomness are given."""

from __future__ import annotations

from mailgate.errors import Invalid

MAIL_ID_OCTETS = 16
JOB_ID_OCTETS = 18
RANDOM_OCTETS = 10


def new_id(unix_ms: int, random: bytes) -> bytes:
    """A UUIDv7 of 16 octets from milliseconds since the epoch and RANDOM_OCTETS random octets."""
    return unix_ms.to_bytes(6, "big") + bytes((0x70 | random[0] & 0x0F, random[1], 0x80 | random[2] & 0x3F)) + random[3:RANDOM_OCTETS]


def time_of(id: bytes) -> int:
    """The milliseconds that `new_id` was given."""
    return int.from_bytes(id[:6], "big")


def format_id(value: bytes) -> str:
    """The usual text form of a UUID."""
    h = value.hex()
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


def parse_id(text: str, field: str) -> bytes:
    """The 16 octets of the text form.

    Raises:
        Invalid: it is not one; `field` names it to the caller.
    """
    compact = text.replace("-", "")
    try:
        value = bytes.fromhex(compact)
    except ValueError:
        value = b""
    if len(value) != MAIL_ID_OCTETS or format_id(value) != text.lower():
        raise Invalid.field(field, f"{text[:64]!r} is not an id: give one as a receipt has it, such as 0192f0c1-…")
    return value


def job_id(mail_id: bytes, ordinal: int) -> bytes:
    """The id of a mail's job: the mail's, and which of its jobs (0 to 65,535). Two puts of one mail give the same ids."""
    return mail_id + ordinal.to_bytes(2, "big")


def mail_of(job: bytes) -> bytes:
    """The mail that a job belongs to."""
    return job[:MAIL_ID_OCTETS]


def format_job(value: bytes) -> str:
    """A job's id for people: the mail's, a dot, the ordinal."""
    return f"{format_id(value[:MAIL_ID_OCTETS])}.{int.from_bytes(value[MAIL_ID_OCTETS:], 'big')}"


def parse_job(text: str, field: str) -> bytes:
    """The octets of what `format_job` made.

    Raises:
        Invalid: it is not one; `field` names it to the caller.
    """
    head, dot, ordinal = text.partition(".")
    if not dot or not ordinal.isascii() or not ordinal.isdigit() or len(ordinal) > 5 or int(ordinal) > 0xFFFF:  # noqa: PLR2004
        raise Invalid.field(field, f"{text[:64]!r} is not an id of a job: give one as `mailgate doubts` prints it")
    return job_id(parse_id(head, field), int(ordinal))


def event_id(mail_id: bytes, recipient_index: int, sequence: int) -> str:
    """The same for the same fact, whoever tells it."""
    return f"{format_id(mail_id)}.{recipient_index}.{sequence}"


def message_id(mail_id: bytes, domain: str) -> str:
    """The Message-ID of a mail, with its angle brackets."""
    return f"<{mail_id.hex()}@{domain}>"
