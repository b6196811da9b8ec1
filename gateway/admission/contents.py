"""What a mail says and how it is to be sent, checked: all of it but the recipients. A batch has it once. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

from gateway.admission.addresses import Mailbox, Unsound, has_controls, parse
from gateway.admission.attachments import Uploads, check_attachments, find_files
from gateway.admission.faults import Faults, show
from gateway.admission.headers import check_headers
from gateway.admission.limits import MAX_LINE, Limits
from gateway.admission.raw import authors, check_lines
from gateway.admission.recipients import check_address
from gateway.admission.routing import Routes
from gateway.admission.tenants import Tenant
from mailgate.errors import SenderDomainForbidden
from mailgate.job import Content, File
from mailgate.mail import Address, Lane, Mail, OnDoubt, Parts
from mailgate.route import Route

MAX_HASH_KEY = 256
"""Octets; each job carries it."""
_MILLISECOND = timedelta(milliseconds=1)


class Checked(NamedTuple):
    """Sound content and choices. `utf8`: an address of the header or the return path needs SMTPUTF8."""

    content: Content
    domain: str
    """The author's, A-labels."""
    return_path: str
    utf8: bool
    lane: Lane
    route: Route | None
    """The one that the mail names; None: by the recipients' domains."""
    on_doubt: OnDoubt
    ttl_ms: int
    tags: tuple[str, ...]
    metadata: Mapping[str, str]
    files: tuple[File, ...] = ()
    """What the content attaches by digest."""
    hash_key: str = ""


def weigh(mail: Mail) -> int:
    """Octets that the content takes, about: characters are not encoded for this. Must be cheap: it decides what may be dear."""
    content = mail.content
    if isinstance(content, Parts):
        octets = len(content.subject) + len(content.text) + len(content.html)
    else:
        octets = len(content.data) if content is not None else 0
    octets += len(mail.variables)
    return octets + sum([len(file.data) for file in mail.attachments]) if mail.attachments else octets


def check_content(
    mail: Mail, field: str, lane: Lane, tenant: Tenant, routes: Routes, limits: Limits, faults: Faults, uploads: Uploads
) -> Checked | None:
    """Note what is wrong; None when the author is unsound, since then nothing can be made of it. `lane`: where the mail names none.

    Raises:
        SenderDomainForbidden: an author's domain, or the return path's, is not the tenant's.
    """
    author = check_address(mail.from_address, f"{field}.from_address", faults)
    if author is not None:
        _allow(tenant, author[1].domain, f"{field}.from_address")
    reply_to = [check_address(each, f"{field}.reply_to[{i}]", faults) for i, each in enumerate(mail.reply_to)] if mail.reply_to else []
    return_path = _check_return_path(mail, field, author, tenant, faults)
    attached = _check_body(mail, field, tenant, limits, faults, uploads)
    if mail.headers:
        check_headers(mail.headers, f"{field}.headers", limits, faults)
    if mail.tags:
        _check_tags(mail.tags, field, limits, faults)
    if mail.metadata:
        check_metadata(mail.metadata, field, limits, faults)
    if len(mail.hash_key.encode()) > MAX_HASH_KEY:
        faults.add_large(f"{field}.hash_key", f"{len(mail.hash_key.encode())} octets, at most {MAX_HASH_KEY} are allowed: a UUID has 36")
    ttl_ms = _check_ttl(mail, field, limits, faults)
    route = _check_route(mail.route, field, routes, faults)
    if author is None or return_path is None or mail.content is None:
        return None
    sound = [each for each in reply_to if each is not None]
    return Checked(
        content=Content(author[0], tuple([each[0] for each in sound]), mail.headers, mail.attachments, mail.content),
        domain=author[1].domain,
        return_path=return_path.email,
        utf8=author[1].utf8 or return_path.utf8 or any(each[1].utf8 for each in sound),
        lane=mail.lane or lane,
        route=route,
        on_doubt=mail.on_doubt,
        ttl_ms=ttl_ms,
        tags=mail.tags,
        metadata=mail.metadata,
        files=attached,
        hash_key=mail.hash_key,
    )


def check_metadata(metadata: Mapping[str, str], field: str, limits: Limits, faults: Faults) -> None:
    """Note what is wrong with it."""
    octets = sum(len(key.encode()) + len(value.encode()) for key, value in metadata.items())
    if len(metadata) > limits.max_metadata:
        faults.add_large(f"{field}.metadata", f"{len(metadata)} pairs, at most {limits.max_metadata} are allowed")
    if octets > limits.max_metadata_bytes:
        faults.add_large(f"{field}.metadata", f"{octets} octets, at most {limits.max_metadata_bytes} are allowed: every event carries them")
    if "" in metadata:
        faults.add(f"{field}.metadata", "a key is empty")


def _allow(tenant: Tenant, domain: str, field: str) -> None:
    if not tenant.may_send_from(domain):
        text = f"{field}: the tenant {tenant.name} may not send from {domain}: use one of its domains, or have the operator add this one"
        raise SenderDomainForbidden(text)


