"""Errors ⇄ google.rpc.Status: ErrorInfo with the reason, BadRequest with the fields, RetryInfo with the time to wait."""

from __future__ import annotations

import os
from collections.abc import Iterable

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from mailgate import errors
from mailgate.errors import MailgateError, Violation
from mailgate.telemetry.logs import get_logger

DOMAIN = "mailgate"
DETAILS_KEY = "grpc-status-details-bin"

MAX_MESSAGE = 512
"""Characters of a status message. Message and details travel as trailers, which peers refuse beyond 8 KiB together."""

MAX_VIOLATIONS_OCTETS = 3072
"""Octets of violations in a status: in base64, with the message twice, the trailers stay below 8 KiB."""

_LOG = get_logger(__name__)

_CODES: tuple[tuple[type[MailgateError], grpc.StatusCode], ...] = (
    (errors.Invalid, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.Unauthenticated, grpc.StatusCode.UNAUTHENTICATED),
    (errors.Forbidden, grpc.StatusCode.PERMISSION_DENIED),
    (errors.NotFound, grpc.StatusCode.NOT_FOUND),
    (errors.WrongState, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.KeyReused, grpc.StatusCode.ALREADY_EXISTS),
    (errors.QuotaExceeded, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.Refused, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.Unavailable, grpc.StatusCode.UNAVAILABLE),
    (errors.DeadlinePassed, grpc.StatusCode.DEADLINE_EXCEEDED),
)

_BY_NUMBER = {code.value[0]: code for code in grpc.StatusCode}

_INVALID: dict[str, type[errors.Invalid]] = {
    "INVALID_ARGUMENT": errors.Invalid,
    "TOO_LARGE": errors.TooLarge,
    "CONTENT_MISSING": errors.ContentMissing,
}

_PLAIN: dict[str, type[MailgateError]] = {
    "UNAUTHENTICATED": errors.Unauthenticated,
    "SCOPE_MISSING": errors.ScopeMissing,
    "SENDER_DOMAIN_FORBIDDEN": errors.SenderDomainForbidden,
    "NOT_FOUND": errors.NotFound,
    "FAILED_PRECONDITION": errors.WrongState,
    "IDEMPOTENCY_KEY_REUSED": errors.KeyReused,
    "QUOTA_EXCEEDED": errors.QuotaExceeded,
    "DEADLINE_EXCEEDED": errors.DeadlinePassed,
}

_BARE: dict[int, type[MailgateError]] = {
    grpc.StatusCode.UNAUTHENTICATED.value[0]: errors.Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED.value[0]: errors.Forbidden,
    grpc.StatusCode.NOT_FOUND.value[0]: errors.NotFound,
    grpc.StatusCode.FAILED_PRECONDITION.value[0]: errors.WrongState,
    grpc.StatusCode.ALREADY_EXISTS.value[0]: errors.KeyReused,
}
"""Codes of peers that are not a Mailgate, such as a proxy."""

_BROKEN = {
    *(grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED),
    *(grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN),
}
"""How gRPC tells of a call that broke; INTERNAL is a stream that was reset, or a write after the end."""


def to_status(error: BaseException, method: str = "") -> Status:
    """What a caller may see of an error.

    One that is not of our tree is logged with its traceback and an incident id, and becomes INTERNAL with that id alone. Broken storage
    becomes UNAVAILABLE without its text, and without our word that nothing was stored: a commit whose fsync failed may be there when the
    gateway is started anew, so it must not be offered to another one.
    """
    if isinstance(error, errors.StorageBroken):
        return Status(code=grpc.StatusCode.UNAVAILABLE.value[0], message="the gateway's storage failed and it stops")
    code = next((code for kind, code in _CODES if isinstance(error, kind)), None)
    if code is None or not isinstance(error, MailgateError):
        return _incident(error, method)
    status = Status(code=code.value[0])
    if isinstance(error, errors.Invalid):
        request = _bad_request(error.violations)
        status.message = _message(error.violations)
        _info(status, error.reason)
        status.details.add().Pack(request)
        return status
    status.message = _cut(str(error))
    _info(status, error.reason)
    if isinstance(error, errors.Unavailable):
        status.details.add().Pack(RetryInfo(retry_delay=_duration(error.retry_after)))
    return status


