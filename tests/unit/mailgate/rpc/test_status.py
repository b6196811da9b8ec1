"""Errors as statuses and back: reasons, fields, times to wait; nothing of a defect but its incident; trailers that peers accept."""

import grpc
import pytest
from google.rpc.status_pb2 import Status

from mailgate import errors
from mailgate.errors import Violation
from mailgate.rpc.status import DETAILS_KEY, from_rpc_error, from_status, to_status, to_trailers


def there_and_back(error):
    return from_status(Status.FromString(to_status(error).SerializeToString()))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.Invalid([Violation("mail.to[0].email", "no"), Violation("mail.ttl", "no")]), grpc.StatusCode.INVALID_ARGUMENT),
        (errors.TooLarge.field("mail.content", "too large"), grpc.StatusCode.INVALID_ARGUMENT),
        (errors.Unauthenticated("no key"), grpc.StatusCode.UNAUTHENTICATED),
        (errors.ScopeMissing("no scope"), grpc.StatusCode.PERMISSION_DENIED),
        (errors.SenderDomainForbidden("not yours"), grpc.StatusCode.PERMISSION_DENIED),
        (errors.NotFound("no mail"), grpc.StatusCode.NOT_FOUND),
        (errors.WrongState("not in doubt"), grpc.StatusCode.FAILED_PRECONDITION),
        (errors.Unavailable("stops", 2.5), grpc.StatusCode.UNAVAILABLE),
        (errors.StorageFull("full", 30), grpc.StatusCode.UNAVAILABLE),
        (errors.DeadlinePassed("late"), grpc.StatusCode.DEADLINE_EXCEEDED),
    ],
)
def test_each_error_has_its_code_and_comes_back_as_itself(error, code):
    """A client in Python catches what the gateway raised."""
    status = to_status(error)
    back = there_and_back(error)
    assert (status.code, type(back), back.reason) == (code.value[0], type(error), error.reason)
    assert getattr(back, "violations", None) == getattr(error, "violations", None)
    assert getattr(back, "retry_after", None) == getattr(error, "retry_after", None)


def test_a_defects_text_stays_inside(capsys):
    """The peer gets an incident id, which the log has with the traceback."""
    try:
        raise RuntimeError("secret of a@example.com")
    except RuntimeError as error:
        status = to_status(error, "/x/Y")
    incident = status.message.rpartition(" ")[2]
    assert b"secret" not in status.SerializeToString()
    assert status.code == grpc.StatusCode.INTERNAL.value[0]
    out = capsys.readouterr()
    assert incident in out.out + out.err


def test_an_operators_settings_error_never_crosses():
    """It names paths and keys of this machine."""
    status = to_status(errors.SettingsInvalid([errors.Mistake("gateway.data", "/secret", "cure")]))
    assert b"/secret" not in status.SerializeToString()


def test_broken_storage_leaves_the_caller_in_doubt():
    """A commit whose fsync failed may be there after a start: nobody says that nothing was stored. The path in the text stays inside."""
    back = there_and_back(errors.StorageBroken("/var/lib/x: fsync failed"))
    assert type(back) is errors.Unanswered
    assert "/var" not in str(back)


def test_many_long_violations_fit_into_the_trailers():
    """Peers refuse trailers beyond 8 KiB: the rest is counted, the call is not lost."""
    many = [Violation(f"mail.to[{i}].email", "ü" * 400) for i in range(50)]
    _, message, trailers = to_trailers(to_status(errors.Invalid(many)))
    octets = len(trailers[0][1]) * 4 / 3 + len(message.encode()) * 3
    assert octets < 7500
    back = there_and_back(errors.Invalid(many))
    assert back.violations[-1].description.endswith("more")


def test_line_breaks_and_surrogates_of_a_caller_are_escaped():
    """A message is one line, and protobuf takes no lone surrogate."""
    status = to_status(errors.NotFound("a\r\nb\udcff"))
    assert status.message == "a\\r\\nb\\udcff"


def rpc_error(code, details="", trailers=()):
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(*trailers), details)


def test_a_failed_call_tells_our_error():
    """By its details, not by its code."""
    status = to_status(errors.StorageFull("full", 30))
    error = from_rpc_error(rpc_error(grpc.StatusCode.UNAVAILABLE, "full", [(DETAILS_KEY, status.SerializeToString())]))
    assert (type(error), error.retry_after) == (errors.StorageFull, 30)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.UNAVAILABLE, errors.Unanswered),
        (grpc.StatusCode.DEADLINE_EXCEEDED, errors.Unanswered),
        (grpc.StatusCode.CANCELLED, errors.Unanswered),
        (grpc.StatusCode.UNAUTHENTICATED, errors.Unauthenticated),
        (grpc.StatusCode.PERMISSION_DENIED, errors.Forbidden),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, errors.TooLarge),
        (grpc.StatusCode.INVALID_ARGUMENT, errors.Invalid),
        (grpc.StatusCode.UNIMPLEMENTED, errors.MailgateError),
    ],
)
def test_without_our_word_a_broken_call_is_unanswered(code, kind):
    """A status of gRPC itself cannot say that nothing was stored."""
    assert type(from_rpc_error(rpc_error(code, "text"))) is kind


def test_rotten_details_are_no_crash():
    """A proxy may put anything there."""
    error = from_rpc_error(rpc_error(grpc.StatusCode.NOT_FOUND, "gone", [(DETAILS_KEY, b"\xff\xff")]))
    assert isinstance(error, errors.NotFound)