def _check_return_path(mail: Mail, field: str, author: tuple[Address, Mailbox] | None, tenant: Tenant, faults: Faults) -> Mailbox | None:
    """Unset: the author's. Empty: the null sender. A foreign one would have others get the bounces."""
    if mail.return_path is None:
        return author[1] if author is not None else None
    if not mail.return_path:
        return Mailbox("", "", False)
    try:
        given = parse(mail.return_path)
    except Unsound as reason:
        faults.add(f"{field}.return_path", f"{show(mail.return_path)} is not an address to use: {reason}")
        return None
    _allow(tenant, given.domain, f"{field}.return_path")
    return given


def _check_body(mail: Mail, field: str, tenant: Tenant, limits: Limits, faults: Faults, uploads: Uploads) -> tuple[File, ...]:
    """The files that it attaches by digest, each once."""
    size, content = weigh(mail), mail.content
    few = 0 < len(mail.attachments) <= limits.max_attachments
    named = find_files(mail.attachments, field, uploads.sizes, faults) if few else {}
    size += sum(named.values())
    if size <= limits.max_mail_bytes:
        if isinstance(content, Parts):
            size += _check_parts(content, field, faults)
            if mail.attachments:
                check_attachments(mail.attachments, field, limits, faults)
        elif content is not None:
            _check_raw(mail, content.data, field, tenant, limits, faults)
        else:
            faults.add(f"{field}.content", "the mail says nothing: give `parts` with text or html, or `raw`")
    if size > limits.max_mail_bytes:
        faults.add_large(
            f"{field}.content", f"{size:,} octets, at most {limits.max_mail_bytes:,} are allowed: make it smaller, or send a link"
        )
        return ()
    return tuple([uploads.files[digest] for digest in named])


def _check_raw(mail: Mail, data: bytes, field: str, tenant: Tenant, limits: Limits, faults: Faults) -> None:
    if mail.attachments:
        faults.add(f"{field}.attachments", "`raw` is a whole message: put files into it, or give `parts` instead")
    if mail.headers:
        faults.add(f"{field}.headers", "`raw` is a whole message: put header fields into it, or give `parts` instead")
    try:
        for author in authors(data, limits.max_header_bytes):
            _allow(tenant, author.domain, f"{field}.raw: From")
        check_lines(data, limits)
    except Unsound as reason:
        faults.add(f"{field}.raw", str(reason))


def _check_parts(parts: Parts, field: str, faults: Faults) -> int:
    """Octets beyond one a character."""
    subject, text, html = parts.subject, parts.text, parts.html
    if has_controls(subject):
        faults.add(
            f"{field}.parts.subject", "it holds CR, LF, NUL or another control character, which could begin another header field: remove it"
        )
    if len(subject) > MAX_LINE:
        faults.add(f"{field}.parts.subject", f"it has {len(subject)} characters, at most {MAX_LINE} are allowed")
    if not text and not html:
        faults.add(f"{field}.parts", "there is nothing to read: give text, html or both")
    for name, body in (("text", text), ("html", html)):
        if "\0" in body:
            faults.add(f"{field}.parts.{name}", "it holds a NUL character, which no message may (RFC 5322 4): remove it")
    return sum([len(each.encode()) - len(each) for each in (subject, text, html) if not each.isascii()])


def _check_tags(tags: Sequence[str], field: str, limits: Limits, faults: Faults) -> None:
    if len(tags) > limits.max_tags:
        faults.add_large(f"{field}.tags", f"{len(tags)} tags, at most {limits.max_tags} are allowed")
        return
    for index, tag in enumerate(tags):
        if not tag or has_controls(tag) or len(tag.encode()) > limits.max_tag_bytes:
            cure = f"a tag has 1 to {limits.max_tag_bytes} octets and no control characters"
            faults.add(f"{field}.tags[{index}]", f"{show(tag)}: {cure}")


def _check_ttl(mail: Mail, field: str, limits: Limits, faults: Faults) -> int:
    if mail.ttl_ms is None:
        return milliseconds(min(limits.default_ttl, limits.max_ttl))
    longest = milliseconds(limits.max_ttl)
    if not 0 < mail.ttl_ms <= longest:
        faults.add(f"{field}.ttl", f"{mail.ttl_ms / 1000:,.12g} s: give more than 0 and at most {longest // 1000:,} s, or leave it out")
    return mail.ttl_ms


def _check_route(name: str, field: str, routes: Routes, faults: Faults) -> Route | None:
    if not name:
        return None
    route = routes.named(name)
    if route is None:
        faults.add(
            f"{field}.route", f"{show(name)} is no route of this gateway; there are: {routes.names}. Empty: by the recipient's domain"
        )
    return route


def milliseconds(duration: timedelta) -> int:
    """Whole ones."""
    return duration // _MILLISECOND
