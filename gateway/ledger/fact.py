"""A fact about a recipient, as the rooms that make it durable know it: what watchers are told is an Event, which has more. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mailgate.mail import AttemptRecord, EventType, RecipientState


@dataclass(frozen=True, slots=True)
class Fact:
    """It is durable when it is told. `sequence` counts the recipient's facts from 1 (ACCEPTED): `Job.events` + 1 for the next."""

    tenant: str
    mail_id: bytes
    index: int
    sequence: int
    type: EventType
    state: RecipientState
    time_ms: int
    attempt: AttemptRecord | None = None


Publish = Callable[[Iterable[Fact]], None]
"""Tell whoever watches. Synchronous, never fails; when nobody does it does not even look at them, so that a generator costs nothing."""
