"""A transaction to send, and the outcomes of a Done in short."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from mailgate.job import JobRecipient
from mailgate.verdict import Outcome
from sender.smtp.events import Done, Event


@dataclass(frozen=True, eq=False)
class Mail:
    """What a conversation needs of a Handoff."""

    return_path: str
    recipients: tuple[JobRecipient, ...]
    message: bytes
    smtputf8: bool = False
    clean: bool = False
    envelope_id: str = "0192f0c1"


def _mail(
    recipients: int = 1, message: bytes = b"Subject: x\r\n\r\ntext\r\n", *, smtputf8: bool = False, to: str = "r{}@example.com"
) -> Mail:
    return Mail("s@example.com", tuple(JobRecipient(10 + i, to.format(i)) for i in range(recipients)), message, smtputf8)


def _outcomes(events: Sequence[Event]) -> dict[int, tuple[Outcome, int, str]]:
    """By recipient: outcome, code, class. There must be one Done."""
    (done,) = [event for event in events if isinstance(event, Done)]
    found = [(i, (v.outcome, v.reply.code, v.reply.bounce_class)) for v in done.recipients for i in v.indexes]
    assert len(found) == len(dict(found)), "a recipient has two outcomes"
    return dict(sorted(found))


@pytest.fixture
def mail() -> Callable[..., Mail]:
    """Makes a mail to recipients with indexes from 10."""
    return _mail


@pytest.fixture
def outcomes() -> Callable[[Sequence[Event]], dict[int, tuple[Outcome, int, str]]]:
    """Reads the outcomes out of events."""
    return _outcomes
