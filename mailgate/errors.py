"""Every error that a caller or an operator may meet, in one tree.

    MailgateError
    ├── Refused                 the caller's fault: trying the same again cannot help
    │   ├── Invalid             INVALID_ARGUMENT, with a violation for each field
    │   │   ├── TooLarge        INVALID_ARGUMENT too; its reason is TOO_LARGE
    │   │   └── ContentMissing  INVALID_ARGUMENT too; its reason is CONTENT_MISSING
    │   ├── Unauthenticated     UNAUTHENTICATED
    │   ├── Forbidden           PERMISSION_DENIED
    │   │   ├── ScopeMissing
    │   │   └── SenderDomainForbidden
    │   ├── NotFound            NOT_FOUND
    │   ├── WrongState          FAILED_PRECONDITION
    │   ├── KeyReused           ALREADY_EXISTS
    │   └── QuotaExceeded       RESOURCE_EXHAUSTED
    ├── Unavailable             ours, and passing: UNAVAILABLE, with the time to wait
    │   └── StorageFull         the disk is full but for the reserve
    ├── Unanswered              the client's word: the call broke or timed out, and nobody knows whether something was stored
    ├── JobUnreadable           a job's bytes cannot be decoded; a node refuses it as hopeless, it never crosses gRPC
    ├── DeadlinePassed          DEADLINE_EXCEEDED: nothing was stored
    ├── StorageBroken           ours, and final for this process: it must stop (a failed fsync must not be tried again)
    └── SettingsInvalid         the operator's: each mistake with key, value and cure; never crosses gRPC

`reason` is the name in protos/mailgate/api/error/v1 without its prefix. What a caller may see is the text of the exception; an error that
is not in this tree reaches a caller as INTERNAL without its text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Violation:
    """What is wrong with one field: its path as the caller wrote it (`mail.to[3].email`), and a sentence with value and cure."""

    field: str
    description: str


class MailgateError(Exception):
    """The root. `reason` is for programs, the text for people."""

    reason: ClassVar[str] = "INTERNAL"


class Refused(MailgateError):
    """The caller's fault; the same call will be refused again."""

    reason = "INVALID_ARGUMENT"


class Invalid(Refused):
    """Fields of the request are wrong; nothing was stored."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        self.violations = tuple(violations)
        super().__init__("; ".join(f"{v.field}: {v.description}" for v in self.violations))

    @classmethod
    def field(cls, field: str, description: str) -> Invalid:
        """For a single violation."""
        return cls([Violation(field, description)])


class TooLarge(Invalid):
    """The mail or the request exceeds a limit of size."""

    reason = "TOO_LARGE"


class ContentMissing(Invalid):
    """A digest names no content that the gateway has."""

    reason = "CONTENT_MISSING"


class Unauthenticated(Refused):
    """No key, or an unknown one."""

    reason = "UNAUTHENTICATED"


class Forbidden(Refused):
    """The key is known and does not allow this."""


class ScopeMissing(Forbidden):
    """The key lacks a scope."""

    reason = "SCOPE_MISSING"


class SenderDomainForbidden(Forbidden):
    """The From domain is not one of the tenant's."""

    reason = "SENDER_DOMAIN_FORBIDDEN"


class NotFound(Refused):
    """The tenant has no such thing."""

    reason = "NOT_FOUND"


class WrongState(Refused):
    """The thing is not in a state that admits the call."""

    reason = "FAILED_PRECONDITION"


class KeyReused(Refused):
    """The idempotency key belongs to another mail."""

    reason = "IDEMPOTENCY_KEY_REUSED"


class QuotaExceeded(Refused):
    """The tenant has as much as it may have; something must go first."""

    reason = "QUOTA_EXCEEDED"


class Unavailable(MailgateError):
    """Try again after `retry_after` seconds; nothing was stored."""

    reason = "UNAVAILABLE"

    def __init__(self, text: str, retry_after: float = 1.0) -> None:
        self.retry_after = retry_after
        super().__init__(text)


class StorageFull(Unavailable):
    """The disk is full but for the reserve that keeps verdicts."""

    reason = "STORAGE_FULL"


class Unanswered(MailgateError):
    """The call broke or timed out before its answer: whether something was stored is not known.

    The same call with the same `idempotency_key`, to the same gateway, finds out. Empty: the call had none.
    """

    idempotency_key: str = ""


class JobUnreadable(MailgateError):
    """A job's bytes cannot be decoded, or say what no job can: no node will ever be able to send it."""


class DeadlinePassed(MailgateError):
    """The call's deadline had passed before anything was stored."""

    reason = "DEADLINE_EXCEEDED"


class StorageBroken(MailgateError):
    """The storage failed for good; the process must stop, and what was not answered was not promised."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake in the settings: where, what stands there (empty: the place itself is wrong), and how to mend it."""

    key: str
    value: str
    cure: str
    file: str = ""
    """Whose key it is, where it is not the settings'."""

    def __str__(self) -> str:
        place = f"{self.file}: {self.key}" if self.file else self.key
        return f"{place} = {self.value}: {self.cure}" if self.value else f"{place}: {self.cure}"


class SettingsInvalid(MailgateError):
    """All mistakes of the settings at once."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))
