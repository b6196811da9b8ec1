"""From checked content and recipients to what the ledger takes: the mail's record and its jobs. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import NamedTuple

from gateway.admission.contents import Checked
from gateway.admission.recipients import Recipients
from gateway.admission.routing import SiteOf, no_site, share
from gateway.admission.variables import Variables
from gateway.ledger.fact import Fact
from gateway.ledger.port import Accepted, Claim, MailRecord
from mailgate.ids import job_id, message_id
from mailgate.job import Content, Envelope, Job, JobRecipient
from mailgate.mail import EventType, Header, RecipientState

EncodeEnvelope = Callable[[Envelope], bytes]
EncodeContent = Callable[[Content], bytes]

KEY_KEPT_MS = 24 * 3_600_000
"""How long an idempotency key outlives its mail's ttl."""


class Encoded(NamedTuple):
    """A content's bytes and their digest, which names them; shared by all jobs of a mail or a batch."""

    id: bytes
    data: bytes

    @classmethod
    def of(cls, content: Content, encode: EncodeContent) -> Encoded:
        """Encode and hash: beyond a mebibyte off the loop."""
        data = encode(content)
        return cls(sha256(data).digest(), data)


class Draft(NamedTuple):
    """What is the same for all mails of a call."""

    tenant: str
    checked: Checked
    encoded: Encoded
    encode: EncodeEnvelope
    max_per_job: int
    now_ms: int
    batch_id: bytes | None
    traceparent: str
    variables: Variables | None = None
    site_of: SiteOf = no_site

    def make(
        self,
        mail_id: bytes,
        recipients: Recipients,
        headers: tuple[Header, ...] = (),
        metadata: Mapping[str, str] | None = None,
        key: str = "",
        fingerprint: bytes = b"",
        variables: bytes = b"",
    ) -> Accepted:
        """One mail. `headers` and `variables` are its own, `metadata` None: the shared one; `key`: for idempotency.

        Must be cheap: once for every mail.
        """
        checked, now_ms, encoded, envelope = self.checked, self.now_ms, self.encoded, recipients.envelope
        emails = tuple([mailbox.email for mailbox, _ in envelope])
        expire_ms = now_ms + checked.ttl_ms
        header_utf8 = checked.utf8 or recipients.header_utf8
        own = recipients.any_utf8 and not header_utf8
        name = message_id(mail_id, checked.domain)
        jobs = []
        for ordinal, (route, site_key, indexes) in enumerate(share(envelope, self.max_per_job, self.site_of)):
            body = Envelope(
                mail_id,
                checked.return_path,
                tuple([JobRecipient(index, emails[index]) for index in indexes]),
                header_utf8 or (own and any(envelope[index].mailbox.utf8 for index in indexes)),
                name,
                now_ms,
                self.traceparent,
                recipients.to,
                recipients.cc,
                headers,
                variables,
                checked.hash_key,
            )
            job = Job(
                id=job_id(mail_id, ordinal),
                tenant=self.tenant,
                lane=checked.lane,
                route=route.name,
                site_key=site_key,
                on_doubt=checked.on_doubt,
                envelope=self.encode(body),
                content_id=encoded.id,
                content=encoded.data,
                recipients=indexes,
                accept_ms=now_ms,
                expire_ms=expire_ms,
                files=checked.files,
            )
            jobs.append(job)
        record = MailRecord(
            id=mail_id,
            tenant=self.tenant,
            batch_id=self.batch_id,
            accept_ms=now_ms,
            expire_ms=expire_ms,
            lane=checked.lane,
            on_doubt=checked.on_doubt,
            tags=checked.tags,
            metadata=checked.metadata if metadata is None else metadata,
            emails=emails,
        )
        claim = Claim(key, fingerprint, expire_ms + KEY_KEPT_MS) if key else None
        return Accepted(record, tuple(jobs), claim)


def accepted_facts(accepted: Iterable[Accepted]) -> list[Fact]:
    """The first fact of every recipient."""
    return [
        Fact(each.mail.tenant, each.mail.id, index, 1, EventType.ACCEPTED, RecipientState.QUEUED, each.mail.accept_ms)
        for each in accepted
        for index in range(len(each.mail.emails))
    ]
