"""What a gateway checks of a mail, as far as that needs no settings: for FakeMailClient. The gateway's word is what counts. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from mailgate.client.mistyped import mistyped
from mailgate.digest import parse_digest
from mailgate.errors import Invalid, Violation
from mailgate.mail import Address, BatchEntry, Header, Mail, Parts, Raw

MAX_KEY = 256
MAX_TAGS, MAX_TAG = 16, 64
MAX_METADATA, MAX_METADATA_OCTETS = 32, 4096
MAX_VARIABLES = 64 * 1024
MAX_ADDRESS, MAX_LOCAL, MAX_LABEL = 254, 64, 63
MAX_ENTRIES = 10_000
"""As the protos have them, and a gateway's defaults."""

_LINE_BREAK = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
_LABEL = re.compile(r"(?!-)[^\s@<>,;:\"()\[\]\\]+(?<!-)")
_SEVERAL = re.compile(r"[\s<>,;]")
_RESERVED = {
    *("from", "sender", "to", "cc", "bcc", "reply-to", "subject", "return-path", "date", "message-id", "mime-version", "received"),
    *("delivered-to", "authentication-results", "dkim-signature"),
}
_FIELD = re.compile(r"[!-9;-~]{1,76}")


def check_mail(mail: Mail, key: str = "") -> None:
    """Raises Invalid with everything that is wrong with it, and TypeError as encoding does."""
    try:
        found = [*_content(mail, "mail"), *_recipients(mail, "mail"), *_key(key, "idempotency_key")]
    except (AttributeError, TypeError) as error:
        raise mistyped(mail, "mail", error) from None
    if found:
        raise Invalid(found)


def check_shared(shared: Mail, entries: Sequence[BatchEntry], key: str = "") -> None:
    """Of a batch as a whole."""
    try:
        found = [*_content(shared, "shared"), *_key(key, "idempotency_key")]
    except (AttributeError, TypeError) as error:
        raise mistyped(shared, "shared", error) from None
    found += [Violation(f"shared.{role}", "the entries have the recipients") for role in ("to", "cc", "bcc") if getattr(shared, role)]
    if not 0 < len(entries) <= MAX_ENTRIES:
        found.append(Violation("entries", f"{len(entries)} entries: a batch has 1 to {MAX_ENTRIES:,}"))
    if found:
        raise Invalid(found)


def entry_fault(entry: BatchEntry, index: int) -> Invalid | None:
    """What is wrong with an entry."""
    field = f"entries[{index}]"
    try:
        found = [*_recipients(entry, field), *_headers(entry.headers, field), *_variables(entry.variables, field)]
        found += [*_metadata(entry.metadata, field), *_key(entry.idempotency_key, f"{field}.idempotency_key")]
    except (AttributeError, TypeError) as error:
        raise mistyped(entry, field, error) from None
    return Invalid(found) if found else None


def _content(mail: Mail, field: str) -> list[Violation]:
    found = [*_address(mail.from_address, f"{field}.from_address")]
    for index, address in enumerate(mail.reply_to):
        found += _address(address, f"{field}.reply_to[{index}]")
    found += _said(mail, field)
    for index, file in enumerate(mail.attachments):
        if file.digest and parse_digest(file.digest) is None:
            found.append(Violation(f"{field}.attachments[{index}].digest", "write `sha256:` and 64 hexadecimal digits"))
    if mail.ttl_ms is not None and mail.ttl_ms <= 0:
        found.append(Violation(f"{field}.ttl", "it is over before it begins"))
    if len(mail.tags) > MAX_TAGS or any(len(tag.encode()) > MAX_TAG for tag in mail.tags):
        found.append(Violation(f"{field}.tags", f"at most {MAX_TAGS} of {MAX_TAG} octets are allowed"))
    return [*found, *_headers(mail.headers, field), *_variables(mail.variables, field), *_metadata(mail.metadata, field)]


def _said(mail: Mail, field: str) -> list[Violation]:
    match mail.content:
        case None:
            return [Violation(f"{field}.content", "there is none: give parts or raw")]
        case Parts(_, "", ""):
            return [Violation(f"{field}.parts", "it says nothing: give text, html or both")]
        case Parts(subject) if _LINE_BREAK.search(subject):
            return [Violation(f"{field}.parts.subject", "it holds a line break or another control character")]
        case Raw():
            beside = [name for name in ("attachments", "headers", "variables") if getattr(mail, name)]
            return [Violation(f"{field}.{name}", "it is refused beside raw") for name in beside]
        case _:
            return []


def _recipients(addressed: Mail | BatchEntry, field: str) -> list[Violation]:
    if not (addressed.to or addressed.cc or addressed.bcc):
        return [Violation(f"{field}.to", "nobody would get the mail: give at least one address in `to`, `cc` or `bcc`")]
    roles: dict[str, Sequence[Address]] = {"to": addressed.to, "cc": addressed.cc, "bcc": addressed.bcc}
    return [
        fault
        for role, addresses in roles.items()
        for index, address in enumerate(addresses)
        for fault in _address(address, f"{field}.{role}[{index}]")
    ]


def _address(address: Address, field: str) -> list[Violation]:
    found = []
    if _LINE_BREAK.search(address.display_name):
        found.append(Violation(f"{field}.display_name", "it holds a line break or another control character"))
    local, at, domain = address.email.rpartition("@")
    labels = domain.split(".")
    sound = at and local and len(address.email.encode()) <= MAX_ADDRESS and len(local.encode()) <= MAX_LOCAL
    sound = sound and (local.startswith('"') or not _SEVERAL.search(local)) and not _LINE_BREAK.search(local)
    sound = sound and all(_LABEL.fullmatch(label) and len(label) <= MAX_LABEL for label in labels)
    if not sound or (len(labels) == 1 and domain != "localhost"):
        found.append(Violation(f"{field}.email", f"{address.email[:80]!r} is not an address to use: write local@domain"))
    return found


def _headers(headers: Sequence[Header], field: str) -> list[Violation]:
    found = []
    for index, header in enumerate(headers):
        name = header.name.lower()
        if not _FIELD.fullmatch(header.name) or name in _RESERVED or name.startswith(("content-", "resent-", "arc-")):
            found.append(Violation(f"{field}.headers[{index}].name", f"{header.name[:80]!r} cannot be a field of yours"))
        if _LINE_BREAK.search(header.value):
            found.append(Violation(f"{field}.headers[{index}].value", "it holds a line break or another control character"))
    return found


def _variables(variables: bytes, field: str) -> list[Violation]:
    if not variables:
        return []
    try:
        sound = isinstance(json.loads(variables), dict) and len(variables) <= MAX_VARIABLES
    except ValueError:
        sound = False
    return [] if sound else [Violation(f"{field}.variables", "they are no JSON object of at most 64 KiB")]


def _metadata(metadata: Mapping[str, str], field: str) -> list[Violation]:
    octets = sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items())
    if len(metadata) > MAX_METADATA or octets > MAX_METADATA_OCTETS:
        return [Violation(f"{field}.metadata", f"at most {MAX_METADATA} pairs of {MAX_METADATA_OCTETS} octets together are allowed")]
    return []


def _key(key: str, field: str) -> list[Violation]:
    octets = len(key.encode())
    return [Violation(field, f"{octets} octets, at most {MAX_KEY} are allowed: a UUID has 36")] if octets > MAX_KEY else []
