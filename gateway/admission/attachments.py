"""A mail's attachments, checked; those that name a digest with their file. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gateway.admission.addresses import has_controls
from gateway.admission.faults import Faults, show
from gateway.admission.limits import MAX_LINE, Limits
from gateway.ledger.files import missing
from mailgate.digest import parse_digest
from mailgate.job import File
from mailgate.mail import Attachment

_ATOM = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_CONTENT_TYPE = re.compile(rf'({_ATOM})/{_ATOM}(?:[ \t]*;[ \t]*{_ATOM}=(?:{_ATOM}|"[ !#-\[\]-~]*"))*')
_CONTENT_ID = re.compile(r"[!-;=?-~]+")


class Uploads(NamedTuple):
    """Of the files that a mail names those that the tenant has: their sizes in octets, and themselves where the mail is not too large."""

    sizes: Mapping[bytes, int]
    files: Mapping[bytes, File]


NO_UPLOADS = Uploads({}, {})


def digests(attachments: Sequence[Attachment], limits: Limits) -> list[bytes]:
    """What they name, each once, without what is no digest. Of more than are allowed nothing: such a mail is refused."""
    if len(attachments) > limits.max_attachments:
        return []
    named = [digest for each in attachments if each.digest and (digest := parse_digest(each.digest)) is not None]
    return list(dict.fromkeys(named))


def find_files(attachments: Sequence[Attachment], field: str, sizes: Mapping[bytes, int], faults: Faults) -> Mapping[bytes, int]:
    """The files that they name, with their sizes; note what is no digest. `sizes`: of those that the tenant has.

    Raises:
        ContentMissing: the tenant has no such file.
    """
    found: dict[bytes, int] = {}
    for index, each in enumerate(attachments):
        if each.digest:
            where = f"{field}.attachments[{index}].digest"
            digest = parse_digest(each.digest)
            if digest is None:
                faults.add(where, f"{show(each.digest)} is no digest: write sha256: and 64 hexadecimal digits")
            elif digest not in sizes:
                raise missing(digest, where)
            else:
                found[digest] = sizes[digest]
    return found


def check_attachments(files: Sequence[Attachment], field: str, limits: Limits, faults: Faults) -> None:
    """Note what is wrong with them."""
    if len(files) > limits.max_attachments:
        faults.add_large(f"{field}.attachments", f"{len(files)} files, at most {limits.max_attachments} are allowed")
        return
    content_ids: set[str] = set()
    for index, file in enumerate(files):
        where = f"{field}.attachments[{index}]"
        if has_controls(file.filename) or len(file.filename) > MAX_LINE:
            faults.add(f"{where}.filename", f"{show(file.filename)} holds a control character, or has more than {MAX_LINE} characters")
        if file.content_type:
            _check_content_type(file.content_type, where, faults)
        if file.content_id:
            if not _CONTENT_ID.fullmatch(file.content_id) or len(file.content_id) > MAX_LINE:
                cure = "a content_id has only visible ASCII characters, without angle brackets, such as logo@example.com"
                faults.add(f"{where}.content_id", f"{show(file.content_id)}: {cure}")
            if file.content_id in content_ids:
                faults.add(f"{where}.content_id", f"{show(file.content_id)} names another attachment already")
            content_ids.add(file.content_id)


def _check_content_type(value: str, where: str, faults: Faults) -> None:
    form = _CONTENT_TYPE.fullmatch(value) if len(value) <= MAX_LINE else None
    if form is None:
        faults.add(f"{where}.content_type", f'{show(value)} is no media type: write type/subtype, such as "application/pdf"')
    elif form[1].lower() in ("multipart", "message"):
        cure = "attach it as application/octet-stream, with a file name ending in .eml, or send it as `raw`"
        faults.add(f"{where}.content_type", f"{show(value)} cannot be encoded as a file is (RFC 2046 5): {cure}")
