"""Records of mails, remembered for enriching their events: bounded by the addresses that they hold. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping

from gateway.ledger.fact import Fact
from gateway.ledger.port import MailRecord
from mailgate.mail import Event

MAX_EMAILS = 100_000
"""Addresses kept: some 10 MB. A mail of 10,000 recipients whose facts trickle in is read from the ledger once."""


class Descriptions:
    """The records that were used last."""

    def __init__(self, max_emails: int = MAX_EMAILS) -> None:
        self._records: OrderedDict[bytes, MailRecord] = OrderedDict()
        self._max_emails = max_emails
        self._emails = 0

    def known(self, mail_ids: Iterable[bytes]) -> dict[bytes, MailRecord]:
        """Those of these mails that need not be asked for."""
        found = {}
        for mail_id in mail_ids:
            if (record := self._records.get(mail_id)) is not None:
                self._records.move_to_end(mail_id)
                found[mail_id] = record
        return found

    def learn(self, records: Mapping[bytes, MailRecord]) -> None:
        """Keep these, and forget the oldest beyond the bound."""
        for mail_id, record in records.items():
            if mail_id not in self._records:
                self._records[mail_id] = record
                self._emails += len(record.emails)
        while self._emails > self._max_emails and len(self._records) > 1:
            _, oldest = self._records.popitem(last=False)
            self._emails -= len(oldest.emails)


def enrich(facts: Iterable[Fact], records: Mapping[bytes, MailRecord]) -> list[Event]:
    """Facts as events, in order. A fact whose mail has no record any more becomes an event without address, tags and metadata."""
    events = []
    for fact in facts:
        record = records.get(fact.mail_id)
        events.append(_bare(fact) if record is None else _event(fact, record))
    return events


def _event(fact: Fact, record: MailRecord) -> Event:
    return Event(
        tenant=fact.tenant,
        mail_id=fact.mail_id,
        batch_id=record.batch_id,
        recipient_index=fact.index,
        sequence=fact.sequence,
        email=record.emails[fact.index] if fact.index < len(record.emails) else "",
        type=fact.type,
        state=fact.state,
        time_ms=fact.time_ms,
        attempt=fact.attempt,
        tags=record.tags,
        metadata=record.metadata,
    )


def _bare(fact: Fact) -> Event:
    return Event(fact.tenant, fact.mail_id, None, fact.index, fact.sequence, "", fact.type, fact.state, fact.time_ms, fact.attempt)
