"""What the inbox keeps: the last mails, within a number and a size; the oldest go first. Pure, and for one thread to write."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from itertools import islice

MAX_MAILS = 1_000
"""Mails kept; as many as somebody looks through."""

MAX_OCTETS = 64 * 1024 * 1024
"""Octets kept: the inbox runs beside what is being developed. The newest mail is kept whatever its size."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Received:
    """A mail as it came: the envelope, and the message byte for byte. `id` rises by one from 1. Equal only to itself."""

    id: int
    sender: str
    recipients: tuple[str, ...]
    message: bytes = field(repr=False)
    received_ms: int


@dataclass(frozen=True, slots=True)
class InboxStats:
    """Counts since the start, and what is kept now."""

    received: int
    evicted: int
    kept: int
    octets: int
    max_mails: int
    max_octets: int


class Store:
    """Keeps the last mails. Every call is cheap: no call looks into a message."""

    def __init__(self, max_mails: int = MAX_MAILS, max_octets: int = MAX_OCTETS) -> None:
        self._mails: OrderedDict[int, Received] = OrderedDict()
        self._max_mails = max_mails
        self._max_octets = max_octets
        self._octets = 0
        self._received = 0
        self._evicted = 0

    def add(self, sender: str, recipients: tuple[str, ...], message: bytes, received_ms: int) -> Received:
        """Keep a mail, and let go of the oldest where there are too many or they are too large."""
        self._received += 1
        mail = Received(self._received, sender, recipients, message, received_ms)
        self._mails[mail.id] = mail
        self._octets += len(message)
        while len(self._mails) > 1 and (len(self._mails) > self._max_mails or self._octets > self._max_octets):
            _, oldest = self._mails.popitem(last=False)
            self._octets -= len(oldest.message)
            self._evicted += 1
        return mail

    def get(self, mail_id: int) -> Received | None:
        """The mail, or None: never received, or let go."""
        return self._mails.get(mail_id)

    def newest(self, limit: int, before: int | None = None) -> tuple[Received, ...]:
        """At most `limit` mails, newest first; only those older than the mail `before`."""
        if before is None:
            return tuple(islice(reversed(self._mails.values()), limit))
        return tuple(islice((mail for mail in reversed(self._mails.values()) if mail.id < before), limit))

    def clear(self) -> int:
        """Let go of all; how many they were. They count as neither evicted nor kept."""
        count = len(self._mails)
        self._mails.clear()
        self._octets = 0
        return count

    def stats(self) -> InboxStats:
        """Counts now."""
        return InboxStats(self._received, self._evicted, len(self._mails), self._octets, self._max_mails, self._max_octets)