def to_trailers(status: Status) -> tuple[grpc.StatusCode, str, tuple[tuple[str, bytes], ...]]:
    """The three arguments of `context.abort`."""
    return _BY_NUMBER[status.code], status.message, ((DETAILS_KEY, status.SerializeToString()),)


def from_status(status: Status) -> MailgateError:
    """The error that a status tells of, such as that of a batch's entry."""
    reason, violations, retry_after = "", [], 1.0
    info, request, retry = ErrorInfo(), BadRequest(), RetryInfo()
    for detail in status.details:
        if detail.Unpack(info):
            reason = info.reason if info.domain == DOMAIN else reason
        elif detail.Unpack(request):
            violations += [Violation(v.field, v.description) for v in request.field_violations]
        elif detail.Unpack(retry):
            retry_after = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
    return _error(status, reason, violations, retry_after)


def from_rpc_error(error: grpc.aio.AioRpcError) -> MailgateError:
    """The error that a failed call tells of, for callers. Without a Mailgate's word on it the answer is Unanswered, at the least."""
    code, text = error.code(), error.details() or ""
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            try:
                return from_status(Status.FromString(value))
            except DecodeError:
                break
    return _error(Status(code=code.value[0], message=text), "", [], 1.0)


def _error(status: Status, reason: str, violations: list[Violation], retry_after: float) -> MailgateError:
    text = status.message
    if reason in _INVALID:
        return _INVALID[reason](violations or [Violation("request", text)])
    if reason in _PLAIN:
        return _PLAIN[reason](text)
    if reason == "STORAGE_FULL":
        return errors.StorageFull(text, retry_after)
    if reason == "UNAVAILABLE":
        return errors.Unavailable(text, retry_after)
    if reason:
        return MailgateError(text)
    return _bare(status)


def _bare(status: Status) -> MailgateError:
    """A status without our ErrorInfo: from gRPC itself, or from a proxy."""
    text = status.message
    if status.code == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]:  # gRPC's own limit of a message
        return errors.TooLarge.field("request", text)
    if status.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]:
        return errors.Invalid.field("request", text)
    if kind := _BARE.get(status.code):
        return kind(text)
    code = _BY_NUMBER.get(status.code, grpc.StatusCode.UNKNOWN)
    if code in _BROKEN:
        return errors.Unanswered(f"no answer ({code.name}): {text}")
    return MailgateError(f"{code.name}: {text}")


def _info(status: Status, reason: str) -> None:
    status.details.add().Pack(ErrorInfo(reason=reason, domain=DOMAIN))


def _bad_request(violations: Iterable[Violation]) -> BadRequest:
    request, octets, left_out = BadRequest(), 0, 0
    for violation in violations:
        each = BadRequest.FieldViolation(field=_cut(violation.field), description=_cut(violation.description))
        octets += each.ByteSize()
        if octets > MAX_VIOLATIONS_OCTETS:
            left_out += 1
        else:
            request.field_violations.append(each)
    if left_out:
        request.field_violations.add(field="…", description=f"{left_out} more")
    return request


def _message(violations: tuple[Violation, ...]) -> str:
    more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
    return _cut(f"{violations[0].field}: {violations[0].description}", MAX_MESSAGE - len(more)) + more if violations else "refused"


def _cut(text: str, limit: int = MAX_MESSAGE) -> str:
    """A message of gRPC is percent-encoded: a character beyond ASCII takes up to twelve octets there."""
    text = text if text.isprintable() else ascii(text)[1:-1]
    if not text.isascii():
        limit //= 4
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _incident(error: BaseException, method: str) -> Status:
    incident = os.urandom(6).hex()
    _LOG.error("rpc_incident", incident=incident, method=method, exc_info=error)
    status = Status(code=grpc.StatusCode.INTERNAL.value[0], message=f"a defect of the gateway; its log has it as incident {incident}")
    status.details.add().Pack(ErrorInfo(reason="INTERNAL", domain=DOMAIN, metadata={"incident": incident}))
    return status


def _duration(seconds: float) -> Duration:
    whole = int(seconds)
    return Duration(seconds=whole, nanos=int((seconds - whole) * 1e9))
