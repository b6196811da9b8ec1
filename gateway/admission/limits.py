"""`[limits]`: how large a mail, a request and a tenant's patience may be. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

MIB = 1024 * 1024

MAX_LINE = 998
"""Characters of a subject, a display name, a file name. RFC 5322 2.1.1 has it for a line; longer ones serve nobody."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a mail may be; beyond it the call is refused and nothing is stored."""

    max_mail_bytes: int = 50 * MIB
    """Subject, text, HTML and attachments together, or `raw`, before any encoding. gRPC itself takes messages of 64 MiB."""
    max_recipients: int = 10_000
    """to, cc and bcc of one mail together, duplicates counted."""
    max_recipients_per_job: int = 100
    """Recipients of one SMTP transaction. RFC 5321 4.5.3.1.8: every server must take 100."""
    max_batch_entries: int = 10_000
    """Entries of one BatchSendMail."""
    max_batch_recipients: int = 100_000
    """Recipients of all entries of one BatchSendMail together: bounds the time and memory of one call."""
    raw_bare_ends: Literal["mend", "refuse"] = "mend"
    """A line of `raw` that ends in a bare CR or LF. Neither ever leaves, since servers disagree on what they end (smuggling): they become
    CR LF, or the mail is refused."""
    raw_long_lines: Literal["mend", "refuse"] = "mend"
    """A line of `raw` with more than 998 octets, which a server need not take (RFC 5321 4.5.3.1.6): it is broken, at a space or by one, or
    the mail is refused. A signature over it does not survive the first."""
    max_attachments: int = 100
    """Files of one mail."""
    max_headers: int = 100
    """Header fields that the caller adds, shared ones and an entry's own together."""
    max_header_bytes: int = 256 * 1024
    """Names and values of these fields together; also the header block of `raw`. Relays refuse more (Postfix: 100 KiB a field)."""
    max_tags: int = 16
    """Tags of one mail."""
    max_tag_bytes: int = 64
    """Octets of a tag."""
    max_metadata: int = 32
    """Pairs of metadata of one mail."""
    max_metadata_bytes: int = 4096
    """Keys and values of metadata together: every event carries them."""
    max_variables_bytes: int = 64 * 1024
    """JSON of one mail's variables, the batch's and its own together: each job carries them to its node."""
    default_ttl: timedelta = timedelta(hours=48)
    """How long deferred recipients are tried again when the mail does not say. RFC 5321 4.5.4.1 has 4 to 5 days; callers of an API want to
    know sooner."""
    max_ttl: timedelta = timedelta(days=7)
    """The longest `ttl` that a mail may ask for."""
    max_upload_bytes: int = 1024 * MIB
    """Octets of all files that a tenant has uploaded and that are kept. One file is at most `max_mail_bytes`."""
    max_in_flight_bytes: int = 256 * MIB
    """Octets of mails being checked and stored at once in this process, and of the files that they name by digest, each once; beyond it
    calls are answered UNAVAILABLE."""
