"""What a failed call to etcd means: ask another member, show a new token, or give up. Pure but for gRPC's own types."""

from __future__ import annotations

from enum import Enum

import grpc

from mailgate.errors import MailgateError


class EtcdRefused(MailgateError):
    """etcd's own no: the same call will be refused again. `kind` says whose fault it is."""

    def __init__(self, text: str, kind: Failure) -> None:
        self.kind = kind
        super().__init__(text)


class Failure(Enum):
    """What to do about it."""

    PASSING = "passing"
    """The member is away, has no leader or takes too long: another may do."""
    TOKEN = "token"  # noqa: S105
    """The token is too old, or of a life before: a new one will do."""
    NO_USER = "no user"
    """etcd has users, and we did not say who we are."""
    NO_USERS = "no users"
    """etcd has no users, and we are one."""
    CREDENTIALS = "credentials"
    """The user is not there, or the password is another."""
    FORBIDDEN = "forbidden"
    """The user may not do this."""
    NO_LEASE = "no lease"
    """The lease has run out."""
    REFUSED = "refused"
    """Anything else."""


_WORDS = (
    ("invalid auth token", Failure.TOKEN),
    ("revision of auth store is old", Failure.TOKEN),
    ("revision in header is old", Failure.TOKEN),
    ("user name is empty", Failure.NO_USER),
    ("authentication is not enabled", Failure.NO_USERS),
    ("authentication failed", Failure.CREDENTIALS),
    ("user name not found", Failure.CREDENTIALS),
    ("permission denied", Failure.FORBIDDEN),
    ("requested lease not found", Failure.NO_LEASE),
)
"""etcd's texts (api/v3rpc/rpctypes/error.go, the same from 3.4 to 3.7). Its codes do not tell these apart: an old revision of the users and
a wrong password are both INVALID_ARGUMENT."""

_PASSING = {
    *(grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED),
    *(grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.RESOURCE_EXHAUSTED),
}
"""UNKNOWN: a member that stops says "context canceled" so. RESOURCE_EXHAUSTED: too many requests, or the disk is full, which passes."""


def judge(code: grpc.StatusCode, text: str) -> Failure:
    """Of a status."""
    found = of_text(text)
    if found is not None:
        return found
    return Failure.PASSING if code in _PASSING else Failure.REFUSED


def of_text(text: str) -> Failure | None:
    """Of words alone, as a watch ends with them; None: they are none of those."""
    return next((kind for words, kind in _WORDS if words in text), None)
