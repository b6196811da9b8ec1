"""A call's mail, or its batch, checked and made into what the ledger takes. Pure: may run in a thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gateway.admission.attachments import NO_UPLOADS, Uploads
from gateway.admission.contents import Checked, check_content, check_metadata
from gateway.admission.drafts import Draft, EncodeContent, Encoded, EncodeEnvelope
from gateway.admission.faults import Faults
from gateway.admission.headers import check_headers
from gateway.admission.idempotency import check_key, entry_fingerprint, entry_key, fingerprint
from gateway.admission.limits import Limits
from gateway.admission.recipients import check_recipients
from gateway.admission.routing import Routes, SiteOf, no_site
from gateway.admission.tenants import Tenant
from gateway.admission.variables import Variables, as_template, open_variables
from gateway.ledger.port import Accepted
from mailgate.errors import Invalid, TooLarge
from mailgate.ids import RANDOM_OCTETS, new_id
from mailgate.mail import BatchEntry, Lane, Mail


class Call(NamedTuple):
    """What a call brings beside its mail. `random`: RANDOM_OCTETS for every mail and one time more."""

    tenant: Tenant
    now_ms: int
    random: bytes
    traceparent: str = ""
    uploads: Uploads = NO_UPLOADS
    """What the tenant has of what the mail attaches by digest."""


class Keyed(NamedTuple):
    """A batch's idempotency key, and the fingerprint of what its mails share."""

    key: str
    shared: bytes


@dataclass(frozen=True, slots=True)
class Drafter:
    """The settings that decide."""

    routes: Routes
    limits: Limits
    encode_envelope: EncodeEnvelope
    encode_content: EncodeContent
    site_of: SiteOf = no_site

    def mail(self, call: Call, mail: Mail, key: str = "") -> Accepted:
        """One mail; `key`: for idempotency.

        Raises:
            Invalid, SenderDomainForbidden: with everything that is wrong.
        """
        faults = Faults()
        checked = check_content(mail, "mail", Lane.TRANSACTIONAL, call.tenant, self.routes, self.limits, faults, call.uploads)
        recipients = check_recipients(mail, "mail", checked.route if checked else None, self.routes, self.limits, faults)
        if key:
            check_key(key, "idempotency_key", faults)
        variables = open_variables(mail, "mail", self.limits, faults) if mail.variables else None
        if variables is not None:
            variables.check(b"", "mail", faults, render=True)
        if faults or checked is None:
            raise faults.error()
        draft = self._draft(call, checked, None, variables, mail.variables)
        return draft.make(new_id(call.now_ms, call.random), recipients, key=key, fingerprint=fingerprint(mail) if key else b"")

    def batch(self, call: Call, shared: Mail, entries: Sequence[BatchEntry], key: str = "") -> tuple[bytes, list[Accepted | Invalid]]:
        """The batch's id, and for each entry its mail, or what is wrong with it.

        Raises:
            Invalid, SenderDomainForbidden: `shared`, or the batch as a whole, is wrong.
        """
        faults = Faults()
        self._check_size(shared, entries, faults)
        checked = check_content(shared, "shared", Lane.BULK, call.tenant, self.routes, self.limits, faults, call.uploads)
        if key:
            check_key(key, "idempotency_key", faults)
        template = bool(shared.variables) or any([entry.variables for entry in entries])
        variables = open_variables(shared, "shared", self.limits, faults) if template else None
        if faults or checked is None:
            raise faults.error()
        keyed = Keyed(key, fingerprint(shared) if key or any([entry.idempotency_key for entry in entries]) else b"")
        now_ms, random = call.now_ms, call.random
        batch_id = new_id(now_ms, random)
        draft = self._draft(call, checked, batch_id, variables, shared.variables)
        drafted: list[Accepted | Invalid] = []
        for index, entry in enumerate(entries):
            start = RANDOM_OCTETS * (index + 1)
            drafted.append(self._entry(draft, keyed, entry, index, new_id(now_ms, random[start : start + RANDOM_OCTETS])))
        return batch_id, drafted

    def _entry(self, draft: Draft, keyed: Keyed, entry: BatchEntry, index: int, mail_id: bytes) -> Accepted | Invalid:
        checked, faults, where = draft.checked, Faults(), f"entries[{index}]"
        recipients = check_recipients(entry, where, checked.route, self.routes, self.limits, faults)
        if entry.headers:
            check_headers(entry.headers, f"{where}.headers", self.limits, faults, already=len(checked.content.headers))
        metadata: Mapping[str, str] | None = None
        if entry.metadata:
            metadata = {**checked.metadata, **entry.metadata}
            check_metadata(metadata, where, self.limits, faults)
        if entry.idempotency_key:
            check_key(entry.idempotency_key, f"{where}.idempotency_key", faults)
        if draft.variables is not None:
            draft.variables.check(entry.variables, where, faults, render=index == 0)
        if faults:
            return faults.error()
        key = entry_key(entry, keyed.key, index)
        found = entry_fingerprint(keyed.shared, entry) if key else b""
        return draft.make(mail_id, recipients, entry.headers, metadata, key, found, entry.variables)

    def _draft(self, call: Call, checked: Checked, batch_id: bytes | None, variables: Variables | None, shared: bytes) -> Draft:
        if variables is not None:
            checked = as_template(checked, shared)
        encoded = Encoded.of(checked.content, self.encode_content)
        fixed = call.tenant.name, checked, encoded, self.encode_envelope, self.limits.max_recipients_per_job, call.now_ms
        return Draft(*fixed, batch_id, call.traceparent, variables, self.site_of)

    def _check_size(self, shared: Mail, entries: Sequence[BatchEntry], faults: Faults) -> None:
        limits = self.limits
        if shared.to or shared.cc or shared.bcc:
            faults.add("shared.to", "`shared` is what all mails have in common: give recipients in the entries")
        if not entries:
            faults.add("entries", "there are none: give 1 or more")
        if len(entries) > limits.max_batch_entries:
            text = f"{len(entries):,} entries, at most {limits.max_batch_entries:,} are allowed: send several batches"
            raise TooLarge.field("entries", text)
        count = sum([len(entry.to) + len(entry.cc) + len(entry.bcc) for entry in entries])
        if count > limits.max_batch_recipients:
            text = f"{count:,} recipients in all entries, at most {limits.max_batch_recipients:,} are allowed: send several batches"
            raise TooLarge.field("entries", text)
